"""`watch`: records a training loop of the program's own, with PyTorch or with Keras."""

from __future__ import annotations

import sys
from typing import Any


def watch(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Record the training of a model until `close` or the end of the ``with`` block.

    For a `torch.nn.Module` it is a `training.torch.watch.Watch`, for a `keras.Model` on TensorFlow a
    `training.keras.tape.TapeWatch`: these have the arguments. Raises TypeError or ValueError for invalid ones, and ImportError
    where PyTorch is missing.
    """
    keras = sys.modules.get("keras")
    first = model[0] if isinstance(model, list | tuple) and model else model
    backend = keras.backend.backend() if keras is not None and isinstance(first, keras.Model) else "torch"
    if backend not in ("tensorflow", "torch"):
        raise ValueError(f"watch() records loops with tf.GradientTape or PyTorch, and Keras runs on {backend}")
    if backend == "tensorflow":
        from scram_plugin.training.keras.tape import TapeWatch

        return TapeWatch(model, *args, **kwargs)
    try:
        from scram_plugin.training.torch import watch as of_torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("scram_plugin.watch needs a keras.Model, or PyTorch: pip install torch") from None
    return of_torch(model, *args, **kwargs)
