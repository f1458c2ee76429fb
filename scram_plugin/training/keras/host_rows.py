"""Keeps the row of each step until a block of rows is written, for backends without a ring buffer on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from scram_plugin.schema import column
from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.shadow import shadowed
from scram_plugin.training.sampling import SEEN_IN


class HostRows:
    """Has the interface of TensorFlow's `InstrumentedStep` (`columns`, `take`, `origin`), and the `row` of a measured step."""

    run: Callable[..., Any]  # runs one step: whether to measure it, and the arguments of the train function

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()  # of the recorded rows
        self.measured_columns: tuple[str, ...] = ()
        self.row: Any = None
        self._rows: list[Any] = []
        self._taken = 0  # number of rows taken since the fit began
        self._flaws: tuple[int, tuple[str, ...], np.ndarray] | None = None
        self._ages: dict[str, np.ndarray] = {}  # path -> measured batches since each ReLU unit was active
        self._measured = 0.0

    def begin(self) -> None:
        """A fit begins: drop the rows and non-finite values of an earlier fit."""
        self._rows, self._taken, self._flaws, self.row = [], 0, None, None

    def add(self, columns: tuple[str, ...], values: Any) -> None:
        """Add the row of the next step; the device may still be computing `values`. Raises ValueError if columns changed."""
        if self.columns and columns != self.columns:
            raise ValueError("the structure of the data changed between batches")
        self.columns = columns
        self._rows.append(values)

    def take(self, most: int | None = None) -> np.ndarray:
        """Remove and return the next recorded rows, float32, shape (batches, columns): all, or at most `most`."""
        rows, self._rows = self._rows[:most], self._rows[most:] if most is not None else []
        self._taken += len(rows)
        if not rows:
            return np.zeros((0, len(self.columns)), np.float32)
        return np.stack([np.asarray(keras.ops.convert_to_numpy(row), np.float32) for row in rows])

    def origin(self) -> tuple[int, tuple[str, ...], np.ndarray] | None:
        """Where the first non-finite value appeared: how many rows before the next row to `take`, columns, counts."""
        if self._flaws is None:
            return None
        number, columns, values = self._flaws
        return self._taken - number, columns, values

    def built(self, model: keras.Model, train_step: Callable[..., Any]) -> Any:
        """The train function that Keras builds from another train step; the model keeps its own."""
        now = model.train_function
        with shadowed(model, "train_step", train_step):
            try:
                model.make_train_function(force=True)
                return model.train_function
            finally:
                model.train_function = now

    def dead(self, active: dict[str, Any]) -> statistics.Named:
        """The share of each layer's units that were active in none of the last measured batches, at most `SEEN_IN`."""
        self._measured += 1.0
        found: statistics.Named = []
        for path, units in active.items():
            now = np.asarray(keras.ops.convert_to_numpy(units))
            before = self._ages.get(path, np.zeros(len(now), np.float32))
            self._ages[path] = ages = np.where(now, 0.0, before + 1.0).astype(np.float32)
            found.append((column("layer", path, "dead"), float((ages >= min(self._measured, SEEN_IN)).mean())))
        return found
