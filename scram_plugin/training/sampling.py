"""Decides which batches are measured, and which of the measured rows are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scram_plugin.schema import Column

EVERY = 50  # default; measuring every 50th batch costs less than the noise of timings (see `make bench`)
SEEN_IN = 8.0  # a unit that was active in none of so many measured batches counts as dead
LEAST = ("min",)  # statistics of which a row that stands for several has the smallest value,
MOST = ("max", "norm", "nonfinite", "dead", "saturated")  # and those of which it has the largest
ROWS = 256  # after so many written rows, each written row stands for twice as many measured rows


def check_every(every: int) -> None:
    """Raise ValueError unless `every` is a whole number of batches, at least 1."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every={every!r}: give a whole number of batches, at least 1")


def due(batch: int, every: int) -> bool:
    """Whether to measure batch number `batch` (from 0): the 2nd, 4th, 8th, ... at first, then every n-th after the 2nd.

    The first batch is not measured, since it should not wait for a second compilation. Early batches are measured more often,
    since most faults show early, and the first epoch may have few batches.
    """
    return batch >= 1 and ((batch - 1) % every == 0 or (batch < every and batch & (batch + 1) == 0))


class Thinning:
    """Writes fewer rows as a training grows: 256 as measured, then 256 that stand for two each, then 256 for four each, ...

    A row that stands for several keeps their extremes: the smallest ``min``, and the largest ``max``, norm, count of non-finite
    values, dead share and saturated share. Other columns have the value of the last row. NaN is kept.
    """

    def __init__(self) -> None:
        self._written = 0
        self._group: list[np.ndarray] = []
        self._columns: tuple[str, ...] = ()
        self._least = self._most = np.zeros(0, bool)

    def merge(
        self, columns: Sequence[str], steps: np.ndarray, wall_times: np.ndarray, rows: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps (rows,), wall times (rows,) and values (rows, columns) of the rows to write.

        The last row of each group stands for the whole group.
        """
        if tuple(columns) != self._columns:
            self._columns, self._group = tuple(columns), []
            statistics = [Column.parse(column).statistic for column in columns]
            self._least = np.array([statistic in LEAST for statistic in statistics])
            self._most = np.array([statistic in MOST for statistic in statistics])
        kept, values = [], []
        for i, row in enumerate(rows):
            self._group.append(np.asarray(row, np.float32))
            if len(self._group) >= 1 << self._written // ROWS:
                group = np.stack(self._group)
                merged = group[-1].copy()
                merged[self._least] = group[:, self._least].min(axis=0)
                merged[self._most] = group[:, self._most].max(axis=0)
                kept.append(i)
                values.append(merged)
                self._group = []
                self._written += 1
        return steps[kept], wall_times[kept], np.stack(values) if values else np.zeros((0, len(columns)), np.float32)
