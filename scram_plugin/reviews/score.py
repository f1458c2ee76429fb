"""How good a training run is, by the measure that counts for its kind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from scram_plugin.heuristics.curves.noise import noise
from scram_plugin.logs.conventions import higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

MEASURES = ("accuracy", "f1", "map", "map50", "bleu", "loss")  # of the validation, the best known first
RETURNS = ("validation return", "return")
REWARDED = ("reinforcement", "group-relative policy")  # kinds of training of which the loss says nothing
PARTIAL = (*REWARDED, "adversarial")  # whose losses are of parts that work against each other
HALF = 64  # of the points of a curve that are kept, to compare runs at equal steps; by definition
FALLBACK = ("training accuracy", "training loss")
MOST_SCORES = 8  # of one run: detectors have one for each class; for speed
HOUR = 3_600.0  # seconds; by definition


@dataclass(frozen=True)
class RunScore:
    """The best value of a signal with its step, and the last one, which is None if it is NaN or infinite.

    `noise`: standard deviation of the points around the curve, in the unit of the signal. `steps` and `values`: some of its
    finite points, with the first, the best and the last, which lie denser at the beginning. `nonfinite`: how many points come
    after those. `hours`: from its first point to the last finite one, and from there to its last one.
    """

    signal: str
    axis: str
    higher: bool  # whether higher values are better
    best: float
    best_step: int
    last: float | None
    noise: float
    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    nonfinite: int = 0
    hours: tuple[float, float] = (0.0, 0.0)

    @property
    def sign(self) -> float:
        """Times this, larger values are better."""
        return 1.0 if self.higher else -1.0


def scores(run: TrainingRun) -> tuple[RunScore, ...]:
    """By the measures of the validation, the best known first, else by one of the training; policies by their returns."""
    found = list(itertools.islice(_all(run, _signals(run)), MOST_SCORES))
    return tuple(found) or tuple(itertools.islice(_all(run, () if run.training in PARTIAL else FALLBACK), 1))


def validation_score(run: TrainingRun) -> RunScore | None:
    """By the validation's best known measure, whatever the kind of the training."""
    return next(_all(run, _of_validation(run)), None)


def _all(run: TrainingRun, signals: Iterable[str]) -> Iterator[RunScore]:
    for signal in signals:
        curve = run.signal(signal)
        higher = True if signal in RETURNS else higher_is_better(signal.partition(" ")[2])
        if curve is not None and higher is not None and len(curve.finite):
            yield score_of(signal, curve, higher)


def _signals(run: TrainingRun) -> list[str]:
    if run.training in REWARDED:
        return [name for name in RETURNS if name in run.signals]
    told = _of_validation(run)
    return [name for name in told if not name.endswith("loss")] if run.training == "adversarial" else told


def _of_validation(run: TrainingRun) -> list[str]:
    validation = [name for name in run.signals if name.startswith("validation ")]
    return sorted((name for name in validation if higher_is_better(name.partition(" ")[2]) is not None), key=_place)


def _place(signal: str) -> int:
    """Where a metric stands in `MEASURES`, by its first word: a detector's is "map50 b"."""
    first = signal.split()[1]
    return MEASURES.index(first) if first in MEASURES else len(MEASURES) - 1


def score_of(signal: str, curve: Curve, higher: bool) -> RunScore:
    """The score by one signal, of which at least one point is finite."""
    finite, last, times = curve.finite, float(curve.values[-1]), curve.wall_times
    until = int(np.flatnonzero(np.isfinite(curve.values))[-1])
    best = int(finite.values.argmax() if higher else finite.values.argmin())
    with np.errstate(all="ignore"):  # logged values may be arbitrarily large
        spread = float(noise(finite.values))
    last_one = len(finite) - 1
    # evenly over the whole curve, and over its logarithm: its beginning is compared with short runs
    kept = np.concatenate([np.linspace(0, last_one, HALF), np.geomspace(1, max(last_one, 1), HALF)]).round().astype(int)
    kept = np.unique(np.append(kept[kept <= last_one], [best, last_one]))
    return RunScore(
        signal=signal,
        axis=curve.axis,
        higher=higher,
        best=float(finite.values[best]),
        best_step=int(finite.steps[best]),
        last=last if np.isfinite(last) else None,
        noise=spread if np.isfinite(spread) else 0.0,
        steps=tuple(int(step) for step in finite.steps[kept]),
        values=tuple(float(value) for value in finite.values[kept]),
        nonfinite=len(curve) - 1 - until,
        hours=(_hours(times[0], times[until]), _hours(times[until], times[-1])),
    )


def _hours(first: float, last: float) -> float:
    """0 where the clock was wrong."""
    hours = (float(last) - float(first)) / HOUR
    return hours if 0 < hours < math.inf else 0.0
