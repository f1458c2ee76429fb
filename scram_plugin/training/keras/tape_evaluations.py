"""Evaluations that a program makes between the steps of a loop with `tf.GradientTape`: their losses, and their modes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from scram_plugin.training.keras.observed import on_host
from scram_plugin.training.keras.tape_loss import Compared
from scram_plugin.training.keras.tape_trace import traced_function


class TapeEvaluations:
    """`told` is called with the loss of each evaluated batch, and its number of examples.

    Nothing is added to a function that only calls the model, since programs export such functions: it is counted how often
    they are called.
    """

    def __init__(self, told: Callable[[float, int], None]) -> None:
        self._told = told
        self._modes, self._settled = [0, 0], [0, 0]  # passes in evaluation mode and in training mode; those before a step
        self._of_function: weakref.WeakKeyDictionary[Any, set[bool]] = weakref.WeakKeyDictionary()
        self._steps_of: weakref.WeakSet[Any] = weakref.WeakSet()  # functions that make steps

    def passed(self, training: bool) -> None:
        """The model is called outside of a tape."""
        if tf.executing_eagerly():
            self._modes[training] += 1
        elif (function := traced_function()[0]) is not None:
            self._of_function.setdefault(function, set()).add(training)

    def stepped(self) -> None:
        """A step ends. What comes after the last one, as a sampling of predictions, is no evaluation of the training."""
        if tf.executing_eagerly():
            self._settled = list(self._modes)
        elif (function := traced_function()[0]) is not None:
            self._steps_of.add(function)

    def ran(self, function: Any) -> None:
        """A function that TensorFlow traces was called."""
        for training in self._of_function.get(function, ()):
            self._modes[training] += 1
        if function in self._steps_of:
            self._settled = list(self._modes)

    @property
    def modes(self) -> tuple[int, int]:
        """How many passes were in evaluation mode, and in training mode."""
        return self._settled[0], self._settled[1]

    def compared(self, loss: Compared | None, by: Any, value: Any, targets: Any, outputs: Any) -> None:
        """A batch is compared by a loss that gives a value, or by a metric; `loss`: that of the training."""
        if by is not None and (loss is None or loss.is_by(by)):
            self._call(TapeEvaluations._tell, [tf.reduce_mean(tf.cast(value, tf.float32)), tf.shape(outputs)[0]])
        elif loss is not None and loss.loss is not None:
            again = loss.again
            self._call(lambda me, t, o: me._tell(again(t, o), len(o)), [targets, outputs])

    def _tell(self, value: Any, examples: Any) -> None:
        if value is not None:
            self._told(float(value), int(examples))

    def _call(self, what: Callable[..., None], given: list[Any]) -> None:
        """Call a function with this object and arrays; in a function that is traced, in each of its calls."""
        if tf.executing_eagerly():
            what(self, *(np.asarray(one) for one in given))
        else:
            on_host(self, what, given)
