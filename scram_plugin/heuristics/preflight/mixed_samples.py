"""Outputs of an example that depend on the other examples of its batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import put_batch_first
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, by_evidence
from scram_plugin.heuristics.measured import RECURRENT, known_layers, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "apart",
        0.02,
        "change of an example's outputs, as a share of their standard deviation, above which it is reported",
        f"sound models reach 0, and 0.005 in half precision (IEEE 754); {CALIBRATED}",
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    trained = run.loop.get("mixing")
    found = {"alone": trained} if trained is not None else tested(run, "samples")
    alone, order = found.get("alone") or 0.0, found.get("order") or 0.0
    worst = max(alone, order)
    what = "largest change of an example's outputs when the rest of its batch changes, as a share of their standard deviation"
    run.measured(what, worst, above=options["apart"], percent=True)
    if worst <= options["apart"]:
        return
    curve = shown_loss(run)
    layers = known_layers(run)
    of_torch = run.framework_of_facts == "torch"
    sequence = [
        x.path for x in layers if of_torch and (x.kind in RECURRENT or "Attention" in x.kind or "Transformer" in x.kind)
    ]
    first = Cause("batch-first")
    if sequence:
        said = f"`{sequence[0]}` treats the first axis as time unless `batch_first=True` is set."
        first = Cause("batch-first", said, "", put_batch_first(run.facts, sequence[0]))
    yield Finding(
        severity="error",
        confidence="likely",
        title="The outputs of an example depend on the other examples of its batch",
        evidence={"alone": number(alone) if alone else None, "order": number(order) if order else None},
        **whole_of(curve),
        causes=by_evidence([Cause("reshape"), Cause("axis"), first]),
    )


HEURISTIC = Heuristic(
    id="mixed-samples",
    group="preflight",
    title_passed="The outputs of an example do not depend on the other examples of its batch",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight, or SCRAM's record of a training with PyTorch",),
    order=460,
    precedence=240,
    explains=("one-batch", "standstill", "undertrained", "signal-flow", "curve-shape"),
)
