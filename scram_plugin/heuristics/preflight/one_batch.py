"""A few examples that cannot be learned by heart: a model, a loss or data with which nothing can be learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.measured import shown_loss
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested, whole_of
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "falls",
        0.5,
        "part of its first value below which the loss of one batch must come, in 240 steps of its own optimiser or of Adam; "
        "sound programs came below 0.05, but soft labels and contrastive losses have a floor",
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "one_batch")
    first, last = found.get("first"), found.get("last")
    if first is None or last is None or not (math.isfinite(first) and math.isfinite(last)) or first <= 0.0:
        raise Inconclusive("the loss of one batch is not a positive number")
    if last <= options["falls"] * first:
        return
    if found.get("cut"):
        raise Inconclusive(f"there was time for {found.get('steps')} steps only; give it more `seconds`")
    curve = run.statistic("one_batch", "loss") or shown_loss(run)
    still = (run.facts["preflight"].get("gradients") or {}).get("still") or []
    gradient = Cause("gradient", f"`{still[0]}` gets no gradient." if still else "")
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{found.get('examples')} examples cannot be learned by heart",
        evidence={
            "examples": found.get("examples"),
            "steps": found.get("steps"),
            "first": number(first),
            "last": number(last),
            "part": f"{last / first:.0%}",
        },
        **whole_of(curve),
        causes=sorted([Cause("loss"), gradient, Cause("start")], key=lambda cause: not cause.for_),
    )


HEURISTIC = Heuristic(
    id="one-batch",
    group="preflight",
    title_passed="One batch can be learned by heart",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight",),
)
