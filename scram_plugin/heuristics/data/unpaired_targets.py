"""Inputs and targets that the program brings into two different orders, so that they do not belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import (
    labels_before_an_order,
    moved_alone,
    moved_places,
    order_targets,
    separate_draws,
    targets_anew,
    targets_apart,
    two_orders,
)
from scram_plugin.heuristics.heuristic import TARGETS, Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if not (run.facts.get("source") or {}).get("files"):
        raise NotChecked("the program was not recorded", HOW)
    curve = shown_loss(run)
    ways = (two_orders, separate_draws, moved_places, moved_alone, labels_before_an_order, targets_apart, targets_anew)
    if (apart := next((found for way in ways if (found := way(run.facts)) is not None), None)) is None:
        return
    yield Finding(
        severity="warning",
        confidence="likely",
        title="Inputs and targets are in different orders",
        evidence={
            "said": apart.said,
            "inputs": one_line(apart.inputs),
            "targets": one_line(apart.targets),
            "line": apart.line,
        },
        **whole_of(curve),
        causes=[Cause(apart.cause, apart.said, "", order_targets(run.facts))],
        where=[TARGETS],
    )


HEURISTIC = Heuristic(
    id="unpaired-targets",
    group="data",
    title_passed="Inputs and targets are in the same order",
    check=check,
    page=Page.beside(__file__),
    needs=("the program, which SCRAM records",),
    order=37,
    precedence=34,
    explains=("standstill", "curve-shape", "overfitting", "undertrained", "preflight-test", "output-collapse"),
)
