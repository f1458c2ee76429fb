"""Instrumented train functions of a Keras model on TensorFlow: built by Keras from the model's own `train_step`.

Two of them replace the model's train function. The *recording* function runs for most batches. In addition to the step it
writes one short row (loss, means of inputs, targets and outputs, range of targets) into a ring buffer in the device's memory.
The host reads the ring in blocks, so no batch is missed even if several steps run in one call. The *measuring* function runs
for sampled batches and also returns a vector of detailed statistics.

Both have a tripwire, see `observed.py`.

The step itself is compiled as Keras would compile it, with or without XLA. Statistics are computed outside of it by TensorFlow
operations that need no compilation. They only read what the step computes, so the results of the step are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.observed import Observed, apart
from scram_plugin.training.keras.recording import Seen, Watched
from scram_plugin.training.keras.shadow import shadowed

RING_ROWS = 256


class InstrumentedStep(Observed):
    """The two train functions of one model.

    `record(iterator)` and `measure(iterator)` do what the model's train function does; `of_batch` does the same for one batch.
    `take()` returns the rows recorded since the last call, `origin()` what the tripwire recorded. `on_error` is called once if
    the statistics cannot be computed; the step itself is never affected.
    """

    key = "__scram__"  # the extra entry of the measuring function's logs

    def __init__(self, model: keras.Model, on_error: Callable[[Exception], None]) -> None:
        super().__init__(on_error)
        self.model = model
        self.plain = model.train_function
        self.columns: tuple[str, ...] = ()  # of the recorded rows
        self.measured_columns: tuple[str, ...] = ()
        self._ring: Any = None
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False, name="scram_count")
        self._taken = 0
        self.pairs: dict[str, list[int | None]] | None = None  # see `pairs.shapes`
        self.trained: set[int] = set()  # ids of the variables that a step of the program's own gives to an optimizer
        self._of_batch: dict[bool, tuple[Any, Any]] = {}  # `measuring` -> (element_spec of the batches, function for these)
        self.rows = max(RING_ROWS, 2 * model.steps_per_execution)
        self.record, self.measure = self._build(False), self._build(True)

    def of_batch(self, batch: Any, spec: Any, measuring: bool) -> Any:
        """Like `record` or `measure`, for one batch from an iterator with this `element_spec`.

        In Keras's own function the iterator is a part of the graph. Its operation runs in another thread, and the step waits
        for that thread to wake up, which makes small steps 25 % longer. This function is traced with the iterator's shapes, not
        with those of the batch: convolutions with fixed shapes differ in the last bits.
        """
        step = self.measure if measuring else self.record
        if self.model.run_eagerly:
            return step(iter([batch]))
        known, function = self._of_batch.get(measuring, (None, None))
        if known is not spec and known != spec:  # the first fit, or a fit with other data
            by_batch = tf.function(lambda data: step(iter([data])), autograph=False)
            # a trace that is requested explicitly does not count for TensorFlow's warning about repeated retracing
            function = by_batch.get_concrete_function(spec)
            self._of_batch[measuring] = spec, function
        return function(batch)

    def _build(self, measuring: bool) -> Callable[[Any], Any]:
        model = self.model
        watched = Watched(model, model.train_step, gradients=measuring)

        def instrumented(data: Any) -> Any:  # Python runs this only while tracing, or at each step with run_eagerly
            variables = watched.variables() or model.trainable_variables
            measured = variables if measuring else ()
            before = {id(v): tf.identity(statistics.sampled(tf.convert_to_tensor(v))) for v in measured}
            logs, seen = watched(data)
            try:
                return self._observe(measuring, data, logs, seen, watched, before)
            except Exception as error:  # an error in the measurement must not fail the step
                self.on_error(error)
                return logs

        @contextlib.contextmanager
        def instead() -> Any:
            # `watched` compiles the step; the code around it needs no XLA
            with shadowed(model, "train_step", instrumented), shadowed(model, "_jit_compile", False):
                yield

        try:
            with instead():
                model.make_train_function(force=True)
            built: Callable[[Any], Any] = model.train_function
        finally:
            model.train_function = self.plain
        if hasattr(model, "_make_function"):  # Keras 3.7 and newer look up `train_step` when the function is made
            return built

        def looked_up(iterator: Any) -> Any:  # older versions look it up whenever they trace
            with instead():
                return built(iterator)

        return looked_up

    def _observe(self, measuring: bool, data: Any, logs: Any, seen: Seen, watched: Watched, before: dict[int, Any]) -> Any:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        tensors = statistics.of_step(x, y, seen.y_pred)
        self.pairs = watched.pairs()
        self.trained |= watched.given if watched.own else set()
        if seen.loss is None and isinstance(logs, dict) and "loss" in logs:
            seen.loss = tf.cast(logs["loss"], tf.float32)  # used instead: the mean since the epoch began
        variables = [tf.convert_to_tensor(v) for v in watched.variables()]
        row = statistics.row(seen.loss, tensors, variables)
        probe = row[-1][1] if variables else None
        number = tf.identity(self._count)
        self.tripwire(probe, number, tensors, seen, watched)
        self._put(row, number)
        if measuring and isinstance(logs, dict):
            detail = statistics.tensors(*tensors.values())
            detail += self.in_depth(seen, watched, before)
            rate = getattr(self.model.optimizer, "learning_rate", None)
            if rate is not None:
                detail.append(("learning_rate", rate))
            self.measured_columns, vector = statistics.flatten(detail)
            logs = {**logs, self.key: vector}
        return logs

    def _put(self, row: statistics.Named, number: Any) -> None:
        names = tuple(str(name) for name, _ in row)
        if self._ring is None:
            self.columns = names
            zeros = np.zeros((self.rows, len(names)), np.float32)
            self._ring = apart(lambda: tf.Variable(zeros, trainable=False, name="scram_ring", dtype=tf.float32))
        if names != self.columns:
            raise ValueError("the structure of the data changed between batches")
        values = tf.stack([tf.cast(value, tf.float32) for _, value in row])
        # Only once there is a batch: at the end of the data, a graph would still run operations that do not depend on a batch.
        with tf.control_dependencies([values]):
            self._ring.scatter_update(tf.IndexedSlices(values, number % self.rows))
            self._count.assign_add(1)

    def begin(self) -> None:
        """A fit begins: drop the rows and non-finite values of an earlier fit."""
        self.take()
        self._forward = self._flaws = None

    def take(self, most: int | None = None) -> np.ndarray:
        """Return the next recorded rows, float32, shape (batches, columns): all, or at most `most`.

        Rows that the ring has already overwritten are left out.
        """
        count = int(self._count.numpy())
        self._taken = max(self._taken, count - self.rows)
        end = count if most is None else min(count, self._taken + most)
        if self._ring is None or end == self._taken:
            return np.zeros((0, len(self.columns)), np.float32)
        first, self._taken = self._taken, end
        return np.asarray(self._ring.numpy()[np.arange(first, end) % self.rows])

    def origin(self) -> tuple[int, tuple[str, ...], np.ndarray] | None:
        """What the tripwire recorded: how many rows before the next row to `take` it was, columns and counts."""
        if self._flaws is None:
            return None
        number, columns, values = self._flaws
        return self._taken - number, columns, values


def instrumented(model: keras.Model, on_error: Callable[[Exception], None]) -> InstrumentedStep:
    """The instrumented step of a model; that of an earlier fit, unless the model was compiled again since.

    It is stored in the model's own `__dict__` (bypassing Keras's tracking), so that it is freed together with the model.
    """
    step: InstrumentedStep | None = model.__dict__.get("_scram_step")
    if step is None or step.plain is not model.train_function:
        step = model.__dict__["_scram_step"] = InstrumentedStep(model, on_error)
    step.on_error = on_error
    return step
