"""Instrumented train functions of a Keras model on TensorFlow: built by Keras from the model's own `train_step`.

Two of them stand in for the model's train function. The *recording* one runs for most batches: beside the step it puts one
short row (loss, means of inputs, targets and outputs, range of targets) into a ring in the device's memory, which the host
reads in blocks, so that no batch is missed even where several steps run in one call. The *measuring* one runs for every
n-th batch and also returns a vector of detailed statistics.

While a function is traced (and only then) `model.compute_loss` is shadowed in the instance's `__dict__`, where Keras looks
it up; nothing is subclassed and nothing stays behind. The statistics only read what the step computes, so the step's own
results are the same.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from scram_plugin.training import statistics
from scram_plugin.training.structures import leaves

KEY = "__scram__"  # the extra entry of the measuring function's logs
RING_ROWS = 256


@contextlib.contextmanager
def shadowed(instance: Any, name: str, replacement: Any) -> Iterator[None]:
    """Set an entry in an instance's `__dict__`, past `__setattr__` (which Keras tracks); put back what was there."""
    namespace = instance.__dict__
    before = [namespace[name]] if name in namespace else []
    namespace[name] = replacement
    try:
        yield
    finally:
        namespace.pop(name, None)
        for value in before:
            namespace[name] = value


class InstrumentedStep:
    """The two train functions of one model.

    `record(iterator)` and `measure(iterator)` do what the model's train function does; `take()` gives the rows recorded since
    the last call. `on_error` is told once if the statistics could not be computed; the step itself is never affected.
    """

    def __init__(self, model: keras.Model, on_error: Callable[[Exception], None]) -> None:
        self.model, self.on_error = model, on_error
        self.plain = model.train_function
        self.columns: tuple[str, ...] = ()  # of the recorded rows
        self.measured_columns: tuple[str, ...] = ()
        self._ring: tf.Variable | None = None
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False, name="scram_count")
        self._taken = 0
        self.rows = max(RING_ROWS, 2 * model.steps_per_execution)
        self.record, self.measure = self._build(False), self._build(True)

    def _build(self, measuring: bool) -> Callable[[Any], Any]:
        model, train_step = self.model, self.model.train_step

        def instrumented(data: Any) -> Any:  # Python runs this only while tracing, or at each step with run_eagerly
            seen: list[tuple[Any, Any]] = []  # (loss, y_pred)

            def compute_loss(method: Any, *args: Any, **kwargs: Any) -> Any:
                loss = method(*args, **kwargs)
                y_pred = kwargs.get("y_pred", args[2] if len(args) > 2 else None)
                seen.append((loss, y_pred))
                return loss

            with shadowed(model, "compute_loss", functools.partial(compute_loss, model.compute_loss)):
                logs = train_step(data)
            try:
                return self._observe(measuring, data, logs, seen)
            except Exception as error:  # whatever cannot be measured must not cost the step
                self.on_error(error)
                return logs

        try:
            with shadowed(model, "train_step", instrumented):
                model.make_train_function(force=True)
            built = model.train_function
        finally:
            model.train_function = self.plain
        if hasattr(model, "_make_function"):  # Keras 3.7 and newer: the step is taken when the function is made
            return built

        def looked_up(iterator: Any) -> Any:  # older ones look it up whenever they trace
            with shadowed(model, "train_step", instrumented):
                return built(iterator)

        return looked_up

    def _observe(self, measuring: bool, data: Any, logs: Any, seen: list[tuple[Any, Any]]) -> Any:
        here = tf.compat.v1.get_default_graph()

        def mine(tensor: Any) -> bool:  # tensors of an inner graph (a cell, a branch) cannot leave it
            return tensor is not None and (tf.executing_eagerly() or getattr(tensor, "graph", here) is here)

        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        losses = [loss for loss, _ in seen if mine(loss)]
        y_pred = next((pred for _, pred in seen if all(map(mine, leaves(pred)))), None)
        tensors = {"x": _numbers("x", x), "y": _numbers("y", y), "y_pred": _numbers("y_pred", y_pred)}
        # logs["loss"] is the mean since the epoch began; the batch's own loss is what compute_loss gave
        loss = losses[0] if losses else logs.get("loss") if isinstance(logs, dict) else None
        row: statistics.Named = [("loss", tf.cast(loss, tf.float32))] if loss is not None else []
        for name, tensor in tensors["x"] + tensors["y"] + tensors["y_pred"]:
            row += statistics.mean(name, tensor)
        for name, tensor in tensors["y"]:
            row += statistics.bounds(name, tensor)
        self._put(row)
        if measuring and isinstance(logs, dict):
            self.measured_columns, vector = statistics.flatten(self._detail(tensors))
            logs = {**logs, KEY: vector}
        return logs

    def _detail(self, tensors: dict[str, list[tuple[str, Any]]]) -> statistics.Named:
        detail: statistics.Named = []
        for part in tensors.values():
            for name, tensor in part:
                detail += statistics.summary(name, tensor)
        for (name, labels), (_, outputs) in zip(tensors["y"], tensors["y_pred"], strict=False):
            classes = outputs.shape[-1] if len(outputs.shape) > 1 else None
            one_each = len(labels.shape) == 1 or labels.shape[-1] == 1
            if classes is not None and 1 < classes <= statistics.MAX_CHANNELS and one_each and len(outputs.shape) == 2:
                detail += statistics.label_counts(name, labels, classes)
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if rate is not None:
            detail.append(("learning_rate", rate))
        return detail

    def _put(self, row: statistics.Named) -> None:
        names = tuple(str(name) for name, _ in row)
        if self._ring is None:
            self.columns = names
            with tf.init_scope():
                self._ring = tf.Variable(
                    np.zeros((self.rows, len(names)), np.float32), trainable=False, name="scram_ring", dtype=tf.float32
                )
        if names != self.columns:
            raise ValueError("the structure of the data changed between batches")
        values = tf.stack([tf.cast(value, tf.float32) for _, value in row])
        # Not before there is a batch: where the data end, a graph would still run what does not depend on them.
        with tf.control_dependencies([values]):
            slot = self._count % self.rows
            self._ring.scatter_nd_update([[slot]], [values])
            self._count.assign_add(1)

    def take(self, most: int | None = None) -> np.ndarray:
        """The next rows recorded, shape (batches, columns): all, or `most` of them; what the ring has lost is left out."""
        count = int(self._count.numpy())
        self._taken = max(self._taken, count - self.rows)
        end = count if most is None else min(count, self._taken + most)
        if self._ring is None or end == self._taken:
            return np.zeros((0, len(self.columns)), np.float32)
        first, self._taken = self._taken, end
        return self._ring.numpy()[np.arange(first, end) % self.rows]


def _numbers(prefix: str, structure: Any) -> list[tuple[str, Any]]:
    flat = leaves(structure)[: statistics.MAX_TENSORS] if structure is not None else []
    numbers = ((f"{prefix}{i}", statistics.as_numbers(tensor)) for i, tensor in enumerate(flat))
    return [(name, tensor) for name, tensor in numbers if tensor is not None]
