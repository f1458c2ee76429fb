"""Chooses how the steps of a model are recorded, by Keras's backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def step_of(model: keras.Model, on_error: Callable[[Exception], None]) -> Any:
    """An object that runs the model's train function and records its steps; None where that is not possible."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        if model.distribute_strategy.num_replicas_in_sync > 1:
            if model.steps_per_execution > 1 or not hasattr(model, "_make_function"):  # Keras before 3.7
                return None
            from scram_plugin.training.keras.mirrored_step import MirroredStep

            return MirroredStep(model, on_error)
        from scram_plugin.training.keras.instrumented_step import instrumented

        return instrumented(model, on_error)
    if model.steps_per_execution > 1:
        return None
    if backend == "torch" and not model.jit_compile:
        from scram_plugin.training.keras.torch_step import TorchStep

        return TorchStep(model, on_error)
    if backend == "jax":
        from scram_plugin.training.keras.jax_step import JaxStep

        return JaxStep(model, on_error)
    return None
