"""Labels that do not fit the loss and the outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.data.labels_of_losses import DIFFERENCES, labels_that_do_not_fit, several_numbers
from scram_plugin.heuristics.datasets import always_the_same, data_of
from scram_plugin.heuristics.edits import Edit, change_compared, change_targets, names_zeros, set_loss
from scram_plugin.heuristics.heuristic import TARGETS, Cause, Confidence, Finding, Heuristic, Inconclusive, NotChecked, absent
from scram_plugin.heuristics.limits import BYTE, TENTH
from scram_plugin.heuristics.measured import chooses_class, levels, shown_loss, sums, whole_of
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column
from scram_plugin.severity import Severity

SEVERAL = 0.02  # share of the examples with several classes: fewer may be mistakes in the labels; by definition
IGNORED = -100.0  # PyTorch's cross-entropy ignores this label, unless `ignore_index` names another one; default of PyTorch
BINARY = 2  # classes, whose numbers 0 and 1 are shares, too; by definition
SEVERAL_CLASSES = "The labels do not fit the loss: an example has several classes or none"
BROADCAST = "The labels do not fit the loss: outputs and targets differ in shape"
PERFECT = 0.05  # of the first loss: below that the loss of a single label says perfect; by bench-limits
UNKNOWN = 2  # stands for a number of examples that is not known; by definition
OF_ONE = 0.1  # from 1: so near the targets of an example sum to 1; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if (seen := _of_graph(run)) is not None:
        yield seen
        return
    # if a label makes the first step fail, there are only the validation data and the counts of all labels
    tables = (schema.BATCHES, schema.VALIDATION)
    low, high = (
        next((c for table in tables if (c := run.statistic(table, column("y0", None, which))) is not None), None)
        for which in ("min", "max")
    )
    if low is None or high is None:
        raise NotChecked("the range of the targets was not logged", HOW)
    if not len(low.finite) or not len(high.finite):
        return
    if run.statistic(schema.BATCHES, "y1/min") is not None:
        raise NotChecked("there are several targets", "a model with one target")
    loss, units = loss_class(run), run.facts.get("model", {}).get("output_units")
    least, most = float(low.finite.values.min()), float(high.finite.values.max())
    counts = data_of(run, "training").get("counts")
    if counts and not several_numbers(run):  # over all labels, not only those of the batches so far
        classes = np.flatnonzero(counts)
        least, most = min(least, float(classes[0])), max(most, float(classes[-1]))
    ignored = (run.facts.get("loss") or {}).get("ignored", IGNORED)
    if run.framework_of_facts == "torch" and "Categorical" in loss and least == ignored and most >= 0:
        least = 0.0  # the smallest of the other labels is not known
    judged = (
        _broadcast(run)
        or labels_that_do_not_fit(run, loss, units, low, high)
        or _judge(run, loss, units, least, most)
        or _several_at_once(run, loss)
    )
    if judged is None:
        numbered = loss == "SparseCategoricalCrossentropy" and isinstance(units, int) and units > 1
        run.measured("largest label", most, above=units - 1 if numbered else 1 if "Binary" in loss else None, curve=high)
        return
    cause, edit, said, expected = judged
    if cause == "one-value" and always_the_same(run, "x0"):
        raise Inconclusive("the inputs are the same in every step, too: the program repeats one batch")
    if cause == "one-value" and least == 0 and names_zeros(run.facts) and not _ruins(run, least):
        raise Inconclusive("the program makes labels of zeros, as in contrastive learning: the first class is the right one")
    bad = _first_bad(cause, low, high, units)
    yield Finding(
        severity="warning" if cause == "class-numbers" or (cause == "one-value" and not _ruins(run, least)) else "error",
        confidence="likely" if cause == "class-numbers" else "certain",
        title={
            "one-value": f"The labels do not fit the loss: all are {least:g}",
            "broadcast": BROADCAST,
            "several": SEVERAL_CLASSES,
            "percentage": f"The loss does not fit the labels: a percentage of {least:g}",
        }.get(cause, f"The labels do not fit the loss: {least:g} to {most:g}"),
        evidence={
            "least": least,
            "most": most,
            "loss": loss if loss != "None" else None,
            "units": units if isinstance(units, int) else None,
            "expected": expected,
            "batch": place("batch", bad) if bad is not None else None,
        },
        first_step=bad if bad is not None else int(low.steps[0]),
        last_step=int(low.steps[-1]),
        axis="batch",
        curves=[high.source(), low.source()],
        causes=[Cause(cause, said, "", edit)],
        bad_step=bad,
        where=[TARGETS],
        brings=None if cause in BEYOND_THE_LOSS else FINITE,
    )


def _of_graph(run: TrainingRun) -> Finding | None:
    """What the graph of the first loss shows of its targets, whether these were recorded or not."""
    classes, pairs = run.loop.get("class_numbers") or 0, run.loop.get("pairs") or {}
    severity: Severity
    confidence: Confidence
    if classes > BINARY:
        accurate = run.signal("training accuracy") or run.signal("validation accuracy")
        severity, confidence = "warning", "possible" if accurate is None else "likely"
        title = f"The labels {'may not' if accurate is None else 'do not'} fit the loss: 0 to {classes - 1}"
        said = f"The targets of the first batch are the whole numbers from 0 to {classes - 1}, nearly as many of each."
        expected = "The loss compares a single output with the number, as if the order of the numbers meant something."
        cause = Cause("class-numbers", said)
    elif (share := run.loop.get("several", 0.0)) > SEVERAL:
        severity, confidence, title = "error", "likely", SEVERAL_CLASSES
        said = f"In the first batch {percent(share)} of the examples have several classes."
        expected = "The loss expects one class for each example."
        cause = Cause("several", said, "", set_loss(run.facts, "binary_crossentropy", True))
    elif run.loop.get("hinge"):
        severity, confidence, title = "error", "certain", "The labels do not fit the loss: 0 and 1 for a hinge"
        said = "The first step multiplies the outputs by targets that are 0 and 1. Where the target is 0, nothing is learned."
        expected = "A hinge expects the labels -1 and 1."
        cause = Cause("hinge", said, "", change_targets(run.facts, "2 * {0} - 1"))
    elif (zeros := run.loop.get("divided", 0.0)) > 0:
        severity, confidence, title = "error", "certain", "The loss does not fit the labels: a percentage of 0"
        said = f"The first step divides the errors by the targets, and {percent(zeros)} of these are nearly 0."
        expected = "A percentage error expects targets that are far from 0."
        cause = Cause("percentage", said)
    elif pairs.get("output") and pairs.get("compared"):
        severity, confidence, title = "error", "certain", BROADCAST
        output, compared = tuple(pairs["output"]), tuple(pairs["compared"])
        said = f"The predictions have shape {output}, their differences from the targets {compared}."
        expected = "Each prediction is compared with one target."
        change = "{0}.unsqueeze(1)" if len(output) > 1 else "{0}.squeeze(1)"
        cause = Cause("broadcast", said, "", _in_shape(run, change))
    else:
        return None
    return Finding(
        severity=severity,
        confidence=confidence,
        title=title,
        evidence={"expected": expected, **absent("least", "most", "loss", "units", "batch")},
        **whole_of(shown_loss(run)),
        causes=[cause],
        where=[TARGETS],
        brings=FINITE,
    )


def _judge(run: TrainingRun, loss: str, units: Any, least: float, most: float) -> tuple[str, Edit | None, str, str] | None:
    """(cause, edit, evidence, what the loss expects), or None if the labels fit."""
    if least == most and run.kind is None:  # in a GAN, for example, all labels of a batch may be meant to be equal
        return "one-value", None, f"Every label of every batch is {least:g}.", "Nothing can be learned from a single label."
    facts = run.facts
    if loss == "SparseCategoricalCrossentropy" and isinstance(units, int) and units > 1:
        expected = f"The loss expects class numbers from 0 to {units - 1}."
        if least == 1 and most == units:
            return "from-one", change_targets(facts, "{0} - 1"), f"The labels go from 1 to {most:g}.", expected
        if least < 0 or most >= units:
            said = f"The model has {units} outputs, and the labels go from {least:g} to {most:g}."
            return "outside", None, said, expected
    if "Binary" in loss:
        expected = "The loss expects labels between 0 and 1."
        if least == -1 and most == 1:
            return "minus-one", change_targets(facts, "({0} + 1) / 2"), "The smallest label is -1, the largest is 1.", expected
        if least == 1 and most == 2:
            return "from-one", change_targets(facts, "{0} - 1"), "The smallest label is 1, the largest is 2.", expected
        if least < 0 or most > 1:
            said = f"The labels go from {least:g} to {most:g}."
            return (
                "outside",
                change_targets(facts, f"{{0}} / {most:g}") if least == 0 and most == BYTE else None,
                said,
                expected,
            )
    if loss in DIFFERENCES and isinstance(units, int) and units > 1 and _class_numbers(run, units, least, most):
        said = f"Each example has one whole number from {least:g} to {most:g} as its label; there are {units} outputs."
        return (
            "class-numbers",
            set_loss(facts, "sparse_categorical_crossentropy"),
            said,
            "The loss compares every output with the class number.",
        )
    return None


def _ruins(run: TrainingRun, label: float) -> bool:
    """Whether a single label is a fault for sure: the validation data have others, or the loss of classes became 0 by it."""
    others = [c for which in ("min", "max") if (c := run.statistic(schema.VALIDATION, column("y0", None, which))) is not None]
    if any((curve.finite.values != label).any() for curve in others):
        return True
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < 2 * TENTH or not chooses_class(run):
        return False
    return levels(loss.finite.values, TENTH)[1] < PERFECT * float(loss.finite.values[0])


def _broadcast(run: TrainingRun) -> tuple[str, Edit | None, str, str] | None:
    """Outputs of shape (batch, 1) and targets of shape (batch,): losses of PyTorch, and those written by hand, compare all
    pairs."""
    shapes = run.facts.get("loss", {}).get("shapes") or {}
    output, compared, target = (shapes.get(which) for which in ("output", "compared", "target"))
    if not output or not compared or not target or _size(output) < 2:
        return None
    if _size(compared) <= max(_size(output), _size(target)):
        return None
    said = f"The outputs have shape {tuple(output)}, the targets {tuple(target)}, the loss {tuple(compared)}."
    return "broadcast", _in_shape(run, "{0}.unsqueeze(1)"), said, "The loss expects one target for each output."


def _size(shape: Iterable[int | None]) -> int:
    """The number of values; in Keras the number of examples is None."""
    return math.prod(UNKNOWN if n is None else n for n in shape)


def _in_shape(run: TrainingRun, change: str) -> Edit | None:
    """Give the targets the shape of the outputs: where they are made, or where they are compared."""
    if run.framework_of_facts == "keras":
        return change_targets(run.facts, "{0}[:, None]")
    return change_targets(run.facts, change) or change_compared(run.facts, change)


def _several_at_once(run: TrainingRun, loss: str) -> tuple[str, Edit | None, str, str] | None:
    """Examples with several classes or none, and a loss for exactly one class each."""
    targets = sums(run, "y0")
    outputs = run.facts.get("model", {}).get("outputs") or []
    # PyTorch has one loss for class numbers and for a probability of each class
    known = loss == "CategoricalCrossentropy" or (loss.endswith("CategoricalCrossentropy") and several_numbers(run))
    if not known or targets is None or len(outputs) != 1 or len(outputs[0].get("shape") or []) != 2:
        return None  # in a sequence each step has a class, but padding may have none
    ones = float(np.median(targets))
    if abs(ones - 1) < OF_ONE:
        return None
    said = f"The targets of an example sum to {ones:.3g} on average; with one class for each example they would sum to 1."
    expected = "The loss expects one class, or probabilities that sum to 1, for each example."
    return "several", set_loss(run.facts, "binary_crossentropy", True), said, expected


def _class_numbers(run: TrainingRun, units: int, least: float, most: float) -> bool:
    """One class number for each example, although the loss compares a number for each output."""
    counts = data_of(run, "training").get("counts")
    return bool(counts) and not several_numbers(run) and least >= 0 and most < units and most > 1


def _first_bad(cause: str, low: Curve, high: Curve, units: Any) -> int | None:
    if cause != "outside":
        return None
    top = units - 1 if isinstance(units, int) and units > 1 else 1
    bad = (low.values < 0) | (high.values > top)
    return int(low.steps[np.argmax(bad)]) if bad.any() else None


# Labels outside the range of the loss have no probability, or make the loss fall without end; others leave it finite.
BEYOND_THE_LOSS = ("outside", "minus-one", "from-one")
FINITE = (
    *("standstill", "unrest", "signal-flow", "preflight-test", "class-imbalance", "output-activation-mismatch"),
    *("initial-loss", "zero-loss"),
)

HEURISTIC = Heuristic(
    id="label-range",
    group="data",
    title_passed="The labels fit the loss",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of every batch",),
    order=20,
    precedence=30,
    explains=(*FINITE, "non-finite"),
)
