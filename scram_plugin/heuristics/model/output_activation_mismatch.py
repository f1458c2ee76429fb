"""An output layer that does not fit the loss or the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scram_plugin.heuristics.data.labels_of_losses import HINGES
from scram_plugin.heuristics.edits import (
    Edit,
    make_probabilities,
    set_in_layers,
    set_loss,
    take_logarithms,
    take_logits,
    take_probabilities,
)
from scram_plugin.heuristics.heuristic import OUTPUTS, Cause, Confidence, Finding, Heuristic, NotChecked, absent
from scram_plugin.heuristics.measured import LINEAR, channels, output, shown_loss, whole_of, without_loader
from scram_plugin.heuristics.model.outputs import (
    RANGES,
    Output,
    always_one,
    are_probabilities,
    beyond,
    negative_logarithms,
    never_active,
    no_probabilities,
    of_several,
)
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import SEVERITIES, Severity

OF_LOGARITHMS = ("kl_div", "NLLLoss")  # losses that take logarithms of probabilities
PROBABLE = ("softmax", "sigmoid")
# they give no large negative, or no large numbers at all
CUTTING = ("relu", "relu6", "tanh", "softsign", "gelu", "silu", "swish", "elu", "softplus")
IN_GRAPH = ("twice", "exceeded", "cut", "adversary")  # facts of a loop that the graph tells
ONE_SIDED = ("sigmoid", "softmax", "relu", "relu6")  # they give nothing below 0


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if (name := run.loop.get("probabilities")) in OF_LOGARITHMS:
        evidence = _of_model(loss=name, activation="softmax", activation_name="softmax")
        said = f"In the first step {name} gets the result of a softmax; it expects the logarithms of probabilities."
        yield _finding(run, "no-logarithm", "error", evidence, take_logarithms(run.facts), said)
        return
    try:
        layer = output(run)
    except NotChecked:
        if always_one(run):
            evidence = _of_model(size="1 unit", activation_name="softmax", loss=(run.facts.get("loss") or {}).get("class"))
            yield _finding(run, "one-unit-softmax", "error", evidence, None)
            return
        if (seen_so := no_probabilities(run)) is not None:
            evidence = _of_model(loss=str((run.facts.get("loss") or {}).get("class")), activation_name="no softmax")
            said = f"{seen_so}, and {evidence['loss']} does not apply a softmax."
            yield _finding(run, "missing-softmax", "error", evidence, _as_probabilities(run), said)
            return
        if negative_logarithms(run):
            evidence = _of_model(loss="NLLLoss", activation_name="no activation")
            said = "NLLLoss was below 0. It cannot be below 0 if its inputs are logarithms of probabilities."
            yield _finding(run, "missing-softmax", "error", evidence, None, said)
            return
        if (found := _by_values(run) or _in_graph(run) or _of_several(run)) is not None:
            yield found
            return
        if next(of_several(run), None) is not None:
            return  # each was judged
        raise
    loss = run.facts.get("loss", {})
    if not loss.get("class") or loss.get("custom"):
        if (found := _in_graph(run)) is not None:
            yield found
            return
        raise NotChecked("the loss is custom, or there are several losses", "a single built-in loss")
    units = run.facts["model"].get("output_units")
    known = Output(run, layer, loss_class(run), bool(loss.get("from_logits")), units, str(loss["class"]))
    # in a loop of the user's own, the step may compute more behind the model
    if (found := _mismatched(known) or (_by_values(run) if without_loader(run) else None)) is not None:
        yield found
    elif any(run.loop.get(fact) for fact in IN_GRAPH) and (found := _in_graph(run, known)) is not None:
        yield found  # by operations that belong to no layer, or by a layer that is used in several places
    elif isinstance(known.units, int):
        what = "outputs of {layer} with {activation_name}, for {loss}".format(**_evidence(known))
        run.measured(what, known.units)


def _by_values(run: TrainingRun) -> Finding | None:
    if not are_probabilities(run):
        return None
    evidence = _of_model(loss=str(run.facts["loss"]["class"]), activation="softmax", activation_name="softmax")
    said = f"The outputs of each example add up to 1, and {evidence['loss']} takes a softmax of them."
    return _finding(run, "twice", "warning", evidence, None, said)


def _mismatched(known: Output) -> Finding | None:
    mismatch = next((mismatch for mismatch in MISMATCHES if mismatch.applies(known)), None)
    if mismatch is None:
        return None
    evidence = {**_evidence(known), **mismatch.more(known)}
    # the loss of one of several outputs may be written anywhere; the others would lose theirs
    edit = mismatch.edit(known) if known.alone or mismatch.of_the_layer else None
    return _finding(known.run, mismatch.cause, mismatch.severity, evidence, edit, sure=mismatch.confidence)


def _of_several(run: TrainingRun) -> Finding | None:
    """The worst of what is found at one of several outputs."""
    found = [one for known in of_several(run) if (one := _mismatched(known)) is not None]
    return min(found, key=lambda one: SEVERITIES.index(one.severity), default=None)


def _in_graph(run: TrainingRun, known: Output | None = None) -> Finding | None:
    """What the graph of the first loss and the measured outputs show where the loss is one of the program's own, or a sum; or
    beside a `known` loss that fits the layer that seems to be the last."""
    loop = run.loop
    seen: dict[str, Any] = {"layer": "of the model", "size": "several units", "loss": "one of the program's own"}
    if known is not None:
        seen |= {name: _evidence(known)[name] for name in ("size", "loss")}
    unknown = absent("low", "high", "least", "most")
    if twice := loop.get("twice"):
        evidence = {**seen, "activation": twice[0], "activation_name": twice[0], **unknown}
        said = f"In the graph of the loss, {twice[0]} is applied to the result of {twice[0]}."
        return _finding(run, "twice", "warning", evidence, None, said)
    if len(cut := loop.get("cut") or []) > 1:
        evidence = {**seen, "loss": f"the {cut[1]} behind it", "activation": cut[0], "activation_name": cut[0], **unknown}
        said = f"The outputs are the {cut[1]} of a {cut[0]}. So no probability is near 0, whatever the model learns."
        return _finding(run, "cut-logits", "warning", evidence, None, said)
    for name in loop.get("raw") or []:
        cause, wanted = (
            ("missing-sigmoid", "a sigmoid") if name in ("BCELoss", "log(1 - p)") else ("missing-softmax", "a log-softmax")
        )
        evidence = {**seen, "loss": name, "activation_name": "no activation", **unknown}
        taken = "is taken of" if name.startswith("log") else "gets"
        said = f"In the graph of the first step {name} {taken} the numbers of a linear layer, without {wanted}."
        return _finding(run, cause, "error", evidence, None, said)
    of_generator = (loop.get("adversary") or {}).get("range") or {}
    for part in [*(loop.get("exceeded") or []), of_generator]:
        activation, least, most = (part.get(which) for which in ("activation", "least", "most"))
        if activation in RANGES and least is not None and most is not None and beyond(activation, least, most):
            low, high = RANGES[activation]
            named = {"activation": activation, "activation_name": activation}
            bounds = {"low": number(low), "high": number(high), "least": number(least), "most": number(most)}
            evidence = {**seen, **named, **bounds}
            what = "data that the other network takes for real" if part is of_generator else "targets"
            said = f"In the first step the {what} range from {number(least)} to {number(most)}."
            return _finding(run, "range", "error", evidence, None, said)
    if (layer := never_active(run)) is not None:
        named = {"layer": layer.name, "activation": layer.activation, "activation_name": layer.activation}
        evidence = {**seen, **named, **unknown, "low": "0", "high": number(RANGES[str(layer.activation)][1])}
        said = f"The output layer {layer.name} has {layer.activation}, and soon all outputs were 0. Are targets below 0?"
        return _finding(run, "range", "warning", evidence, None, said)
    return None


def _of_model(**known: Any) -> dict[str, Any]:
    """What is known where the output layer is not."""
    return {"layer": "of the model", "size": "several units", **absent("low", "high", "least", "most"), **known}


def _evidence(known: Output) -> dict[str, Any]:
    return {
        "layer": known.layer.name,
        "activation": known.activation,
        "activation_name": "no activation" if known.activation in LINEAR else known.activation,
        "loss": known.named_loss,
        "units": known.units,
        "size": counted(known.units, "unit") if isinstance(known.units, int) else None,
        **absent("low", "high", "least", "most"),
    }


def _finding(
    run: TrainingRun,
    cause: str,
    severity: Severity,
    evidence: dict[str, Any],
    edit: Edit | None,
    why: str = "",
    sure: Confidence = "likely",
) -> Finding:
    curve = shown_loss(run)
    return Finding(
        severity=severity,
        confidence="certain" if severity == "error" else sure,
        title=TITLES[cause].format(**evidence),
        evidence=evidence,
        **whole_of(curve),
        causes=[Cause(cause.removesuffix("-works"), why or WHY[cause].format(**evidence), "", edit)],
        where=[OUTPUTS],
        brings=None if cause in WITHOUT_BOUND else FINITE_LOSS,
        by_updates=cause != "sigmoid-for-classes",
    )


TITLES = {
    "one-unit-softmax": "Softmax over a single unit is always 1",
    "missing-softmax": "{loss} gets outputs without a softmax",
    "missing-sigmoid": "{loss} gets outputs that are not probabilities",
    "twice-layers": "{activation} is applied twice, by {before} and by {layer}",
    "no-logarithm": "{loss} gets probabilities, not their logarithms",
    "squared-error": "{loss} of {activation} outputs: the model hardly learns",
    "squared-error-works": "{loss} of classes: a cross-entropy may learn faster",
    "one-sided": "{loss} asks for outputs below 0, and {activation} gives none",
    "twice": "{activation} is applied twice: in the model and in the loss",
    "sigmoid-for-classes": "Sigmoid outputs for mutually exclusive classes",
    "cut-logits": "{activation} cuts off the outputs that {loss} takes as logits",
    "one-class": "{loss} of a single output is always 0",
    "range": "The output cannot reach the targets: {activation} gives {low} to {high}",
}
WHY = {
    "one-unit-softmax": "The output layer {layer} has one unit and softmax.",
    "missing-softmax": "{layer} has no softmax, and {loss} does not apply it.",
    "missing-sigmoid": "{layer} has {activation_name}, and {loss} does not apply a sigmoid.",
    "twice-layers": "{before} has {activation}, and {layer} applies it again.",
    "no-logarithm": "{layer} has {activation}; {loss} expects the logarithms of probabilities.",
    "squared-error": "{layer} has {activation}, each target is one class, and a constant answer is hardly worse.",
    "squared-error-works": "{layer} has {activation}, and each target is one class.",
    "one-sided": "{layer} has {activation}. Where the label is not 1, the loss is never below 1.",
    "twice": "{layer} has {activation}, and {loss} takes logits: it applies the activation again.",
    "sigmoid-for-classes": "{layer} applies a sigmoid to each of its units, and the loss is {loss}.",
    "cut-logits": "{layer} has {activation}, and {loss} takes logits, which may be any numbers.",
    "one-class": "{layer} has one unit; {loss} compares several outputs.",
    "range": "The targets range from {least} to {most}.",
}


def _activate(value: str | None) -> Callable[[Output], Edit | None]:
    """An edit of the activation of the output layer."""
    text = None if value is None else f'"{value}"'
    return lambda known: set_in_layers(known.run.facts, [known.layer.path], "activation", text)


def _by_two_layers(known: Output) -> bool:
    before = known.before
    alone = not known.layer.facts.get("kernel")
    return before is not None and alone and known.activation in PROBABLE and before.activation == known.activation


def _one_unit_softmax(known: Output) -> bool:
    return known.activation == "softmax" and known.units == 1


def _one_output_for_classes(known: Output) -> bool:
    return known.categorical and known.units == 1


def _as_probabilities(run: TrainingRun) -> Edit | None:
    """For a model whose last layer is not known: a softmax for the only layer that can be it, else a loss that applies one."""
    units = len(channels(run, "y_pred0", "mean"))
    weighted = [layer for layer in (run.facts.get("model") or {}).get("layers") or [] if layer.get("kernel")]
    fitting = [layer for layer in weighted if (layer.get("settings") or {}).get("units") == units]
    cut = fitting == weighted[-1:] and fitting and fitting[0].get("activation") not in (None, "linear")
    edit = set_in_layers(run.facts, [fitting[0]["path"]], "activation", '"softmax"') if cut else None
    return edit or take_logits(run.facts)


def _probabilities_for_logarithms(known: Output) -> bool:
    return known.takes_logarithms and known.activation == "softmax" and known.above_zero


def _anything_for_logarithms(known: Output) -> bool:
    return known.takes_logarithms and known.activation not in ("softmax", "log_softmax") and known.above_zero


def _sigmoid_as_logits(known: Output) -> bool:
    return known.compares_classes and known.of_torch and known.logits and known.activation == "sigmoid"


def _again_in_the_loss(known: Output) -> bool:
    return (known.compares_classes or known.binary) and known.logits and known.activation in PROBABLE


def _sigmoid_for_classes(known: Output) -> bool:
    return known.compares_classes and not known.logits and known.activation == "sigmoid"


def _cut_logits(known: Output) -> bool:
    return (known.compares_classes or known.binary) and known.logits and known.activation in CUTTING


def _no_softmax(known: Output) -> bool:
    return known.compares_classes and not known.logits and known.activation != "softmax" and not known.gives_probabilities


def _no_sigmoid(known: Output) -> bool:
    bounded = known.activation in (*PROBABLE, "hard_sigmoid")
    return known.binary and not known.logits and not bounded and not known.gives_probabilities


def _squared_error_of_classes(known: Output) -> bool:
    return known.distance and known.activation in PROBABLE and known.one_class_each and known.hardly_better_than_guessing


def _squared_error_that_works(known: Output) -> bool:
    return known.distance and known.activation == "softmax" and known.one_class_each and known.seen_enough


def _one_sided(known: Output) -> bool:
    """A hinge asks for outputs of at least 1 and of at most -1."""
    return known.loss in HINGES and known.activation in ONE_SIDED


def _out_of_range(known: Output) -> bool:
    """These errors can never become small. A class number for several outputs is another fault: `label-range`."""
    return known.distance and known.activation in RANGES and not known.one_number_for_several and known.targets_beyond


def _cross_entropy(known: Output) -> Edit | None:
    """For labels 0 and 1 only: those of -1 and 1 have to be changed, too."""
    if known.targets is None or known.targets[0] < 0:
        return None
    if known.activation == "softmax" and known.one_class_each:
        return set_loss(known.run.facts, "categorical_crossentropy")
    return set_loss(known.run.facts, "binary_crossentropy") if known.activation == "sigmoid" else None


def _before(known: Output) -> dict[str, Any]:
    return {"before": known.before.name if known.before is not None else ""}


def _reach(known: Output) -> dict[str, Any]:
    (lowest, highest), (least, most) = RANGES[str(known.activation)], known.targets or (0.0, 0.0)
    return {"low": number(lowest), "high": number(highest), "least": number(least), "most": number(most)}


def _nothing(known: Output) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Mismatch:
    """One way in which output and loss do not fit: when it applies, the fix, and what more the texts tell of it."""

    cause: str
    severity: Severity
    applies: Callable[[Output], bool]
    edit: Callable[[Output], Edit | None]
    confidence: Confidence = "likely"  # of a warning or an info
    more: Callable[[Output], dict[str, Any]] = _nothing
    of_the_layer: bool = False  # whether the edit changes the output layer alone


# The first one that applies is the finding.
MISMATCHES = (
    Mismatch(
        "twice-layers",
        "warning",
        _by_two_layers,
        lambda o: set_in_layers(o.run.facts, [o.before.path], "activation", None) if o.before is not None else None,
        more=_before,
    ),
    Mismatch("one-unit-softmax", "error", _one_unit_softmax, _activate("sigmoid"), of_the_layer=True),
    Mismatch(
        "one-class",
        "error",
        _one_output_for_classes,
        lambda o: set_loss(o.run.facts, "binary_crossentropy", o.of_torch and o.activation != "sigmoid"),
    ),
    Mismatch("no-logarithm", "error", _probabilities_for_logarithms, _activate("log_softmax")),
    Mismatch(
        "missing-softmax",
        "error",
        _anything_for_logarithms,
        lambda o: set_loss(o.run.facts, "sparse_categorical_crossentropy"),
    ),
    Mismatch("sigmoid-for-classes", "warning", _sigmoid_as_logits, _activate(None)),
    Mismatch("twice", "warning", _again_in_the_loss, lambda o: take_probabilities(o.run.facts, o.layer.path)),
    Mismatch("sigmoid-for-classes", "warning", _sigmoid_for_classes, _activate("softmax"), of_the_layer=True),
    Mismatch("cut-logits", "warning", _cut_logits, _activate(None), of_the_layer=True),
    Mismatch("missing-softmax", "error", _no_softmax, lambda o: _activate("softmax")(o) or take_logits(o.run.facts)),
    Mismatch(
        "missing-sigmoid", "error", _no_sigmoid, lambda o: make_probabilities(o.run.facts, o.layer.path), of_the_layer=True
    ),
    Mismatch("squared-error", "warning", _squared_error_of_classes, _cross_entropy),
    Mismatch("one-sided", "warning", _one_sided, _cross_entropy),
    Mismatch("range", "error", _out_of_range, _activate(None), more=_reach, of_the_layer=True),
    Mismatch("squared-error-works", "info", _squared_error_that_works, _cross_entropy, "possible"),
)


# What these give to the loss is no probability, and all of it may be 0: it divides by that, takes a logarithm, or has no bound.
WITHOUT_BOUND = ("one-class", "missing-softmax", "missing-sigmoid", "sigmoid-for-classes", "cut-logits")
FINITE_LOSS = ("standstill", "unrest", "signal-flow", "preflight-test", "initial-loss", "zero-loss")

HEURISTIC = Heuristic(
    id="output-activation-mismatch",
    group="model",
    title_passed="Output, loss and targets fit together",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=100,
    precedence=40,
    explains=(*FINITE_LOSS, "non-finite"),
)
