"""Parts of a loss of which one is a sum over the batch, and another a mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import of_loop, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

FEW = 8  # examples: with fewer, sum and mean differ little; by definition
DIVIDED = 4.0  # a part whose constant is at most this over the number of examples counts as divided by it; by definition
UNDIVIDED = 0.1  # constant from which on a part counts as not divided; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loop = of_loop(
        run, "parts", "the parts of a Keras loss are not recorded", "it was not recorded of what parts the loss is the sum"
    )
    parts = [part for part in loop["parts"] if part.get("shape")]
    batches = {part["shape"][0] for part in parts}
    if len(parts) < 2 or len(batches) != 1 or min(batches) < FEW:
        return
    size = batches.pop()
    means = [part for part in parts if part["how"] == "mean" or 0 < abs(part["factor"]) <= DIVIDED / size]
    added = [part for part in parts if part["how"] == "sum" and abs(part["factor"]) >= UNDIVIDED and part not in means]
    if not means or not added:
        return
    one, other = (" × ".join(map(str, part["shape"])) for part in (added[0], means[0]))
    said = f"One part of the loss is a sum over {one} values, another is a mean over {other}; the first axis is the batch."
    curve = shown_loss(run)
    yield Finding(
        severity="warning",
        confidence="likely",
        title="One part of the loss is a sum over the batch, another is a mean",
        evidence={"said": said},
        **whole_of(curve),
        causes=[Cause("reductions", said)],
    )


HEURISTIC = Heuristic(
    id="loss-parts",
    group="model",
    title_passed="The parts of the loss are reduced alike",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training with PyTorch",),
    order=106,
    precedence=42,
    explains=("standstill", "preflight-test", "undertrained", "curve-shape"),
)
