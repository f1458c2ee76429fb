"""Series: the raw points of one tag."""

from __future__ import annotations

import numpy as np


class Series:
    """Every point of one tag in one TensorBoard run, in file order: nothing sampled, sorted or dropped.

    `steps` int64, `wall_times` float64 (seconds since 1970), `values` float64, all of shape (points,).
    """

    __slots__ = ("steps", "values", "wall_times")

    def __init__(self, steps: np.ndarray, wall_times: np.ndarray, values: np.ndarray) -> None:
        self.steps, self.wall_times, self.values = steps, wall_times, values

    def __len__(self) -> int:
        return len(self.steps)

    def between(self, begin: float, end: float = np.inf) -> Series:
        """The points written at or after `begin`, and before `end` (seconds since 1970)."""
        times = self.wall_times
        if not len(self) or ((begin == -np.inf or times.min() >= begin) and (end == np.inf or times.max() < end)):
            return self
        keep = ~((times < begin) | (times >= end))
        return Series(self.steps[keep], self.wall_times[keep], self.values[keep])

    @staticmethod
    def concatenate(parts: list[Series]) -> Series:
        """The points of all parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:  # its file was removed since it was listed
            return Series(np.zeros(0, "i8"), np.zeros(0), np.zeros(0))
        return Series(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("steps", "wall_times", "values")))
