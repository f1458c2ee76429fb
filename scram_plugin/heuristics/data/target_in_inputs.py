"""A feature that is the target itself: a column that was left in the table, or a window that reaches too far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

HOW = "train with SCRAM's callback and arrays, or with watch() and one number as each example's target"


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    data = (run.facts.get("data") or {}).get("training") or {}
    if not run.loop and not data:
        raise NotChecked("inputs and targets were not compared", HOW)
    leak = run.loop.get("leak") or data.get("leak")
    if not leak:
        return
    feature, features = leak
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The target is among the inputs: feature {feature}",
        evidence={"feature": feature, "features": features},
        **whole_of(shown_loss(run)),
        causes=[Cause("window") if feature == features - 1 else Cause("column")],
    )


HEURISTIC = Heuristic(
    id="target-in-inputs",
    group="data",
    title_passed="The target is not among the inputs",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the data",),
    order=35,
    precedence=33,
    explains=("initial-loss", "standstill", "zero-loss", "overfitting", "unnormalized-inputs"),
)
