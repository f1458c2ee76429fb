"""A training loss of zero: nothing is left to learn, or the loss does not measure what it should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import final_accuracies, loss
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option
from scram_plugin.heuristics.limits import TINY
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        3,
        "zeros in a row at the end of the curve that are needed; a single one may be due to rounding",
        CALIBRATED,
    ),
)

SUDDENLY = 0.5  # loss: from above that no training learns to exactly 0 within a point; by bench-labelled


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    zero = np.abs(curve.values) <= TINY
    since = len(zero) - int(np.argmin(zero[::-1])) if not zero.all() else 0
    count = len(zero) - since
    if count < options["least"]:
        last = float(np.abs(curve.values[-int(options["least"]) :]).max())
        run.measured("largest of the last training losses in magnitude", last, below=TINY, curve=curve)
        return
    always = "It was always zero." if since == 0 else ""
    unit, first, last = curve.axis, int(curve.steps[since]), int(curve.steps[-1])
    validation = run.signal("validation loss")
    before = float(curve.values[since - 1]) if since else 0.0
    sudden = before > SUDDENLY
    yield Finding(
        severity="warning" if since == 0 or sudden else "info",
        confidence="certain",
        title=f"The training loss is zero from {place(unit, first)} on",
        evidence={
            "first_place": place(unit, first),
            "count": count,
            "points": len(curve),
            "always": "It was zero from the first value on." if since == 0 else None,
            "before": f"In the point before that it was {number(before)}." if sudden else None,
            "val_last": float(validation.finite.values[-1]) if validation is not None and len(validation.finite) else None,
            **final_accuracies(run),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[*([_overflow(before)] if sudden else []), Cause("wrong-loss", always), Cause("leak"), Cause("memorised")],
        bad_step=first,
    )


def _overflow(before: float) -> Cause:
    return Cause("overflow", f"The loss was {number(before)} in the point before: few trainings reach exactly 0 from there.")


HEURISTIC = Heuristic(
    id="zero-loss",
    group="curves",
    title_passed="The training loss is not zero",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=320,
    families=("curve-shape",),
    precedence=290,
    explains=("divergence", "no-learning", "plateau", "overfitting", "validation-better-than-training"),
)
