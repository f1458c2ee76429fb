"""What outlives one fit: where the next fit of the same model into the same log directory goes on."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from scram_plugin.training.instrumented_step import InstrumentedStep


class Session:
    """One model that is trained into one log directory, by one or several fits, and how far it is."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.batches, self.epochs = 0, 0


_sessions: weakref.WeakKeyDictionary[Any, dict[str, Session]] = weakref.WeakKeyDictionary()


def session(model: keras.Model, log_dir: str) -> Session:
    """The session of a model and a log directory; a new callback for the same two goes on with it."""
    return _sessions.setdefault(model, {}).setdefault(os.path.abspath(log_dir), Session())


def instrumented(model: keras.Model, on_error: Callable[[Exception], None]) -> InstrumentedStep:
    """The instrumented step of a model; that of an earlier fit, if the model was not compiled again since.

    It is kept in the model's own `__dict__` (past Keras's tracking), so that it goes when the model goes.
    """
    from scram_plugin.training.instrumented_step import InstrumentedStep

    step = model.__dict__.get("_scram_step")
    if step is None or step.plain is not model.train_function:
        step = model.__dict__["_scram_step"] = InstrumentedStep(model, on_error)
    step.on_error = on_error
    return step
