"""Rows of steps that TensorFlow has traced: a ring buffer in the device's memory, which is passed on when it is full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.observed import apart, on_host, seldom

RING_ROWS = 16  # passing on costs as much as twenty operations; with so many rows, that is not seen
# Loss, the means of 8 inputs, 8 outputs and 8 targets (`statistics.MAX_TENSORS`), the bounds of these, the probe
MOST_COLUMNS = 42


class Ring:
    """`pass_on` is called with columns, and values of shape (steps, columns), from the thread of a step or that of `take`.

    Its functions that return nothing may be called while a function is traced: they become a part of its graph.
    """

    def __init__(self, pass_on: Callable[[tuple[str, ...], np.ndarray], None]) -> None:
        self.columns: tuple[str, ...] = ()
        self._pass_on = pass_on
        self._held: tuple[str, ...] = ()
        self._lock, self._passed = threading.RLock(), 0
        with tf.init_scope():
            self._count = tf.Variable(0, dtype=tf.int64, trainable=False, name="scram_count")
            self._drained = tf.Variable(0, dtype=tf.int64, trainable=False, name="scram_drained")
            self._backward = tf.Variable(np.zeros(MOST_COLUMNS, np.float32), trainable=False, name="scram_backward")
        self._ring: Any = None

    @property
    def number(self) -> Any:
        """Steps so far, a tensor."""
        return tf.identity(self._count)

    @property
    def steps(self) -> int:
        """Steps so far."""
        return int(self._count.numpy())

    def hold(self, row: statistics.Named) -> None:
        """Keep what a backward pass showed: the optimizer may have a function of its own."""
        names, values = statistics.flatten(row)
        if len(names) <= MOST_COLUMNS:
            self._held = names
            self._backward.assign(tf.pad(values, [[0, MOST_COLUMNS - len(names)]]))

    def held(self) -> statistics.Named:
        """What the last backward pass showed that was held."""
        return [(list(self._held), self._backward[: len(self._held)])] if self._held else []

    def put(self, row: statistics.Named) -> None:
        """The row of a step that ends. One with other columns, of a function for other data, is left out."""
        if not row:
            return
        names, values = statistics.flatten(row)
        if self._ring is None:
            self.columns, zeros = names, np.zeros((RING_ROWS, len(names)), np.float32)
            self._ring = apart(lambda: tf.Variable(zeros, trainable=False, name="scram_ring"))
        if names != self.columns:
            return
        with tf.control_dependencies([values]):  # a step that fails has no row
            written = self._ring.scatter_update(tf.IndexedSlices(values, self.number % RING_ROWS))
        with tf.control_dependencies([written]):
            done = self._count.assign_add(1)
        full = done - self._drained >= RING_ROWS

        def drain() -> Any:
            given = [self._ring, self._drained, done]
            told = on_host(self, lambda me, ring, first, end: me._deliver(ring, int(first), int(end)), given)
            self._drained.assign(done)
            return told

        seldom(full, drain, lambda: tf.constant(False))

    def take(self) -> None:
        """Pass on the rows that wait."""
        if self._ring is not None and (end := self.steps) > (first := int(self._drained.numpy())):
            self._drained.assign(end)
            self._deliver(self._ring.numpy(), first, end)

    def due(self, every: int) -> Any:
        """`sampling.due` of the number of this step, a tensor."""
        number = self.number
        early = tf.logical_and(number < every, tf.equal(tf.bitwise.bitwise_and(number, number + 1), 0))
        return tf.logical_and(number >= 1, tf.logical_or(tf.equal((number - 1) % every, 0), early))

    def _deliver(self, ring: np.ndarray, first: int, end: int) -> None:
        with self._lock:  # a step may pass on its rows while `take` does
            first, self._passed = max(first, self._passed), max(end, self._passed)
            if end > first:
                self._pass_on(self.columns, np.array(ring)[np.arange(first, end) % RING_ROWS])
