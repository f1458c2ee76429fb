"""`preflight`: tests before a training, from a program, a notebook or the terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from scram_plugin.errors import BadOption
from scram_plugin.notebook import Reviews, review

SECONDS = 20.0
_SIZES = {"": 1.0, "m": 1.0, "g": 1024.0, "t": 1024.0**2}


def preflight(
    model: Any,
    data: Any,
    *,
    loss: Callable[[Any, Any], Any] | None = None,
    optimizer: Any = None,
    validation: Any = None,
    log_dir: str | os.PathLike[str] = "logs/preflight",
    seconds: float = SECONDS,
    memory: str | float | None = None,
    tests: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    source: bool = True,
) -> Reviews:
    """Test a model before its training: a short recorded training, and active tests. Returns the reviews.

    Example::

        scram_plugin.preflight(model, (x_train, y_train), validation=(x_val, y_val))             # Keras, compiled
        scram_plugin.preflight(model, train_loader, loss=loss_function, optimizer=optimizer)     # PyTorch

    Args:
        model: a compiled Keras model, or a `torch.nn.Module`.
        data: the training data: arrays ``(x, y)``, a `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, or a list
            of batches. An iterator would be used up and is refused.
        loss: with PyTorch, a function of outputs and targets; None for a model that returns its loss.
        optimizer: with PyTorch, the optimizer of the training.
        validation: the validation data, in the same forms as `data`.
        log_dir: where the results are logged; the tab shows them as a training run.
        seconds: approximate time limit.
        memory: the memory that the training may use, in MiB or as "8G"; by default all that the device or machine has.
        tests: a file with your own tests: functions ``test_...`` that take ``model``, ``batch``, ``optimizer``, ``loss``.
        batch_size: the batch size for arrays, 32 by default.
        source: record the lines of the program, so that fixes can be shown in them.

    Afterwards weights, optimizer state, random states and the order of the data are restored bit for bit. Raises TypeError
    or ValueError, with a sentence, for what cannot be tested.
    """
    budget = mebibytes(memory)
    log_dir = os.fspath(log_dir)
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    own = _own(tests)
    from scram_plugin.training.preflight.flight import STEPS, fly

    if keras is not None and isinstance(model, keras.Model):
        from scram_plugin.training.preflight import keras_data
        from scram_plugin.training.preflight.keras_subject import KerasSubject

        training = keras_data.Source(data, batch_size=batch_size)
        subject: Any = KerasSubject(model, training, None if validation is None else keras_data.Source(validation))
        watched = partial(subject.watched, log_dir, STEPS, source)
    elif torch is not None and isinstance(model, torch.nn.Module):
        from scram_plugin.training.preflight import torch_data
        from scram_plugin.training.preflight.torch_subject import TorchSubject

        batches = torch_data.Source(data, batch_size)
        subject = TorchSubject(
            model, optimizer, loss, batches, None if validation is None else torch_data.Source(validation, batch_size)
        )
        watched = partial(subject.watched, log_dir, STEPS, seconds / 2, source)
    else:
        raise TypeError(f"model is a {type(model).__name__}: give a compiled keras.Model or a torch.nn.Module")
    fly(subject, log_dir, seconds, budget, own, watched)
    return review(log_dir, cache=False)


def rehearse(script: str, arguments: Sequence[str], log_dir: str, seconds: float, memory: str | None, tests: str | None) -> str:
    """Run a program up to its training, and test that; a sentence if there was none. Raises BadOption for a bad argument."""
    from scram_plugin.training.preflight.program import Flight
    from scram_plugin.training.preflight.program import rehearse as run

    try:
        return run(script, arguments, Flight(log_dir, seconds, mebibytes(memory), _own(tests)))
    except ValueError as error:
        raise BadOption(str(error)) from None


def _own(tests: str | os.PathLike[str] | None) -> Any:
    if tests is None:
        return None
    from scram_plugin.training.preflight import own_tests

    try:
        return os.fspath(tests), own_tests.load(tests)
    except ValueError as error:
        raise BadOption(str(error)) from None


def mebibytes(given: str | float | None) -> float | None:
    """``"8G"``, ``"512M"`` or a number of MiB."""
    if given is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([mgt]?)(i?b)?\s*", str(given), re.IGNORECASE)
    try:
        value = float(match[1]) * _SIZES[match[2].lower()] if match else 0.0
    except ValueError:
        value = 0.0
    if not value > 0.0:
        raise BadOption(f"memory={given!r}: give a number of MiB, or a size such as 512M or 8G")
    return value
