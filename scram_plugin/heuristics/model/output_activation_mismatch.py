"""An output layer that does not fit the loss or the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import Edit, set_in_layers, set_loss, take_probabilities
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, absent
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.measured import LINEAR, Layer, layers, output, shown_loss, sums
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column
from scram_plugin.severity import Severity

CATEGORICAL = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
DISTANCES = ("MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh", "MeanSquaredLogarithmicError")
# activation -> the values that it can give, by definition
RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf), "relu6": (0.0, 6.0)}
PROBABLE = ("softmax", "sigmoid")
BEYOND = 0.05  # share of the range of the targets by which they may lie outside the range of the output; by bench-limits
FOR_A_RANGE = 3  # measured batches: fewer do not show the range of the outputs; by bench-limits
CLOSE_TO_ONE = 0.01  # from 1: so near probabilities sum to 1, in float16 too; by definition
STILL_HIGH = 0.9  # of the loss of the first tenth: the loss has hardly fallen; by bench-limits
BATCHES = 100  # after which that says something; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    try:
        layer = output(run)
    except NotChecked:
        if _always_one(run):
            loss = (run.facts.get("loss") or {}).get("class")
            known = {"layer": "of the model", "size": "1 unit", "activation_name": "softmax", "loss": loss}
            yield _finding(run, "one-unit-softmax", "error", {**known, **absent("low", "high", "least", "most")}, None)
            return
        raise
    loss = run.facts.get("loss", {})
    if not loss.get("class") or loss.get("custom"):
        raise NotChecked("the loss is custom, or there are several losses", "a single built-in loss")
    units = run.facts["model"].get("output_units")
    judged = _judge(run, layer, loss_class(run), bool(loss.get("from_logits")), units)
    if judged is None:
        return
    yield _finding(run, *judged)


def _finding(run: TrainingRun, cause: str, severity: Severity, evidence: dict[str, Any], edit: Edit | None) -> Finding:
    curve = shown_loss(run)
    return Finding(
        severity=severity,
        confidence="certain" if severity == "error" else "likely",
        title=TITLES[cause].format(**evidence),
        evidence=evidence,
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source()],
        causes=[Cause(cause, WHY[cause].format(**evidence), "", edit)],
    )


TITLES = {
    "one-unit-softmax": "Softmax over a single unit is always 1",
    "missing-softmax": "{loss} gets outputs without a softmax",
    "missing-sigmoid": "{loss} gets outputs that are not probabilities",
    "twice-layers": "{activation} is applied twice, by {before} and by {layer}",
    "no-logarithm": "{loss} gets probabilities, not their logarithms",
    "squared-error": "{loss} of softmax outputs: the model hardly learns",
    "twice": "{activation} is applied twice: in the model and in the loss",
    "sigmoid-for-classes": "Sigmoid outputs for mutually exclusive classes",
    "one-class": "{loss} of a single output is always 0",
    "range": "The output cannot reach the targets: {activation} gives {low} to {high}",
}
WHY = {
    "one-unit-softmax": "The output layer {layer} has one unit and softmax.",
    "missing-softmax": "{layer} has no softmax, and {loss} does not apply it.",
    "missing-sigmoid": "{layer} has {activation_name}, and {loss} does not apply a sigmoid.",
    "twice-layers": "{before} has {activation}, and {layer} applies it again.",
    "no-logarithm": "{layer} has {activation}; {loss} expects the logarithms of probabilities.",
    "squared-error": "{layer} has softmax, each target is one class, and the loss has hardly fallen.",
    "twice": "{layer} has {activation}, and {loss} takes logits: it applies the activation again.",
    "sigmoid-for-classes": "{layer} applies a sigmoid to each of its units, and the loss is {loss}.",
    "one-class": "{layer} has one unit; {loss} compares several outputs.",
    "range": "The targets range from {least} to {most}.",
}


def _judge(
    run: TrainingRun, layer: Layer, loss: str, logits: bool, units: Any
) -> tuple[str, Severity, dict[str, Any], Edit | None] | None:
    """(cause, severity, evidence, edit) of a mismatch; None if there is none."""
    activation = layer.activation
    evidence: dict[str, Any] = {
        "layer": layer.name,
        "activation": activation,
        "activation_name": "no activation" if activation in LINEAR else activation,
        "loss": run.facts["loss"]["class"],
        "units": units,
        "size": counted(units, "unit") if isinstance(units, int) else None,
        **absent("low", "high", "least", "most"),
    }
    torch = run.framework_of_facts == "torch"
    own = torch or layer.kind not in ("Activation", "Softmax", "ReLU")  # its activation is an argument

    def activate(value: str | None) -> Edit | None:
        text = None if value is None else f'"{value}"'
        return set_in_layers(run.facts, [layer.path], "activation", text) if own else None

    before = _before(run, layer)
    if before is not None and not layer.facts.get("kernel") and activation in PROBABLE and before.activation == activation:
        twice = {**evidence, "before": before.name}
        return "twice-layers", "warning", twice, set_in_layers(run.facts, [before.path], "activation", None)
    if activation == "softmax" and units == 1:
        return "one-unit-softmax", "error", evidence, activate("sigmoid")
    if loss in CATEGORICAL:
        if units == 1:
            return "one-class", "error", evidence, set_loss(run.facts, "binary_crossentropy", torch and activation != "sigmoid")
        if evidence["loss"] == "NLLLoss":
            return _of_logarithms(run, activation, evidence, activate)
        if torch and logits and activation == "sigmoid":
            return "sigmoid-for-classes", "warning", evidence, activate(None)
        if logits and activation in ("softmax", "sigmoid"):
            return "twice", "warning", evidence, take_probabilities(run.facts, layer.path)
        if not logits and activation == "sigmoid":
            return "sigmoid-for-classes", "warning", evidence, activate("softmax")
        if not logits and activation != "softmax" and not _probabilities(run, layer):
            return "missing-softmax", "error", evidence, activate("softmax")
    elif loss in ("BinaryCrossentropy", "BinaryFocalCrossentropy"):
        if logits and activation in ("sigmoid", "softmax"):
            return "twice", "warning", evidence, take_probabilities(run.facts, layer.path)
        if not logits and activation not in ("sigmoid", "softmax", "hard_sigmoid") and not _probabilities(run, layer):
            return "missing-sigmoid", "error", evidence, activate("sigmoid")
    elif loss in DISTANCES and activation == "softmax" and _one_class_each(run) and _still(run):
        return "squared-error", "warning", evidence, set_loss(run.facts, "categorical_crossentropy")
    elif loss in DISTANCES and activation in RANGES:
        numbers = isinstance(units, int) and units > 1 and run.statistic(schema.STATISTICS, "y0/mean/0") is None
        # several outputs, but one number per example: label-range reports that
        return None if numbers else _reach(run, activation, evidence, activate(None))
    return None


def _of_logarithms(
    run: TrainingRun, activation: str | None, evidence: dict[str, Any], activate: Callable[[str | None], Edit | None]
) -> tuple[str, Severity, dict[str, Any], Edit | None] | None:
    """The mismatch of a loss that takes logarithms of probabilities; None unless a measured output is above 0."""
    high = run.statistic(schema.STATISTICS, "y_pred0/max")
    if activation == "log_softmax" or high is None or not len(high.finite) or float(high.finite.values.max()) <= 0:
        return None
    if activation == "softmax":
        return "no-logarithm", "error", evidence, activate("log_softmax")
    return "missing-softmax", "error", evidence, set_loss(run.facts, "sparse_categorical_crossentropy")


def _before(run: TrainingRun, layer: Layer) -> Layer | None:
    """The layer whose output is the only input of this one."""
    sources = layer.facts.get("from") or []
    return next((other for other in layers(run) if sources == [other.path.rpartition("/")[2]]), None)


def _always_one(run: TrainingRun) -> bool:
    """Whether every measured output was exactly 1 with a binary loss, as softmax over one unit gives."""
    low = run.statistic(schema.STATISTICS, "y_pred0/min")
    several = run.statistic(schema.STATISTICS, "y_pred0/mean/0") is not None
    binary = "Binary" in loss_class(run)
    high = run.statistic(schema.STATISTICS, "y_pred0/max")
    if low is None or high is None or len(low) < FOR_A_RANGE or several or not binary:
        return False
    return bool((low.values == 1).all() and (high.values == 1).all())


def _one_class_each(run: TrainingRun) -> bool:
    """Whether the targets of an example sum to 1, as one-hot targets do."""
    targets = sums(run, "y0")
    return targets is not None and bool(np.allclose(targets, 1, atol=CLOSE_TO_ONE))


def _still(run: TrainingRun) -> bool:
    """Whether the loss has hardly fallen, after at least `BATCHES` batches."""
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < BATCHES:
        return False
    tenth = len(loss.finite) // TENTH
    return bool(np.median(loss.finite.values[-tenth:]) > STILL_HIGH * np.median(loss.finite.values[:tenth]))


def _probabilities(run: TrainingRun, layer: Layer) -> bool:
    """Whether all measured outputs lie between 0 and 1, and several outputs sum to 1, however they are computed. False for a
    linear Dense layer: its outputs do so only by chance."""
    if layer.kind == "Dense" and layer.activation in LINEAR:
        return False
    low, high = (run.statistic(schema.STATISTICS, f"y_pred0/{which}") for which in ("min", "max"))
    if low is None or high is None or len(low.finite) < FOR_A_RANGE or not len(high.finite):
        return False
    outputs = sums(run, "y_pred0")
    within = low.finite.values.min() >= 0 and high.finite.values.max() <= 1
    return bool(within and (outputs is None or np.allclose(outputs[np.isfinite(outputs)], 1, atol=CLOSE_TO_ONE)))


def _reach(
    run: TrainingRun, activation: str, evidence: dict[str, Any], edit: Edit | None
) -> tuple[str, Severity, dict[str, Any], Edit | None] | None:
    """Targets outside the range of the output: these errors can never become small."""
    low, high = (run.statistic(schema.BATCHES, column("y0", None, which)) for which in ("min", "max"))
    if low is None or high is None or not len(low.finite) or not len(high.finite):
        return None
    least, most = float(low.finite.values.min()), float(high.finite.values.max())
    margin, (lowest, highest) = BEYOND * (most - least), RANGES[activation]
    if least >= lowest - margin and most <= highest + margin:
        return None
    reach = {"low": number(lowest), "high": number(highest), "least": number(least), "most": number(most)}
    return "range", "error", {**evidence, **reach}, edit


HEURISTIC = Heuristic(
    id="output-activation-mismatch",
    group="model",
    title_passed="Output, loss and targets fit together",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=100,
    precedence=40,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "preflight-test", "initial-loss", "zero-loss"),
)
