"""Operations along the wrong axis: they mix examples, or positions with channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import softmax_over_classes, transpose
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import of_loop, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

TITLES = {
    "softmax-over-batch": "A softmax is taken over the examples of a batch",
    "view": "A view is used where axes should be swapped",
}


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loop = of_loop(
        run, "axes", "the operations of a Keras model are not recorded", "the operations of a step were not recorded"
    )
    curve = shown_loss(run)
    told = set()
    for axis in loop["axes"]:
        before, after = (" × ".join(map(str, axis.get(which) or [])) for which in ("from", "to"))
        cause = "softmax-over-batch" if axis.get("operation") == "softmax" else "view"
        if cause in told:
            continue
        told.add(cause)
        said = (
            f"The first step has a softmax along the first axis of a tensor of {before} values, whose rows are the examples."
            if cause == "softmax-over-batch"
            else f"The first step turns {before} values into {after} by `view` or `reshape`, which keeps their order."
        )
        if cause == "softmax-over-batch":
            edit = softmax_over_classes(run.facts)
        else:
            edit = transpose(run.facts, axis.get("from") or (), axis.get("to") or ())
        yield Finding(
            severity="warning",
            confidence="likely",
            title=TITLES[cause],
            evidence={"said": said},
            **whole_of(curve),
            causes=[Cause(cause, said, "", edit)],
        )


HEURISTIC = Heuristic(
    id="mixed-axes",
    group="model",
    title_passed="No operation mixes the axes of its tensor",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training with PyTorch",),
    order=105,
    precedence=41,
    explains=("standstill", "preflight-test", "undertrained", "output-activation-mismatch", "signal-flow", "curve-shape"),
)
