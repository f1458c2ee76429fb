"""Plateau: learning stopped early, above a level that was reached before, or at a high loss with a low accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import level, loss_alone, rate_as_cause, refuse_warm_up
from scram_plugin.heuristics.curves.noise import error_of_difference
from scram_plugin.heuristics.curves.progress import still_improves
from scram_plugin.heuristics.curves.shape import SURE, Shape, shape_of
from scram_plugin.heuristics.guessing import guessing, variance_of_targets
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, TooEarly
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        20,
        "points of the training loss that are needed: fewer show no plateau",
        CALIBRATED,
    ),
    Option(
        "flat",
        0.6,
        "share of the training, at its end, in which the loss must not improve",
        CALIBRATED,
    ),
    Option(
        "min_rise",
        0.05,
        "how far above its best the loss must stay, as a fraction of the best",
        "as for overfitting (Prechelt, 1998)",
    ),
    Option(
        "high",
        0.25,
        "final level, as a fraction of that at the start, that counts as high if the loss was never lower",
        CALIBRATED,
    ),
)
NOTHING = 0.01  # of the loss: a smaller improvement over so long a time does not count; by bench-limits
CONVERGES = 0.8  # share of the late points below the one before: more than a flat, noisy curve has (0.5); by bench-limits
LITTLE = 0.1  # of the loss: a flat curve is one whose noise excludes such a fall, at two standard errors; by bench-limits
MANY = 50  # points that a flat curve needs if the loss was never lower; by bench-limits
QUIET = 0.005  # noise, as a fraction of the level: with less, and no accuracy, it has converged; by bench-limits
GOOD_ENOUGH = 0.8  # accuracy: above that a training may end on this level; by bench-limits
EXPLAINED = 0.5  # of the variance of the targets: a model that explains as much has learned; by bench-limits
A_COIN = float(np.log(2))  # the loss of guessing which of two is the better one; by definition
NEAR_A_COIN = 0.05  # relative: so near to that a loss of pairs begins; by bench-limits
BEATEN = 0.8  # of it: the order of pairs is learned; by bench-limits
HALF = 0.5  # of the level at the start: much was learned; by bench-limits
DECAYED = 0.1  # of the highest learning rate: below that the schedule ended the learning, as intended; by bench-limits
FEWEST_POINTS = 8  # points of the end: fewer have no level; by bench-limits
DIVERGED = 0.5  # of what was gained: from there on it is divergence, as there; by bench-limits


@dataclass(frozen=True)
class End:
    """The end of a training, in which the loss must not improve: its points, their level in each half, and its error."""

    form: Shape
    points: int  # of the whole curve
    late: np.ndarray  # values of the end, shape (points,)
    before: float  # level of its first half
    level: float  # level of its second half
    error: float  # standard error of the difference of the two

    @property
    def rise(self) -> float:
        """How far it is above the best level."""
        return self.level - self.form.lowest

    @property
    def fall(self) -> float:
        """From its first half to its second."""
        return self.before - self.level

    @property
    def least_fall(self) -> float:
        """A smaller one is chance, or does not count."""
        return max(self.error, NOTHING * abs(self.level))

    @property
    def falling(self) -> float:
        """Share of its points below the one before."""
        return float(np.mean(np.diff(self.late) < 0))


def end_of(curve: Curve, share: float) -> End:
    form, late = shape_of(curve), curve.values[-max(FEWEST_POINTS, round(share * len(curve))) :]
    before, end = (level(part, 1.0) for part in np.array_split(late, 2))
    return End(form, len(curve), late, before, end, error_of_difference(form.noise, len(late) / 2))


def _still_falls(end: End) -> bool:
    """Even if more and more slowly: it converges."""
    return end.fall > end.least_fall or end.falling > CONVERGES


def _was_better(end: End, min_rise: float) -> bool:
    """The loss was lower before its end, beyond chance."""
    before_the_end = end.form.best < end.points - len(end.late)
    return end.form.strength > SURE and before_the_end and end.rise > _least_rise(end, min_rise)


def _least_rise(end: End, min_rise: float) -> float:
    return max(SIGMAS * end.form.noise, min_rise * abs(end.form.lowest))


def _diverged(end: End) -> bool:
    return end.rise > DIVERGED * end.form.gain and end.form.strength > SURE


def _may_still_fall(end: End) -> bool:
    """Hidden by the noise."""
    return end.fall + 2 * end.error > LITTLE * abs(end.level)


def _is_low(end: End, high: float) -> bool:
    """It has fallen far: this may be all that there is to learn."""
    return end.level < high * end.form.start


def _never_fell(end: End) -> bool:
    """Beyond chance: `no-learning` tells of that."""
    return bool(end.form.start - end.level < 2 * SIGMAS * end.form.noise * np.sqrt(2 / len(end.late)))


def _has_converged(end: End, accuracy: float | None) -> bool:
    """By its accuracy, or, where there is none, since it is as quiet as only a loss that has converged."""
    return end.form.noise < QUIET * abs(end.level) if accuracy is None else accuracy >= GOOD_ENOUGH


def _beats_guessing(end: End, run: TrainingRun) -> bool:
    """Much of the targets is explained, though not all: where they are noisy, no lower loss can be reached."""
    guess = guessing(run)
    if guess is not None:
        return guess.is_beaten_by(end.level)
    variance = variance_of_targets(run)
    first = run.signal("batch loss")
    if variance is None and loss_class(run) == "None" and first is not None and len(first.finite):
        of_pairs = abs(float(first.finite.values[0]) / A_COIN - 1) < NEAR_A_COIN
        return of_pairs and end.level < BEATEN * A_COIN
    return variance is not None and end.level < (1 - EXPLAINED) * variance


def _has_unknown_floor(run: TrainingRun) -> bool:
    """Whether the record of a training does not tell what guessing costs: soft targets, or parts of a loss, keep it above 0."""
    return "loss" in run.facts and guessing(run) is None and variance_of_targets(run) is None


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss_alone(run, int(options["least"]))
    if not curve.values.any():
        return  # it is 0: `zero-loss` tells of that
    validation = run.signal("validation loss")
    if (
        validation is not None
        and len(validation) < FOR_A_LEVEL
        and validation.axis == curve.axis
        and validation.steps[-1] < curve.steps[-1] / 2
    ):
        raise TooEarly(f"it needs {FOR_A_LEVEL} evaluations, there are {len(validation)}")
    end = end_of(curve, options["flat"])
    refuse_warm_up(run)
    if _still_falls(end) or _diverged(end) or still_improves(run):
        if end.level and end.fall > end.least_fall:
            share, least = end.fall / abs(end.level), end.least_fall / abs(end.level)
            run.measured(
                "late fall of the training loss, relative to its level at the end",
                share,
                below=least,
                percent=True,
                curve=curve,
            )
        elif end.falling > CONVERGES:
            what = "share of late points at which the training loss is lower than before"
            run.measured(what, end.falling, below=CONVERGES, percent=True, curve=curve)
        return
    reached = _accuracy(run)
    was_better = _was_better(end, options["min_rise"])
    if not was_better:  # then it is a plateau only if nothing else explains that the loss is flat
        least, lowest = _least_rise(end, options["min_rise"]), abs(end.form.lowest)
        if lowest and end.rise <= least:
            what = "height of the last training loss above its lowest level"
            run.measured(what, max(end.rise, 0.0) / lowest, above=least / lowest, percent=True, curve=curve)
        too_few = end.points < MANY
        if reached is None and _is_low(end, HALF) and _has_unknown_floor(run):
            return
        if too_few or _may_still_fall(end) or _is_low(end, options["high"]) or _never_fell(end):
            if _is_low(end, options["high"]) and end.form.start:
                what = "last training loss, relative to the first"
                run.measured(what, end.level / end.form.start, above=options["high"], percent=True, curve=curve)
            return
        if _has_converged(end, reached) or _decayed(run) or (reached is None and _beats_guessing(end, run)):
            return
    form, values, rise = end.form, curve.values, end.rise
    # where the final level was reached for the first time
    since = (
        form.best
        if was_better
        else int(form.positions[int(np.argmax(form.fitted <= end.level + max(2 * end.error, NOTHING * abs(end.level))))])
    )
    unit, first, last = curve.axis, int(curve.steps[since]), int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if was_better and form.strength > 2 * SURE else "possible",
        title=f"The training loss has been stuck since {place(unit, first)}",
        evidence={
            "start_loss": float(values[0]),
            "first_place": place(unit, first),
            "last_place": place(unit, last),
            "last_loss": end.level,
            "best_loss": form.lowest if was_better else None,
            "above_percent": 100 * rise / abs(form.lowest) if was_better and form.lowest else None,
            "accuracy": reached,
            "level_points": len(values) - since,
            "points": len(values),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[rate_as_cause(run), Cause("capacity"), Cause("data")],
        best_step=first if was_better else None,
    )


def _accuracy(run: TrainingRun) -> float | None:
    """The best accuracy that was reached, on training or validation data."""
    curves = [run.signal(f"{side} accuracy") for side in ("training", "validation")]
    return max((float(c.finite.values.max()) for c in curves if c is not None and len(c.finite)), default=None)


def _decayed(run: TrainingRun) -> bool:
    rate, known = run.signal("learning rate"), run.loop.get("schedule") or {}
    if known.get("base") and (known.get("rate") or 0.0) < DECAYED * known["base"]:
        return True  # the recorded rates may end long before the training
    return rate is not None and len(rate.finite) > 2 and rate.finite.values[-1] < DECAYED * rate.finite.values.max()


HEURISTIC = Heuristic(
    id="plateau",
    group="curves",
    title_passed="The training loss is not stuck",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=250,
    families=("curve-shape", "standstill"),
    precedence=330,
    explains=("undertrained", "learning-rate-schedule", "output-collapse"),
    whole_training=True,
)
