"""Oscillation: the training loss goes up and down by a large part of itself, from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.judged import loss, said_of_rate
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option("least", 10, "points of the training loss that are needed to tell an oscillation from an accident"),
    Option(
        "max_noise",
        0.25,
        "largest standard deviation around the trend, as a fraction of the loss, of means over a fiftieth of the training; "
        "those of healthy trainings stay below a tenth",
    ),
)
STRETCHES = 50  # means over so many parts: the noise of single batches is natural and averages out


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    values, steps = _stretches(curve)
    if (values <= 0).any():
        raise Inconclusive("the loss is not above zero everywhere, so there is no measure for its swings")
    half = values[len(values) // 2 :]
    swing = min(noise(part) / median(part) for part in (values, half))
    turns = float(np.mean(np.diff(np.sign(np.diff(half))) != 0)) if len(half) > 3 else 0.0
    if swing <= options["max_noise"] or turns < 0.4:
        return
    rate = run.signal("learning rate")
    if rate is not None and np.count_nonzero(np.diff(rate.finite.values) > 0.2 * np.max(rate.finite.values, initial=0)) > 2:
        raise Inconclusive("the learning rate itself goes up and down, and the loss may follow it as intended")
    unit, first, last = curve.axis, int(steps[0]), int(steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if swing > 1.5 * options["max_noise"] and len(values) >= 20 else "possible",
        title="The training loss swings up and down",
        evidence={
            "swing_percent": 100 * swing,
            "low": float(np.quantile(half, 0.1)),
            "high": float(np.quantile(half, 0.9)),
            "from_place": place(unit, int(steps[len(steps) // 2])),
            "last_place": place(unit, last),
            "turns_percent": 100 * turns,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[Cause("learning-rate", said_of_rate(run)), Cause("batch-size", _batch_size(run)), Cause("shuffling")],
    )


def _stretches(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Means of the curve over at most `STRETCHES` parts of equal length, and the steps at which they begin."""
    block = -(-len(curve) // STRETCHES)
    whole = len(curve) // block * block
    return curve.values[-whole:].reshape(-1, block).mean(axis=1), curve.steps[-whole::block]


def _batch_size(run: TrainingRun) -> str:
    size = run.facts.get("fit", {}).get("batch_size")
    return f"A batch has {size} samples." if size else ""


HEURISTIC = Heuristic(
    id="oscillating-loss",
    group="curves",
    title_passed="The training loss is steady",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
)
