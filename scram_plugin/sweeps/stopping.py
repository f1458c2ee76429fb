"""Which training runs can no longer become good: they diverged, or are far behind even the slowest of those that did.

A run is as many times slower than the good ones as its step is larger than the one by which each of them was as good as its
recent values. How often a run that did become good was ever so slow was counted on finished trainings (`make bench-stopping`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import RunScore
from scram_plugin.sweeps.risks import RISKS, SLOWER, SLOWER_THAN_BEST

RECENT = 0.2  # last part of the steps: the best value there is how good a run is now; by bench-stopping
EARLIEST = 0.03  # of the steps that the good runs took: before, nothing is said; by bench-stopping
FEWEST_NONFINITE = 2  # points at the end: a single one may pass; by definition
FEWEST_GOOD = 2  # one alone may have been lucky; by bench-stopping
FEWEST_FINISHED = 4  # runs: of fewer, two are no small part; by definition
BEST = 0.25  # part of the finished runs, whose worst value is the goal if none is given; by convention (quartile)
OVER = ("nonfinite-loss", "divergence")  # findings of which no run has come back to its goal; by bench-stopping
SURE = ("certain", "likely")  # of these; by bench-stopping
LENGTH = 1.5  # times: runs that were to train longer, or shorter, by more have another schedule; by definition
LENGTHS = ("max steps", "epochs")  # settings that tell how long a run was to train


@dataclass(frozen=True)
class Goal:
    """A value of a signal that runs should reach, and whether the user gave it. `good`: the scores of those that did."""

    signal: str
    value: float
    given: bool
    good: tuple[tuple[Review, RunScore], ...]


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
    measured = [(run, s) for run in reviews if (s := run.score_by(signal)) is not None]
    if not measured:
        return None
    names = [s.signal for _, s in measured]
    chosen = max(dict.fromkeys(names), key=names.count)
    measured = [(run, s) for run, s in measured if s.signal == chosen]
    sign, given = (1.0 if measured[0][1].higher else -1.0), value is not None
    if value is None:
        value = of_the_best([s.best for run, s in measured if run.name not in live], measured[0][1].higher)
        if value is None:
            return None
    good = tuple((run, s) for run, s in measured if sign * s.best >= sign * value)
    return Goal(chosen, value, given, good)


def of_the_best(values: Sequence[float], higher: bool) -> float | None:
    """The value that the best quarter of the runs has reached, at least two; None of too few runs."""
    if len(values) < FEWEST_FINISHED:
        return None
    return sorted(values, reverse=higher)[max(math.ceil(BEST * len(values)), FEWEST_GOOD) - 1]


def stop(run: Review, goal: Goal | None, risk: float = RISKS[0]) -> Stop | None:
    """Whether a run can be stopped where it is now. `risk`: one of `RISKS`."""
    score = run.score_by(goal.signal) if goal is not None else None
    slow = _stop(run, score, goal, risk, len(score.steps) - 1) if score is not None and goal is not None else None
    if slow is not None or (score is not None and goal is not None and _reached(score, goal)):
        return slow
    over = next((f for f in run.alone if f.heuristic in OVER and f.confidence in SURE and f.severity != "info"), None)
    return Stop(run.name, over.last_step, None, f"{over.title}. {over.summary}", 0.0) if over is not None else None


def could_have_stopped(run: Review, goal: Goal, risk: float = RISKS[0]) -> Stop | None:
    """The same of a run that has ended, at the first of its steps where it holds."""
    score = run.score_by(goal.signal)
    if score is None or _reached(score, goal):
        return None
    found = (_stop(run, score, goal, risk, at) for at in range(len(score.steps)))
    return next((one for one in found if one is not None), None)


def slower_than_good(run: Review, score: RunScore, goal: Goal, at: int) -> tuple[float, int]:
    """How many times slower a run is at one of its points than the slowest good one, and the step by which that was as good. 0
    where nothing can be said; infinite where the measure is no longer finite."""
    good = [one for other, one in goal.good if other.name != run.name and one.axis == score.axis and _as_long(run, other)]
    sign, step = (1.0 if score.higher else -1.0), score.steps[at]
    so_far = sign * np.array(score.values[: at + 1])
    if len(good) < FEWEST_GOOD or float(so_far.max()) >= sign * goal.value:
        return 0.0, step
    if at == len(score.steps) - 1 and score.nonfinite >= FEWEST_NONFINITE:
        return math.inf, step
    if _taken(score, step) < EARLIEST * float(np.median([_taken(one, _first(one, goal.value)) for one in good])):
        return 0.0, step
    recent = float(so_far[np.array(score.steps[: at + 1]) >= (1 - RECENT) * step].max())
    slowest = max(_first(one, sign * recent) for one in good)
    return _taken(score, step) / _taken(score, slowest), slowest


def _stop(run: Review, score: RunScore, goal: Goal, risk: float, at: int) -> Stop | None:
    slower, slowest = slower_than_good(run, score, goal, at)
    if slower <= (SLOWER if goal.given else SLOWER_THAN_BEST)[risk]:
        return None
    first, step, last = score.steps[0], score.steps[at], score.steps[-1]
    text = f"The {score.signal} is no longer a finite number."
    if math.isfinite(slower):
        text = f"At {place(score.axis, step)} it is no further than the slowest of {counted(len(goal.good), 'run')} with a "
        text += f"{score.signal} of {number(goal.value)} was at {place(score.axis, slowest)}: {number(slower)} times slower."
    told = slower if math.isfinite(slower) else None
    left = (last - step) / (last - first) if last > first else 0.0
    return Stop(run.name, step, told, text, score.hours[0] * left + score.hours[1])


def _reached(score: RunScore, goal: Goal) -> bool:
    return score.best >= goal.value if score.higher else score.best <= goal.value


def _as_long(run: Review, other: Review) -> bool:
    """Whether two runs were to train equally long, as far as that is known."""
    for name in LENGTHS:
        own, its = run.settings.get(name), other.settings.get(name)
        if isinstance(own, int | float) and isinstance(its, int | float) and min(own, its) > 0:
            return max(own, its) <= LENGTH * min(own, its)
    return True


def _taken(run: RunScore, step: int) -> int:
    """How many steps lie before a point, at least one: epochs and batches are counted from 0."""
    return max(step + (run.axis in ("epoch", "batch")), 1)


def _first(run: RunScore, value: float) -> int:
    """The first step at which a run was as good."""
    sign = 1.0 if run.higher else -1.0
    return run.steps[int(np.argmax(sign * np.array(run.values) >= sign * value))]
