"""Outputs or a loss that are not finite in half precision (float16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, by_evidence
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

LARGE = 100.0  # inputs whose squares, summed over some features, pass 65,504, the largest float16 (IEEE 754)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    where = tested(run, "precision").get("nonfinite")
    if not where:
        return
    curve = shown_loss(run)
    used = "float16" in str(run.facts.get("dtype_policy"))
    extremes = [run.statistic(schema.STATISTICS, column("x0", None, end)) for end in ("min", "max")]
    size = max((float(np.nanmax(np.abs(c.values))) for c in extremes if c is not None and len(c)), default=0.0)
    inputs = Cause("inputs", f"The largest absolute value of the inputs is {number(size)}." if size > LARGE else "")
    yield Finding(
        severity="error" if used else "info",
        confidence="certain" if used else "likely",
        title=f"The {where} {'are' if where == 'outputs' else 'is'} not finite in half precision",
        evidence={"where": where, "used": "The training uses float16." if used else "The training does not use float16."},
        **whole_of(curve),
        causes=by_evidence([Cause("inside"), inputs]),
    )


HEURISTIC = Heuristic(
    id="half-precision",
    group="preflight",
    title_passed="Outputs and loss are finite in half precision",
    check=check,
    page=Page.beside(__file__),
    needs=("a preflight",),
    order=520,
)
