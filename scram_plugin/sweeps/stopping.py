"""Which training runs can no longer become good: they diverged, or are far behind even the slowest of those that did.

A run is as many times slower than the good ones as its step is larger than the one by which each of them was as good as its
recent values. How often a run that did become good was ever so slow was counted on finished trainings (`make bench-stopping`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import RunScore
from scram_plugin.sweeps.measure import scores_in_common
from scram_plugin.sweeps.pace import FEWEST_NONFINITE, GoodPace
from scram_plugin.sweeps.risks import RISKS, SLOWER, SLOWER_THAN_BEST

FEWEST_GOOD = 2  # one alone may have been lucky; by bench-stopping
FEWEST_FINISHED = 4  # runs: of fewer, two are no small part; by definition
BEST = 0.25  # part of the finished runs, whose worst value is the goal if none is given; by convention (quartile)
OVER = ("nonfinite-loss", "divergence")  # findings of which no run has come back to its goal; by bench-stopping
SURE = ("certain", "likely")  # of these; by bench-stopping
LENGTH = 1.5  # times: runs that were to train longer, or shorter, by more have another schedule; by definition
LENGTHS = ("max steps", "epochs")  # settings that tell how long a run was to train
ROUNDED = 1e-6  # of the goal, by which a value may miss it: logs hold numbers of 32 bits; IEEE 754


@dataclass(frozen=True)
class Goal:
    """A value of a signal that runs should reach, and whether the user gave it. `good`: the scores of those that did."""

    signal: str
    value: float
    given: bool
    good: tuple[tuple[Review, RunScore], ...]
    paces: dict[tuple[str | int | None, ...], GoodPace | None] = field(default_factory=dict)  # by how long a run is to train

    def pace(self, run: Review, axis: str) -> GoodPace | None:
        """That of the good runs that were to train about as long, where this is known; None of fewer than two."""
        own = _length(run)
        key = (axis, *own)
        if key not in self.paces:
            good = [score for other, score in self.good if score.axis == axis and _alike(own, _length(other))]
            self.paces[key] = GoodPace(good, self.least(good[0])) if len(good) >= FEWEST_GOOD else None
        return self.paces[key]

    def least(self, score: RunScore) -> float:
        """The value that counts as the goal."""
        return self.value - score.sign * ROUNDED * abs(self.value)

    def reached(self, score: RunScore) -> bool:
        return score.sign * score.best >= score.sign * self.least(score)


@dataclass(frozen=True)
class Stop:
    """A run that can no longer become good, from a step on, with the reason as a sentence. `slower`: how many times slower than
    the slowest good one; None where its measure is no longer finite. `hours`: that it trained from there."""

    run: str
    step: int
    slower: float | None
    text: str
    hours: float


def goal_of(reviews: Sequence[Review], signal: str = "", value: float | None = None, live: Collection[str] = ()) -> Goal | None:
    """The goal of runs of one program; None where there is no measure, or no goal is given and few runs have finished.

    `signal`: of the measure, or its tag, by default the one by which most runs are measured. `value`: by default what the best
    quarter of the finished runs has reached. `live`: names of runs that still train.
    """
    measured = [(run, s) for run, s in zip(reviews, scores_in_common(reviews, signal), strict=True) if s is not None]
    if not measured:
        return None
    chosen = measured[0][1].signal
    given = value is not None
    if value is None:
        value = of_the_best([s.best for run, s in measured if run.name not in live], measured[0][1].higher)
        if value is None:
            return None
    goal = Goal(chosen, value, given, ())
    return Goal(chosen, value, given, tuple((run, s) for run, s in measured if goal.reached(s)))


def of_the_best(values: Sequence[float], higher: bool) -> float | None:
    """The value that the best quarter of the runs has reached, at least two; None of too few runs."""
    if len(values) < FEWEST_FINISHED:
        return None
    return sorted(values, reverse=higher)[max(math.ceil(BEST * len(values)), FEWEST_GOOD) - 1]


def stop(run: Review, goal: Goal | None, risk: float = RISKS[0]) -> Stop | None:
    """Whether a run that has not reached its goal can be stopped where it is now. `risk`: one of `RISKS`."""
    score = run.score_by(goal.signal) if goal is not None else run.score
    if score is not None and goal is not None and goal.reached(score):
        return None
    if score is not None and score.nonfinite >= FEWEST_NONFINITE:
        return Stop(run.name, score.steps[-1], None, _not_finite(score), 0.0)
    pace = goal.pace(run, score.axis) if score is not None and goal is not None else None
    if score is not None and goal is not None and pace is not None:
        slower, then = pace.slower(score)
        if slower[-1] > _limit(goal, risk):
            return _stop(run, score, goal, pace, len(slower) - 1, float(slower[-1]), int(then[-1]))
    over = next((f for f in run.alone if f.heuristic in OVER and f.confidence in SURE and f.severity != "info"), None)
    return Stop(run.name, over.last_step, None, f"{over.title}. {over.summary}", 0.0) if over is not None else None


def could_have_stopped(run: Review, goal: Goal, risk: float = RISKS[0]) -> Stop | None:
    """The same of a run that has ended, by its measure alone, at the first of its steps where it holds; None if that is its
    last one."""
    score = run.score_by(goal.signal)
    if score is None or goal.reached(score) or (pace := goal.pace(run, score.axis)) is None:
        return None
    slower, then = pace.slower(score)
    at = int(np.argmax(slower > _limit(goal, risk)))
    if slower[at] <= _limit(goal, risk) or (at == len(slower) - 1 and not score.nonfinite):
        return None
    return _stop(run, score, goal, pace, at, float(slower[at]), int(then[at]))


def _limit(goal: Goal, risk: float) -> float:
    return (SLOWER if goal.given else SLOWER_THAN_BEST)[risk]


def _stop(run: Review, score: RunScore, goal: Goal, pace: GoodPace, at: int, slower: float, then: int) -> Stop:
    first, step, last = score.steps[0], score.steps[at], score.steps[-1]
    text = _not_finite(score)
    if math.isfinite(slower):
        text = f"At {place(score.axis, step)} it is no further than the slowest of {counted(pace.runs, 'run')} with a "
        text += f"{score.signal} of {number(goal.value)} was at {place(score.axis, then)}: {number(slower)} times slower."
    left = (last - step) / (last - first) if last > first else 0.0
    told = slower if math.isfinite(slower) else None
    return Stop(run.name, step, told, text, score.hours[0] * left + score.hours[1])


def _not_finite(score: RunScore) -> str:
    return f"The {score.signal} is no longer a finite number."


def _length(run: Review) -> tuple[int | None, ...]:
    """How long a run was to train, as powers of `LENGTH`: few different ones, however many runs there are."""
    given = (run.settings.get(name) for name in LENGTHS)
    return tuple(round(math.log(n, LENGTH)) if isinstance(n, int | float) and 0 < n < math.inf else None for n in given)


def _alike(one: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Whether two runs were to train about equally long, as far as that is known."""
    return next((a == b for a, b in zip(one, other, strict=True) if a is not None and b is not None), True)
