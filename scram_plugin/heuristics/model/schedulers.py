"""Schedulers that a training loop calls too often, or too seldom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import give_factor
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

MOSTLY_CALLED = 0.8  # share of the steps in which a scheduler is called, or that it is made for; by definition
HALF_DONE = 0.5  # share of a schedule that was used; by definition
LINEAR = 0.05  # relative difference from a rate that rose by the same amount in each call; by definition
RATES = 3  # learning rates, and calls, that are needed; by definition
TIMES = 1.5  # half periods of a cosine: after one the rate rises again; by definition
DECAYING = ("ExponentialLR", "StepLR", "MultiStepLR", "LambdaLR", "PolynomialLR")
IN_UNITS = ("StepLR", "MultiStepLR", "ExponentialLR")  # whose settings count epochs, if not steps; source: PyTorch
WARM_UP = 0.5  # of the rate that a scheduler begins with: a lower one at the end is that of a warm-up; by definition
NO_FACTOR = 0.05  # a rate that is no factor with which a warm-up may begin, as 0.1 is; by definition
NEAR_SQUARE = 1e-4  # relative difference that is one of rounding; IEEE 754
LOW = 0.1  # of the highest rate: lower so early where a scheduler is called more than once a step; by definition
NOTHING = 0.01  # of the highest rate: a lower rate changes almost nothing; by definition
SPENT_BY = 0.6  # share of the training after which the rate may be so low; by definition
SOON = 0.1  # share of the training after which no schedule has divided the rate by ten; by definition
SLOWER = 1.5  # power of the decay in the middle: one by the same factor in each step has its square at the end; by definition
MORE_THAN_ONCE = 1.5  # calls of a scheduler in each step; by definition
CALL_EVERY = 5  # steps for each call of a scheduler, at least, where it is called once an epoch; by definition


def schedule_of(run: TrainingRun, loop: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The cause, and a sentence with the numbers of this run."""
    known = loop.get("schedule") or {}
    calls, length, name = known.get("calls", 0), known.get("length", 0), known.get("class")
    loss = run.signal("batch loss")
    if loss is None or not len(loss):
        return
    steps = int(loss.steps[-1]) + 1
    several = calls > MORE_THAN_ONCE * steps
    decays = name in DECAYING and calls > MOSTLY_CALLED * steps and (name in IN_UNITS or not _slows_down(run))
    spent = _spent(run, steps, LOW if several else NOTHING, SPENT_BY) if decays else None
    if decays and name in IN_UNITS:
        spent = spent or _spent(run, steps, LOW, min(SOON, _epochs(run) / steps))
    if spent is not None:
        often = "once" if calls < MORE_THAN_ONCE * steps else f"{number(calls / steps)} times"
        yield "per-batch", f"`{name}` was called {calls:,} times, {often} in each step. {spent}"
    if (squared := _squared(run, known)) is not None:
        yield "rate-as-factor", squared
    if (rising := _still_warms_up(run, known, steps)) is not None:
        yield "per-epoch", rising
        return
    if not length:
        return
    said = f"`{name}` was made for {length:,} calls. It was called {calls:,} times in {steps:,} steps."
    if name == "CosineAnnealingLR" and calls > TIMES * length and calls > MOSTLY_CALLED * steps:
        yield "per-batch", f"{said} After each {length:,} calls the rate rises again."
        return
    done, planned = _done(run, calls, steps)
    if calls < HALF_DONE * done * length and length > MOSTLY_CALLED * planned and steps >= CALL_EVERY * max(calls, 1):
        when = "The training ended after" if run.ended == "finished" else f"{percent(done)} of the training went through"
        yield "per-epoch", f"{said} {when} {percent(calls / length)} of the schedule."


def _slows_down(run: TrainingRun) -> bool:
    """Whether the rate falls ever more slowly, as 1 / (1 + t) does: then it is made for steps (Robbins & Monro, 1951)."""
    if (rate := _rates(run)) is None:
        return False
    shares = rate.values / rate.values.max()
    middle = int(np.searchsorted(rate.steps, rate.steps[-1] / 2))
    return bool(shares[-1] > shares[middle] ** SLOWER > 0)


