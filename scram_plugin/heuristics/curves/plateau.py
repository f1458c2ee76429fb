"""Plateau: learning stopped early, above a level that was reached before, or at a high loss with a low accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import level, loss, rate_as_cause
from scram_plugin.heuristics.curves.shape import SURE, shape_of
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Option
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option("least", 20, "points of the training loss that are needed: fewer show no plateau"),
    Option("flat", 0.6, "share of the training, at its end, in which the loss must not improve"),
    Option("min_rise", 0.05, "how far above its best the loss must stay, as a fraction of the best; as for overfitting"),
    Option("high", 0.25, "final level, as a fraction of that at the start, that counts as high if the loss was never lower"),
)
NOTHING = 0.01  # of the loss: a smaller improvement over so long a time does not count
CONVERGES = 0.8  # share of the late points below the one before: more than a flat, noisy curve ever has
LITTLE = 0.1  # of the loss: the noise must exclude such a fall, at two standard errors, for the curve to count as flat
MANY = 50  # points that a flat curve needs if the loss was never lower
QUIET = 0.005  # noise, as a fraction of the level: with less, and no accuracy that says otherwise, it has converged
GOOD = 0.8  # accuracy: above that a training may end on this level
DECAYED = 0.1  # of the highest learning rate: below that the schedule has ended the learning, as intended


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    form, values = shape_of(curve), curve.values
    late = values[-max(8, round(options["flat"] * len(values))) :]
    early, end = (level(part, 1.0) for part in np.array_split(late, 2))
    error = 1.25 * form.noise * np.sqrt(4 / len(late))  # of the difference of two medians
    if early - end > max(error, NOTHING * abs(end)) or np.mean(np.diff(late) < 0) > CONVERGES:
        return  # it still falls, even if more and more slowly: it converges
    rise = end - form.lowest
    was_better = (
        form.strength > SURE
        and form.best < len(values) - len(late)
        and rise > max(3 * form.noise, options["min_rise"] * abs(form.lowest))
    )
    if rise > 0.5 * form.gain and form.strength > SURE:
        return  # that is divergence
    reached = _accuracy(run)
    if not was_better and (
        len(values) < MANY
        or early - end + 2 * error > LITTLE * abs(end)  # it may still fall, hidden by the noise
        or end < options["high"] * form.start
        or form.start - end < 6 * form.noise * np.sqrt(2 / len(late))
        or (form.noise < QUIET * abs(end) if reached is None else reached >= GOOD)
        or _decayed(run)
    ):
        return
    # where the final level was reached for the first time
    since = (
        form.best
        if was_better
        else int(form.positions[int(np.argmax(form.fitted <= end + max(2 * error, NOTHING * abs(end))))])
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
            "last_loss": end,
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
    rate = run.signal("learning rate")
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
