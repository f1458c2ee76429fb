"""Undertrained: the training ended while the loss was still falling fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import all_learned, loss
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.edits import train_longer
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, TooEarly
from scram_plugin.heuristics.limits import SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        4,
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
VERY_FEW, VERY_FAST = 5, 0.15  # epochs at most, and fall per epoch, of a warning: one more would help; by bench-limits
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
    urgent = curve.axis == "epoch" and len(curve) <= VERY_FEW and speed > VERY_FAST
    unit, first, end = curve.axis, int(curve.steps[-1 - LAST_FALLS]), int(curve.steps[-1])
    yield Finding(
        severity="warning" if urgent else "info",
        confidence="likely" if urgent else "possible",
        title=f"The loss was still falling fast when the training ended at {place(unit, end)}",
        evidence={
            "speed_percent": 100 * speed,
            "each": "per epoch" if unit == "epoch" else "from one point to the next",
            "last_loss": float(values[-1]),
            "before_loss": float(values[-1 - LAST_FALLS]),
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
