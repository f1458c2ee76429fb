"""Operations along the wrong axis: they mix examples, or positions with channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import (
    Edit,
    normalize_examples,
    permute_pictures,
    set_in_layers,
    softmax_over_channels,
    softmax_over_classes,
    softmax_over_keys,
    softmax_over_tokens,
    transpose,
)
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.limits import MOSTLY
from scram_plugin.heuristics.measured import Layer, known_layers, of_loop, shown_loss, whole_of
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

FOR_A_SUM, FEWEST_CLASSES = 3, 2  # measured batches, and classes, that are needed; by definition
ROUNDING = 1e-3  # of a sum of probabilities, in half precision; IEEE 754
TITLES = {
    "softmax-over-batch": "A softmax is taken over the examples of a batch",
    "softmax-over-width": "A softmax is taken over the width of an image",
    "softmax-over-time": "A softmax is taken over the positions of a sequence",
    "softmax-over-queries": "A softmax of attention is taken over the queries",
    "softmax-of-one": "A softmax is taken of one number: it always gives 1",
    "norm-over-batch": "Outputs are normalised over the examples of a batch",
    "view": "A view is used where axes should be swapped",
}
SAID = {
    "softmax-over-batch": "The first step has a softmax along the first axis of {0} values, whose rows are the examples.",
    "softmax-over-width": (
        "The first step has a softmax along the last axis of {0} values that a convolution gives. Their second axis is that of "
        "the channels."
    ),
    "softmax-over-time": (
        "The first step has a log-softmax along the second axis of the outputs of a linear layer, {0} values. Their last axis "
        "is that of the classes."
    ),
    "positions": (
        "The first step has a log-softmax along the last axis of {0} values. The loss takes the second axis for the classes."
    ),
    "softmax-over-queries": (
        "The first step has a softmax along the axis of the queries of {0} scores of attention. The sum that follows goes "
        "along that of the keys."
    ),
    "alone": "The first step has a softmax along the first axis of {0} values, which has one entry: each result is 1.",
    "softmax-of-one": "The first step has a softmax along the last axis of {0} values, which has one entry: each weight is 1.",
    "norm-over-batch": "The first step divides each column of {0} values by its norm; the rows are the examples.",
    "pixels": (
        "In the pictures, {0}, values that are as many places apart as there are channels differ least. So they lie as "
        "if their order were height × width × channels, which `reshape` and `view` keep."
    ),
    "view": "The first step turns {0} values into {1} by `view` or `reshape`, which keeps their order.",
}
BY_CHANNELS = (
    "The values of the pictures lie as if their order were channels × height × width, although the channels are the last axis: "
    "`reshape` keeps the order of the values."
)
EDITS: Mapping[str, Callable[[Mapping[str, Any]], Edit | None]] = {
    "softmax-over-batch": softmax_over_classes,
    "softmax-over-width": softmax_over_channels,
    "softmax-over-time": softmax_over_tokens,
    "positions": softmax_over_channels,
    "norm-over-batch": normalize_examples,
    "pixels": permute_pictures,
    "alone": softmax_over_classes,
}  # by the cause, or by the operation
CAUSES = {
    "softmax": "softmax-over-batch",
    "width": "softmax-over-width",
    "time": "softmax-over-time",
    "positions": "softmax-over-time",
    "queries": "softmax-over-queries",
    "one": "softmax-of-one",
    "alone": "softmax-of-one",
    "norm": "norm-over-batch",
}  # by the operation that the recorder names


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if not run.loop.get("axes") and (whose := _over_examples(run)) is not None:
        cause = "softmax-over-batch"
        said = f"The {whose} are between 0 and 1, and each of their columns adds up to 1 over the examples of a batch."
        yield _finding(run, cause, said, None)
        return
    if (layer := _of_one(run)) is not None:
        said = f"{layer.name} takes a softmax along an axis with one entry, so that it gives 1 for all inputs."
        yield _finding(run, "softmax-of-one", said, set_in_layers(run.facts, [layer.path], "axis", "1"))
        return
    if (run.facts.get("data") or {}).get("training", {}).get("reshaped"):
        yield _finding(run, "view", BY_CHANNELS, None)
        return
    loop = of_loop(
        run, "axes", "the operations of a Keras model are not recorded", "the operations of a step were not recorded"
    )
    told = set()
    for axis in loop["axes"]:
        before, after = (" × ".join(map(str, axis.get(which) or [])) for which in ("from", "to"))
        cause = CAUSES.get(str(axis.get("operation")), "view")
        if cause in told:
            continue
        told.add(cause)
        operation = str(axis.get("operation"))
        said = SAID.get(operation, SAID[cause]).format(before, after)
        sizes = axis.get("from") or (), axis.get("to") or ()
        made = EDITS.get(operation) or EDITS.get(cause)
        edit = made(run.facts) if made is not None else _by_sizes(run, cause, *sizes)
        yield _finding(run, cause, said, edit)


def _finding(run: TrainingRun, cause: str, said: str, edit: Edit | None) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title=TITLES[cause],
        evidence={"said": said},
        **whole_of(shown_loss(run)),
        causes=[Cause(cause, said, "", edit)],
        brings=None if cause in OF_POSITIONS else BRINGS,
    )


def _of_one(run: TrainingRun) -> Layer | None:
    """A layer of a Keras model, but for the last, whose softmax goes along an axis with one entry."""
    known = [layer for layer in known_layers(run) if layer.facts.get("parameters") or layer.kind == "Softmax"]
    for layer in known[:-1] if run.framework_of_facts == "keras" else ():
        units = (layer.facts.get("kernel") or [0])[-1]
        along = (layer.facts.get("settings") or {}).get("along")
        if (layer.kind == "Softmax" and along == 1) or (layer.activation == "softmax" and units == 1):
            return layer
    return None


def _over_examples(run: TrainingRun) -> str | None:
    """Which of a cross-entropy's targets and outputs are the results of a softmax over the examples: their mean is one divided
    by the size of a batch."""
    rows, units = ((run.facts.get(of) or {}).get(key) for of, key in (("fit", "batch_size"), ("model", "output_units")))
    if not isinstance(rows, int) or not isinstance(units, int) or rows == units or "Categorical" not in loss_class(run):
        return None
    for name, whose in (("y0", "targets"), ("y_pred0", "outputs")):
        found = [run.statistic(schema.STATISTICS, column(name, None, which)) for which in ("min", "max", "mean", "std")]
        if units < FEWEST_CLASSES or any(curve is None or len(curve.finite) < FOR_A_SUM for curve in found):
            continue
        low, high, mean, spread = (curve.finite.values for curve in found if curve is not None)
        whole = float(np.mean(np.abs(mean * rows - 1) < ROUNDING)) > MOSTLY  # the last batch of an epoch may be smaller
        if whole and low.min() >= 0 and high.max() < 1 and spread.min() > 0:
            return whose
    return None


def _by_sizes(run: TrainingRun, cause: str, before: Sequence[int], after: Sequence[int]) -> Edit | None:
    if cause == "softmax-over-queries":
        return softmax_over_keys(run.facts, len(before))
    return transpose(run.facts, before, after) if cause == "view" else None


OF_POSITIONS = ("softmax-over-queries", "softmax-over-time", "view")  # then a position knows of later ones; by definition
BRINGS = ("standstill", "preflight-test", "undertrained", "output-activation-mismatch", "signal-flow", "curve-shape")
HEURISTIC = Heuristic(
    id="mixed-axes",
    group="model",
    title_passed="No operation mixes the axes of its tensor",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training with PyTorch",),
    order=105,
    precedence=41,
    explains=(*BRINGS, "sequence-targets"),  # attention whose weights are shared out over the queries knows the later ones
)
