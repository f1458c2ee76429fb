"""No validation: nothing in the log shows how good the model is on data that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.checkable import loss
from scram_plugin.heuristics.edits import hold_out
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        5,
        "points of the training loss from which on a validation should have been logged",
        CALIBRATED,
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    if known := sum(signal.startswith("validation ") for signal in run.signals):
        run.measured("kinds of validation loss or metric in the log", known, below=1)
        return
    if "validation" in run.parts.values():
        raise Inconclusive("there is a validation directory, but SCRAM knows none of the scalar names in it")
    unit, first, last = curve.axis, int(curve.steps[0]), int(curve.steps[-1])
    yield Finding(
        severity="info",
        confidence="certain",
        title="No validation loss or metric was logged",
        evidence={
            "points": len(curve),
            "last_loss": float(curve.values[-1]),
            "last_place": place(unit, last),
            "tag": curve.tag,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[Cause("not-measured", edit=hold_out(run.facts)), Cause("other-name")],
    )


HEURISTIC = Heuristic(
    id="missing-validation",
    group="curves",
    title_passed="A validation loss or metric was logged",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=350,
    whole_training=True,
)
