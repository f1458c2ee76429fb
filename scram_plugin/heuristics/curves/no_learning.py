"""No learning: the training loss is at the end what it was at the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.judged import chance_level, highest_rate, level, loss, said_of_rate
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.shape import SURE, shape_of
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option("least", 10, "points of the training loss that are needed; a warm-up or a slow start takes a few"),
    Option("min_gain", 0.02, "smallest improvement that counts as learning, as a fraction of the first loss"),
)
LEARNED = 0.05  # improvement of the training accuracy that shows learning, whatever the loss does
GOOD = 0.9  # an accuracy from which on there is little left to learn


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    form, values = shape_of(curve), curve.values
    head, tail = level(values, 0.2), level(values, 0.2, end=True)
    error = form.noise * np.sqrt(2 / max(3, round(0.2 * len(values))))  # of a difference of two such levels
    gain = head - tail
    if gain > max(3 * error, options["min_gain"] * abs(head)) or tail - head > 6 * error:
        return  # it learned, or it got worse: that is divergence
    if values[0] - tail > max(6 * form.noise, 0.05 * abs(tail)):
        return  # it learned at once, before the second point
    if form.gain > max(6 * form.noise, 0.1 * abs(head)) and form.strength > SURE:
        return  # it had learned, and lost it again
    if abs(tail) <= 1e-6:
        return  # nothing is left to learn
    accuracy = run.signal("training accuracy") or run.signal("validation accuracy")
    reached = None
    if accuracy is not None and len(accuracy.finite) >= 3:
        reached = level(accuracy.finite.values, 0.2, end=True)
        better = reached - float(accuracy.finite.values[0])
        if better > LEARNED * max(1.0, abs(reached)) or GOOD < reached <= 1.0:
            return
    gap = median(np.diff(curve.steps))
    if curve.steps[0] > 3 * gap + 1:
        raise Inconclusive(
            f"the loss is level, but the record begins at {curve.axis} {curve.steps[0]:,}: it may have been learned before that"
        )
    classes = chance_level(tail)
    unit, first, last = curve.axis, int(curve.steps[0]), int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if classes or (reached is not None and reached < 0.5) else "possible",
        title=f"Nothing was learned up to {place(unit, last)}",
        evidence={
            "first_loss": head,
            "last_loss": tail,
            "last_place": place(unit, last),
            "points": len(values),
            "change_percent": 100 * abs(gain / head) if head else None,
            "classes": classes,
            "accuracy": reached,
            "noise": form.noise,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([accuracy.source()] if accuracy is not None else [])],
        causes=_causes(run, classes),
    )


def _causes(run: TrainingRun, classes: int | None) -> list[Cause]:
    rate = highest_rate(run)
    speed = Cause("learning-rate", said_of_rate(run))
    guessing = f"{classes} classes give ln({classes}) when they are guessed; the loss is just that." if classes else ""
    causes = [Cause("inputs", guessing), Cause("frozen"), Cause("labels")]
    extreme = rate is not None and not 1e-6 < rate < 0.5
    return [speed, *causes] if extreme or not classes else [*causes[:1], speed, *causes[1:]]


HEURISTIC = Heuristic(
    id="no-learning",
    group="curves",
    title_passed="It learned",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
)
