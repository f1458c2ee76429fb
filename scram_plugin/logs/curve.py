"""Curve: the points of one tag, cleaned for the heuristics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scram_plugin.logs.series import Series

LONG = 25  # batches of an epoch from which on means can be undone; by simulation
GROWS = 1.6  # times: of means about 1, of losses about 3; by simulation
FEW = 4  # changes at the beginning and at the end of an epoch; by definition
SETTLED = 0.5  # of the changes at the beginning, and share of the epochs; means of eight batches change by 0.4, by definition


@dataclass(frozen=True)
class CurveName:
    """Where a curve was logged. Its parts can also be asked for as those of a dictionary, which it was up to version 0.1."""

    tensorboard_run: str
    tag: str

    def keys(self) -> tuple[str, str]:
        return ("tensorboard_run", "tag")

    def __getitem__(self, key: str) -> str:
        return str(vars(self)[key])


@dataclass(frozen=True, eq=False)
class Curve:
    """The series of one training: steps strictly increase; NaN and infinite values are kept.

    Where steps decrease (a restart), later points replace earlier ones: earlier points at or after the step of the restart are
    not in the curve, as with TensorBoard's orphaned points. Of repeated steps the last one counts. `steps`, `wall_times`
    (seconds since 1970) and `values` have shape (points,).
    """

    tensorboard_run: str
    tag: str
    axis: str  # "epoch", "batch" or "step"
    steps: np.ndarray
    wall_times: np.ndarray
    values: np.ndarray
    restarts: int
    superseded: int  # points that a restart or a repeated step replaced

    def __len__(self) -> int:
        return len(self.steps)

    @staticmethod
    def of(series: Series, tensorboard_run: str, tag: str, axis: str) -> Curve:
        """The curve of a series."""
        keep = _not_superseded(series.steps)
        restarts = int(np.count_nonzero(np.diff(series.steps) < 0))
        return Curve(
            tensorboard_run,
            tag,
            axis,
            series.steps[keep],
            series.wall_times[keep],
            series.values[keep],
            restarts,
            len(series) - len(keep),
        )

    @cached_property
    def finite(self) -> Curve:
        """The curve without its NaN and infinite points."""
        return self.where(np.isfinite(self.values))

    def upto(self, step: int) -> Curve:
        """The curve up to this step, including it."""
        return self.where(self.steps <= step)

    def where(self, keep: np.ndarray) -> Curve:
        """The curve with only the points where `keep` is true, bool, shape (points,)."""
        if keep.all():
            return self
        return replace(self, steps=self.steps[keep], wall_times=self.wall_times[keep], values=self.values[keep])

    def source(self) -> CurveName:
        return CurveName(self.tensorboard_run, self.tag)


def of_all_batches(curve: Curve, batches: Curve | None, epochs: Curve | None) -> Curve:
    """The loss of every batch, where the value of each epoch is only that of its last batch, as a step of one's own in Keras
    gives it; otherwise `curve`. `epochs`: the epoch of each batch."""
    if batches is None or epochs is None or not len(curve) < len(batches) == len(epochs):
        return curve
    last = np.flatnonzero(np.diff(epochs.values, append=np.inf))
    same = np.ptp(batches.values) > 0 and np.array_equal(batches.values[last], curve.values)
    return batches if same and not _are_running_means(np.split(batches.values, last[:-1] + 1)) else curve


def _are_running_means(parts: Sequence[np.ndarray]) -> bool:
    """Whether the values of the epochs but the first are means of all batches so far.

    In a long epoch these are undone: losses differ then by as much late as early, where undoing makes the late ones of true
    losses differ more and more. In a short one means change less and less.
    """
    long = [ratio for part in parts[1:] if len(part) >= LONG if (ratio := _growth(part)) is not None]
    if long:
        return float(np.median(long)) < GROWS
    steps = [np.abs(np.diff(part)) for part in parts[1:] if len(part) >= 2 * FEW]
    settled = [np.median(d[-FEW:]) < SETTLED * np.median(d[:FEW]) for d in steps]
    return bool(settled) and bool(np.mean(settled) > SETTLED)


def _growth(part: np.ndarray) -> float | None:
    """By how much the losses of which these may be the means differ more in the later half; None where they do not differ."""
    sums = np.arange(1, len(part) + 1) * part.astype(float)
    changes = np.abs(np.diff(sums, n=2))
    half = len(changes) // 2
    early = float(np.median(changes[:half]))
    return float(np.median(changes[half:])) / early if early > 0 else None


def decimate(values: np.ndarray, points: int) -> np.ndarray:
    """Ascending indices of about `points` values at most, which preserve the shape of a plot.

    They are the first and the last value and, of each section, the smallest and largest finite value and the first non-finite
    one.
    """
    count = len(values)
    if count <= points:
        return np.arange(count)
    edges = np.linspace(0, count, max(points // 3, 1) + 1).astype(int)
    kept = {0, count - 1}
    finite = np.isfinite(values)
    for start, stop in itertools.pairwise(edges):
        part, good = values[start:stop], finite[start:stop]
        if good.any():
            kept.add(start + int(np.argmin(np.where(good, part, np.inf))))
            kept.add(start + int(np.argmax(np.where(good, part, -np.inf))))
        if not good.all():
            kept.add(start + int(np.argmin(good)))
    return np.array(sorted(kept))


def _not_superseded(steps: np.ndarray) -> np.ndarray:
    """Indices of the points that no later point with an equal or smaller step follows."""
    if not len(steps):
        return np.arange(0)
    lowest_after = np.minimum.accumulate(steps[::-1])[::-1]
    keep = np.ones(len(steps), bool)
    keep[:-1] = steps[:-1] < lowest_after[1:]
    return np.flatnonzero(keep)
