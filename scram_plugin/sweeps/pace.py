"""How fast the good runs of a sweep were, and how many times slower another one is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scram_plugin.reviews.score import RunScore

RECENT = 0.2  # last part of the steps: the best value there is how good a run is now; by bench-stopping
EARLIEST = 0.03  # of the steps that the good runs took: before, nothing is said; by bench-stopping
FEWEST_NONFINITE = 2  # points at the end: a single one may pass; by definition
MOST_LEVELS = 4096  # for which the slowest good run is known; those between count as the next better one; for speed


class GoodPace:
    """By which step even the slowest of some good runs, at least one, was as good as a value. `runs`: how many they are."""

    def __init__(self, good: Sequence[RunScore], goal: float) -> None:
        self.runs, self.axis, sign = len(good), good[0].axis, good[0].sign
        bests = [np.maximum.accumulate(sign * np.array(one.values)) for one in good]
        levels = np.unique(np.append(np.concatenate(bests), sign * goal))
        levels = levels[levels <= sign * goal]
        if len(levels) > MOST_LEVELS:
            levels = levels[np.linspace(0, len(levels) - 1, MOST_LEVELS).round().astype(int)]
        slowest = np.zeros(len(levels), int)
        for one, best in zip(good, bests, strict=True):
            slowest = np.maximum(slowest, np.array(one.steps)[np.searchsorted(best, levels)])
        # the median of the steps in which they reached the goal
        reached = [one.steps[int(np.searchsorted(best, sign * goal))] for one, best in zip(good, bests, strict=True)]
        self._earliest = EARLIEST * float(np.median(taken(self.axis, np.array(reached))))
        # before that, how good they were is mostly that of the initial weights
        self._levels, self._slowest = levels, np.maximum(slowest, round(self._earliest))

    def by(self, levels: np.ndarray) -> np.ndarray:
        """The steps by which the slowest good run was as good; better levels are higher. Shapes (n,)."""
        found: np.ndarray = self._slowest[np.searchsorted(self._levels, levels)]
        return found

    def slower(self, run: RunScore) -> tuple[np.ndarray, np.ndarray]:
        """At each point of a run that has not reached the goal: how many times slower it is, and the step by which the slowest
        good run was as good. 0 before anything can be said, infinite where the measure is no longer finite."""
        steps, values = np.array(run.steps), run.sign * np.array(run.values)
        begins = np.searchsorted(steps, (1 - RECENT) * steps)
        ends = np.arange(1, len(steps) + 1)
        # the largest of each slice; reduceat also gives those between two slices, which are left out
        recent = np.maximum.reduceat(np.append(values, -np.inf), np.stack([begins, ends], 1).ravel())[::2]
        then, so_far = self.by(recent), taken(self.axis, steps)
        slower = np.where(so_far < self._earliest, 0.0, so_far / taken(self.axis, then))
        if run.nonfinite >= FEWEST_NONFINITE:
            slower[-1] = math.inf
        return slower, then


def taken(axis: str, steps: np.ndarray) -> np.ndarray:
    """How many steps lie before points, at least one: epochs and batches are counted from 0."""
    counted: np.ndarray = np.maximum(steps + (axis in ("epoch", "batch")), 1)
    return counted
