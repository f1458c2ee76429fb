"""Undertrained: the training ended while the loss was still falling fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import all_learned, loss
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.edits import train_longer
from scram_plugin.heuristics.guessing import guessing
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, TooEarly
from scram_plugin.heuristics.limits import ACCURATE, SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        3,
        "points that are needed to see that the loss keeps falling",
        CALIBRATED,
    ),
    Option(
        "fast",
        0.05,
        "fall of the loss per epoch or point, as a fraction, that is fast for the end of a training",
        CALIBRATED,
    ),
    Option(
        "few",
        30,
        "points that a training may have; a longer one has had its time and is not reported",
        CALIBRATED,
    ),
)
DONE = 0.01  # of the first loss: below that there is little left to learn; by bench-limits
VERY_FEW = 5  # epochs at most of a warning; by bench-limits
VERY_FAST = 0.15  # fall per epoch of a warning where no losses of batches show it; by bench-limits
AS_MANY = (
    0.75  # of the last loss: as many epochs again, at the speed of the last one, would bring it below that; by bench-limits
)
FAR_FROM_DONE = 0.25  # of the first loss, and of the loss of guessing: above that much is left to learn; by bench-limits
HALVES = 4  # batches of an epoch: fewer do not show that the loss falls within the last one; by bench-limits
LAST_FALLS = 3  # points at the end of which the speed is the median; by bench-limits
NOT_EPOCHS = 10  # points that are needed where the steps are not epochs; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    validation = run.signal("validation loss")
    curve = loss(run, "training" if validation is None else "validation", least=int(options["least"]))
    if run.facts and run.ended is None:
        raise TooEarly("the training is still running")
    if len(curve) > options["few"]:
        run.measured("points of the loss", len(curve), below=options["few"], curve=curve)
        return
    values = curve.values
    if (values <= 0).any() or values[-1] < DONE * values[0] or all_learned(run):
        if 0 < values[-1] < DONE * values[0]:
            run.measured("last loss, as a share of the first", values[-1] / values[0], above=DONE, percent=True, curve=curve)
        return
    falls = 1 - values[1:] / values[:-1]  # at each point, as a fraction of the one before
    last = falls[-LAST_FALLS:]
    few = curve.axis == "epoch" and len(curve) <= VERY_FEW
    gap = median(np.diff(curve.steps)) if curve.axis == "epoch" else 1.0  # epochs from one validation to the next
    speed = 1 - (1 - median(last)) ** (1 / max(gap, 1.0))
    wobble = noise(values)
    if speed < options["fast"]:
        what = f"fall of the loss per {'epoch' if curve.axis == 'epoch' else 'point'} at the end"
        run.measured(what, speed, above=options["fast"], percent=True, curve=curve)
    elif wobble > 0 and (fall := values[-LAST_FALLS] - values[-1]) < SIGMAS * wobble:
        what = "fall of the loss at the end, in standard deviations of its noise"
        run.measured(what, fall / wobble, above=SIGMAS, curve=curve)
    if speed < options["fast"] or (last <= 0).any() or values[-LAST_FALLS] - values[-1] < SIGMAS * wobble:
        return
    if curve.axis != "epoch" and len(curve) < NOT_EPOCHS:
        raise TooEarly(f"it needs {NOT_EPOCHS} points if the steps are not epochs")
    urgent = few and _would_fall_far(run, curve, gap)
    if few and len(curve) <= LAST_FALLS and not urgent:
        raise TooEarly(f"it needs {LAST_FALLS + 1} epochs, or a loss that is far from what it could be")
    unit, first, end = curve.axis, int(curve.steps[-1 - min(LAST_FALLS, len(falls))]), int(curve.steps[-1])
    yield Finding(
        severity="warning" if urgent else "info",
        confidence="likely" if urgent else "possible",
        title=f"The loss was still falling fast when the training ended at {place(unit, end)}",
        evidence={
            "speed_percent": 100 * speed,
            "each": "per epoch" if unit == "epoch" else "from one point to the next",
            "last_loss": float(values[-1]),
            "before_loss": float(values[-1 - min(LAST_FALLS, len(falls))]),
            "before_place": place(unit, first),
            "last_place": place(unit, end),
            "points": len(curve),
            "which": "training" if validation is None else "validation",
        },
        first_step=first,
        last_step=end,
        axis=unit,
        curves=[curve.source()],
        causes=[
            Cause(
                "few-epochs",
                f"The training had {counted(end + 1, 'epoch')}." if unit == "epoch" else "",
                "",
                train_longer(run.facts),
            ),
            Cause("learning-rate"),
        ],
        since=end,
    )


def _would_fall_far(run: TrainingRun, curve: Curve, gap: float) -> bool:
    """Whether as many epochs again would probably make the loss much lower: it is high, and falls up to its last batch."""
    values, guess = curve.values, guessing(run)
    if values[-1] < FAR_FROM_DONE * (values[0] if guess is None else min(guess.loss, values[0])):
        return False
    accuracy = run.signal("validation accuracy") or run.signal("training accuracy")
    if accuracy is not None and len(accuracy.finite) and ACCURATE <= accuracy.finite.values[-1] <= 1:
        return False
    slowest = min(float(1 - values[-1] / values[-2]), median(1 - values[1:] / values[:-1])) / max(gap, 1.0)
    if (1 - slowest) ** (float(curve.steps[-1]) + 1) > AS_MANY:
        return False
    batches = run.signal("batch loss")
    if batches is None or len(batches.finite) < HALVES * len(curve):
        return len(curve) > LAST_FALLS and slowest > VERY_FAST
    before, after = np.array_split(batches.finite.values[-(len(batches.finite) // len(curve)) :], 2)
    return bool(np.mean(after) < np.mean(before))


HEURISTIC = Heuristic(
    id="undertrained",
    group="curves",
    title_passed="The loss was not falling fast when the training ended",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("validation loss, or training loss",),
    order=330,
    families=("curve-shape",),
    whole_training=True,
)
