"""A model that cannot overfit one batch: something in the model, its loss or its data keeps it from learning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option, by_evidence
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import counted, number, percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "falls",
        0.5,
        (
            "share of its first value to which the loss of one batch must fall, in 240 steps of its own optimizer or of "
            "Adam; soft labels and contrastive losses cannot reach 0"
        ),
        CALIBRATED,
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "one_batch")
    first, last = found.get("first"), found.get("last")
    if first is None or last is None or not (math.isfinite(first) and math.isfinite(last)) or first <= 0.0:
        raise Inconclusive("the loss of one batch is not a positive number")
    what = "loss of one batch after training on it alone, as a share of its first value"
    run.measured(what, last / first, above=options["falls"], percent=True)
    if last <= options["falls"] * first:
        return
    if found.get("cut"):
        raise Inconclusive(f"there was time for {counted(found.get('steps') or 0, 'step')} only; allow more `seconds`")
    curve = run.statistic("one_batch", "loss") or shown_loss(run)
    still = (run.facts["preflight"].get("gradients") or {}).get("still") or []
    gradient = Cause("gradient", f"`{still[0]}` gets no gradient." if still else "")
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The model cannot overfit a batch of {found.get('examples')}",
        evidence={
            "examples": found.get("examples"),
            "steps": found.get("steps"),
            "first": number(first),
            "last": number(last),
            "part": f"{percent(last / first)}",
        },
        **whole_of(curve),
        causes=by_evidence([Cause("loss"), gradient, Cause("start")]),
    )


HEURISTIC = Heuristic(
    id="one-batch",
    group="preflight",
    title_passed="The model can overfit one batch",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight",),
    order=510,
    families=("preflight-test",),
)
