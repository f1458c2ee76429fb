"""Which batches are measured, and which of the measured rows are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

EVERY = 50  # the usual sampling: every 50th batch costs less than the noise of timing (see `make bench`)
SEEN_IN = 8.0  # measured batches, at most, in which a unit must have been active once
ROWS = 256  # written before they are thinned, and then before they are thinned by twice as much


def check_every(every: int) -> None:
    """Raises ValueError unless it is a whole number of batches."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every={every!r}: give a whole number of batches, at least 1")


def due(batch: int, every: int) -> bool:
    """Whether to measure a batch of a training (from 0): the 2nd, 4th, 8th, ... at first, then every n-th after the 2nd.

    Not the first one, which should not wait for a second compilation. A training that goes wrong does so early, and its
    first epoch may have few batches.
    """
    return batch >= 1 and ((batch - 1) % every == 0 or (batch < every and batch & (batch + 1) == 0))


class Thinning:
    """Fewer rows as a training grows: 256 as measured, then 256 that stand for two each, then for four, ...

    A row that stands for several keeps their extremes: the least of each ``min``, the greatest of each ``max``, norm, count of
    non-finite values, dead and saturated fraction; else the values of the last of them. NaN stays.
    """

    def __init__(self) -> None:
        self._written = 0
        self._group: list[np.ndarray] = []
        self._columns: tuple[str, ...] = ()
        self._least = self._most = np.zeros(0, bool)

    def merge(
        self, columns: Sequence[str], steps: np.ndarray, wall_times: np.ndarray, rows: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, wall times and values of the rows to write, of which the last stands for the others of its group."""
        if tuple(columns) != self._columns:
            self._columns, self._group = tuple(columns), []
            kinds = [column.split("/") for column in columns]
            self._least = np.array(["min" in kind for kind in kinds])
            greatest = {"max", "norm", "nonfinite", "dead", "saturated"}
            self._most = np.array([bool(greatest & set(kind[1:])) for kind in kinds])
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