def _rates(run: TrainingRun) -> Curve | None:
    """The learning rates, if there are enough of them, and not all are 0."""
    rate = run.statistic(schema.STATISTICS, "learning_rate")
    return rate.finite if rate is not None and len(rate.finite) >= RATES and rate.finite.values.max() > 0 else None


def _epochs(run: TrainingRun) -> int:
    """How many epochs there were: a milestone of epochs is no later."""
    counted = run.signal("epoch")
    seen = int(counted.finite.values.max()) + 1 if counted is not None and len(counted.finite) else 0
    return max(seen, (run.facts.get("fit") or {}).get("epochs") or 0, len(run.loop.get("evaluated_at") or []))


def _done(run: TrainingRun, calls: int, steps: int) -> tuple[float, int]:
    """Which part of its steps a training that has ended went through, and how many they were to be; 0 where that is not sure.

    Of one that was stopped, where the scheduler was called once an epoch until then, and it is known how many were planned.
    """
    fit = run.facts.get("fit") or {}
    epochs, each = fit.get("epochs") or 0, fit.get("steps") or 0
    if run.ended == "finished":
        return 1.0, steps
    if run.ended != "stopped" or calls < 2 or not epochs or not each or abs(calls - steps / each) > 1:
        return 0.0, steps
    return min(steps / (epochs * each), 1.0), epochs * each


def _squared(run: TrainingRun, known: Mapping[str, Any]) -> str | None:
    """That the rate is never higher than its own square, as a sentence: the function gives a rate, not a factor.

    It begins with it, or the program says so.
    """
    base, rate = known.get("base") or 0.0, run.statistic(schema.STATISTICS, "learning_rate")
    if known.get("class") != "LambdaLR" or rate is None or len(rate.finite) < RATES or known.get("calls", 0) < RATES:
        return None
    if not 0 < base < 1 or base**2 == 0 or rate.finite.values.max() > (1 + NEAR_SQUARE) * base**2:
        return None
    begins = abs(float(rate.finite.values[0]) / base**2 - 1) <= NEAR_SQUARE
    if (base > NO_FACTOR or not begins) and give_factor(run.facts) is None:
        return None
    most = number(base**2)
    return f"The optimizer has the learning rate {number(base)}. With `LambdaLR` it was at most {most}, the square of that."


def _still_warms_up(run: TrainingRun, known: Mapping[str, Any], steps: int) -> str | None:
    """How low the rate still is at the end, as a sentence, where a scheduler that is called once an epoch raises it slowly."""
    calls, base, rate = known.get("calls", 0), known.get("base") or 0.0, run.statistic(schema.STATISTICS, "learning_rate")
    if run.ended != "finished" or rate is None or len(rate.finite) < RATES or steps < CALL_EVERY * max(calls, 1):
        return None
    first, highest = float(rate.finite.values[0]), float(rate.finite.values.max())
    last, end = float(rate.finite.values[-1]), float(known.get("rate") or 0.0)
    if abs(end - (calls + 1) * first) < LINEAR * end:
        last = max(last, end)  # the rows may end long before the training: the rate went on rising by the same amount
    if not first * (1 + NEAR_SQUARE) < last < WARM_UP * base or highest > last * (1 + NEAR_SQUARE):
        return None
    return (
        f"`{known.get('class')}` was called {calls:,} times in {steps:,} steps. It raises the rate from {number(first)} to "
        f"{number(base)}, and had reached {number(last)} at the end."
    )


def _spent(run: TrainingRun, steps: int, part: float, by: float) -> str | None:
    """How fast the rate fell below this part of the highest, as a sentence; None if it did so late, or not at all.

    `by`: the share of the training that counts as late.
    """
    if (rate := _rates(run)) is None:
        return None
    highest = float(rate.values.max())
    higher = np.flatnonzero(rate.values >= part * highest)  # the last of them: a warm-up begins with low rates, too
    if higher[-1] + 1 == len(rate) or int(rate.steps[higher[-1] + 1]) > by * steps:
        return None
    return f"The learning rate, {number(highest)} at first, was {number(float(rate.values[-1]))} at the end."
