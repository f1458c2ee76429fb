"""What a loop with `tf.GradientTape` does while it is run or traced: tensors of a step, and where they can be used."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.recording import Seen
from scram_plugin.training.keras.tape_loss import Compared


@dataclass
class StepSeen(Seen):
    """What is seen of a step until it ends."""

    x: Any = None
    tensors: dict[str, Any] = field(default_factory=dict)  # see `statistics.of_step`
    row: statistics.Named = field(default_factory=list)
    compared: Compared | None = None
    evaluated: Any = None  # what the model gave in an evaluation
    scaled: list[tuple[Any, Any]] = field(default_factory=list)  # losses that an optimizer scaled: the larger one, and the loss
    modes: set[bool] = field(default_factory=set)  # whether the model was called as in a training
    sources: set[int] = field(default_factory=set)  # ids of what the loss was differentiated by
    # id of a variable -> it, its gradient, the scale of that, its values before the step
    changed: dict[int, tuple[Any, Any, Any, Any]] = field(default_factory=dict)

    @property
    def evaluates(self) -> bool:
        """Whether the model was called as in an evaluation, and not in another mode."""
        return self.modes == {False}


class TapeOwner(Protocol):
    """Gets what is recorded. Its functions may be called from other threads."""

    broken: bool

    def rows(self, columns: tuple[str, ...], values: np.ndarray) -> None:
        """Rows of the next steps, shape (steps, columns)."""

    def measured(self, columns: tuple[str, ...], step: int, values: np.ndarray) -> None: ...

    def built(self, step: StepSeen) -> None:
        """A first step has ended, or was traced."""

    def evaluated(self, steps: int, loss: float, examples: int) -> None:
        """A batch was evaluated after so many steps."""

    def fail(self, error: Exception) -> None: ...


def usable(tensor: Any) -> bool:
    """Whether a tensor can be used here: it has a value, or belongs to the function that is traced, or to one around it."""
    if isinstance(tensor, tf.IndexedSlices):
        tensor = tensor.values
    if tensor is None or not hasattr(tensor, "shape"):
        return False
    graph = getattr(tensor, "graph", None) if tf.is_symbolic_tensor(tensor) else None
    if graph is None:
        return True
    here = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while here is not None:
        if here is graph:
            return True
        here = getattr(here, "outer_graph", None)
    return False


def in_training_mode(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a model was called in training mode: by its argument, or the default of its `call`."""
    if (told := kwargs.get("training")) is not None:
        return tf.is_tensor(told) or bool(told)
    try:
        known = inspect.signature(layer.call).parameters
        at = list(known).index("training")
    except (ValueError, TypeError):
        return False
    return (args[at] if at < len(args) else known["training"].default) is True


def traced_function() -> tuple[Any, bool]:
    """The outermost function that is being traced, None without one; and whether nothing can be recorded in it.

    That is where XLA compiles a function as a whole, and in what `tf.vectorized_map` does for each example.
    """
    frame: FrameType | None = sys._getframe()
    outermost, closed = None, False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.endswith("polymorphic_function.py"):
            owner = frame.f_locals.get("self")
            outermost = owner if hasattr(owner, "python_function") else outermost
            closed |= bool(getattr(owner, "_jit_compile", None))
        closed |= "parallel_for" in file
        frame = frame.f_back
    return outermost, closed
