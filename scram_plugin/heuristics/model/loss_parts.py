"""Parts of a loss of which one is a sum over the batch, and another a mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import Edit, average_errors, sum_errors, warms_up_weight
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.limits import QUARTER, TENTH
from scram_plugin.heuristics.measured import levels, of_loop, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

FEW = 8  # examples: with fewer, sum and mean differ little; by definition
OF_MANY = 16  # values of an example: of fewer, mean and sum differ little; by definition
DIVIDED = 4.0  # a part whose constant is at most this over the number of examples counts as divided by it; by definition
OUTWEIGHING = 1_000.0  # values of a sum, times its constant, that count for more than a mean; by definition
UNDIVIDED = 0.1  # constant from which on a part counts as not divided; by definition
STANDS = 0.98  # share of a loss that is left, at least; by bench-limits
WARMING_UP = 0.05  # constant of a divergence in the first epoch of a warm-up of 20; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loop = of_loop(
        run, "parts", "the parts of a Keras loss are not recorded", "it was not recorded of what parts the loss is the sum"
    )
    parts = [{"factor": 1.0, **part} for part in loop["parts"] if part.get("shape") and part.get("how")]
    batches, shapes = {part["shape"][0] for part in parts}, {str(part["shape"][1:]) for part in parts}
    # of the same examples, or of examples of the same shape, as the points inside and those of the border
    alike = len(batches) == 1 or (len(shapes) == 1 and str([]) not in shapes)
    size = run.facts.get("fit", {}).get("batch_size")
    whole = abs(loop.get("factor") or 1.0)  # by which an accumulation divides all parts
    parts = [{**part, "factor": part["factor"] / whole} for part in parts]
    if len(parts) > 1 and (said := _of_batch(parts, size)) is not None:
        yield _finding(run, "One part of the loss is a sum over the batch, another is a mean", said, average_errors(run.facts))
        return
    if len(parts) < 2 or not alike or max(batches) < FEW:
        return
    run.measured("parts of the loss", len(parts))
    if (said := _of_each(run, parts)) is not None:
        yield _finding(run, "One part of the loss is a sum for each example, another is a mean over all its values", said)
        return
    means = [part for part in parts if part["how"] == "mean" or 0 < abs(part["factor"]) <= DIVIDED / part["shape"][0]]
    undivided = [part for part in parts if part["how"] == "sum" and abs(part["factor"]) >= _least(run, part, parts)]
    added = [part for part in undivided if part not in means and part["shape"][0] >= FEW]
    if not means or not added:
        return
    one, other = (" × ".join(map(str, part["shape"])) for part in (added[0], means[0]))
    said = f"One part of the loss is a sum over {one} values, another is a mean over {other}; the first axis is the batch."
    edit = average_errors(run.facts) or (sum_errors(run.facts) if means[0]["how"] == "mean" else None)
    yield _finding(run, "One part of the loss is a sum over the batch, another is a mean", said, edit)


def _least(run: TrainingRun, part: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> float:
    """The constant from which on a sum counts as not divided: a lower one where another part is a mean of as many values, and
    the loss stands still from its first tenth on."""
    alike = any(other["how"] == "mean" and other["shape"] == part["shape"] for other in parts)
    values = shown_loss(run).finite.values
    if not alike or len(values) < TENTH * FEW:
        return UNDIVIDED
    first, last = levels(values[len(values) // TENTH :], QUARTER)
    return DIVIDED / float(part["shape"][0]) if last > STANDS * first else UNDIVIDED


def _of_batch(parts: Sequence[Mapping[str, Any]], size: int | None) -> str | None:
    """A sum of the errors of all examples and of many values of each, beside a mean of something else."""
    summed = [
        part
        for part in parts
        if part.get("how") == "sum" and part["shape"][0] == size and math.prod(part["shape"][1:]) >= OF_MANY
    ]
    averaged = [part for part in parts if part.get("how") == "mean"]
    if len(summed) != 1 or len(summed) + len(averaged) != len(parts):
        return None
    factor = abs(summed[0].get("factor", 1.0))
    if factor <= DIVIDED / summed[0]["shape"][0] or math.prod(summed[0]["shape"]) * factor < OUTWEIGHING:
        return None  # it is divided by the number of examples, or counts for little
    values = " × ".join(map(str, summed[0]["shape"]))
    return f"One part of the loss is a sum over {values} values, and the first axis is the batch. Another part is a mean."


def _of_each(run: TrainingRun, parts: Sequence[Mapping[str, Any]]) -> str | None:
    """A divergence that is summed for each example, beside an error that is a mean over many values of it: then the divergence
    weighs as many times more (Kingma & Welling, 2014, sum both)."""
    averaged = [p for p in parts if p.get("elementwise") and p["how"] == "mean" and math.prod(p["shape"][1:]) >= OF_MANY]
    if not averaged:
        return None
    mean = abs(averaged[0]["factor"]) or 1.0
    if mean * DIVIDED >= math.prod(averaged[0]["shape"][1:]):
        return None  # it is a sum, written as a multiple of a mean
    least = WARMING_UP if warms_up_weight(run.facts) else UNDIVIDED
    summed = [p for p in parts if len(p.get("each") or []) > 1 and abs(p["factor"]) * _rows(p) / mean >= least]
    if not summed:
        return None
    values, of = math.prod(summed[0]["each"][1:]), math.prod(averaged[0]["shape"][1:])
    return f"One part is the sum of {values:,} values of each example, another is the mean of {of:,} values of it."


def _rows(part: Mapping[str, Any]) -> int:
    """The number of examples over which a sum is that its constant divides by them, 1 for a mean; 0 for other sums."""
    if part["how"] == "mean":
        return 1
    rows = int(part["each"][0])
    return rows if abs(part["factor"]) <= DIVIDED / rows else 0


def _finding(run: TrainingRun, title: str, said: str, edit: Edit | None = None) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title=title,
        evidence={"said": said},
        **whole_of(shown_loss(run)),
        causes=[Cause("reductions", said, "", edit)],
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
