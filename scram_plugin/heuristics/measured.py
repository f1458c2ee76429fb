"""SCRAM's own statistics and facts about layers and data: shared by the heuristics that check them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked, TooEarly
from scram_plugin.heuristics.limits import LATE_BATCHES, TENTH
from scram_plugin.heuristics.names import activation_of, layer_kind, loss_class
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

LINEAR = (None, "linear")
# Layers that do not matter for checks of the layers before and after them.
PASSING = (
    *("Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "InputLayer", "Identity"),
    *("Masking", "ZeroPadding2D", "Cropping2D", "GaussianNoise", "ActivityRegularization", "RepeatVector"),
)
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D")
FAR = 0.1  # of the first loss: a training that fell below that is not harmed by its updates; by definition
DEAD_ROWS = 3  # measured batches without activity after which a unit counts as dead; by bench-limits
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")
_UNIFORM = 3.0  # the variance of a uniform distribution from -a to a is a² / 3; by definition
_OF_TORCH = re.compile(r"(weight|weight_[ih]h_l\d+(_reverse)?|in_proj_weight)$")


@dataclass(frozen=True)
class Layer:
    """One layer of the model, from the facts."""

    path: str
    kind: str
    activation: str | None
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"`{self.path}`"

    @property
    def initial_spread(self) -> float | None:
        """The root mean square of the initial weights; None if it is unknown or follows from the layer's size. Infinite where a
        measured one was too large for a number."""
        initializer = self.facts.get("initializer") or {}
        kind = initializer.get("class")
        given = {"Zeros": 0.0, "Ones": 1.0, "Constant": abs(initializer.get("value") or 0.0)}.get(str(kind))
        if kind in ("RandomNormal", "TruncatedNormal", "Measured"):
            given = initializer.get("stddev", math.inf if kind == "Measured" else None)
        elif kind == "RandomUniform":
            given = max(abs(initializer.get("maxval", 0.0)), abs(initializer.get("minval", 0.0))) / math.sqrt(_UNIFORM)
        return None if given is None else float(given)

    @property
    def initial_scale(self) -> float | None:
        """The spread of the initial weights, as a multiple of the usual one; None if unknown.

        Usual is what lies between Glorot's and He's initialisers, which differ where a layer has far more outputs than inputs
        (Glorot & Bengio, 2010; He et al., 2015): it counts as 1, and so do initialisers that scale with the size of the layer.
        """
        kernel, given = self.facts.get("kernel") or [], self.initial_spread
        if len(kernel) < 2 or (self.facts.get("initializer") or {}).get("class") is None:
            return None
        if given is None:
            return 1.0
        area = math.prod(kernel[:-2])
        usual = [math.sqrt(2.0 / (area * size)) for size in (kernel[-2] + kernel[-1], kernel[-2])]
        if min(usual) <= given <= max(usual):
            return 1.0
        return given / (max(usual) if given > max(usual) else min(usual))


def layers(run: TrainingRun) -> list[Layer]:
    """All layers, also those of nested models, in the order in which data flow. Raises NotChecked if no model is known."""
    model = run.facts.get("model")
    if not model or not model.get("layers"):
        raise NotChecked("the layers of the model are not known", HOW)
    return list(_flat(model["layers"]))


def _flat(entries: list[Mapping[str, Any]]) -> Iterator[Layer]:
    for entry in entries:
        if entry.get("layers"):
            yield from _flat(entry["layers"])
        else:
            path = str(entry.get("path") or entry.get("name"))
            yield Layer(path, layer_kind(entry.get("class")), activation_of(entry), entry)


def heads(known: list[Layer]) -> set[str]:
    """Paths of the last layers with weights: no other layer with weights comes after them."""
    by_path = {layer.path: layer for layer in known}

    def sources(path: str) -> list[str]:
        named = by_path[path].facts.get("from") or [] if path in by_path else []
        within = path.rpartition("/")[0]  # where the layers of a part of the model are named
        return [inner if (inner := f"{within}/{name}") in by_path else name for name in named]

    weighted = [layer.path for layer in known if layer.facts.get("kernel")]
    before, waiting = set[str](), [source for path in weighted for source in sources(path)]
    while waiting:
        if (path := waiting.pop()) not in before:
            before.add(path)
            waiting += sources(path)
    return set(weighted) - before if before else set(weighted[-1:])


def known_layers(run: TrainingRun) -> list[Layer]:
    """Like `layers`, but an empty list if no model is known."""
    return layers(run) if (run.facts.get("model") or {}).get("layers") else []


def without_loader(run: TrainingRun) -> bool:
    """Whether a program makes its own batches: then it is unknown whether one of them holds all the data."""
    fit, framework = run.facts.get("fit") or {}, run.framework_of_facts
    return "steps" not in fit and (framework == "torch" or (framework == "keras" and bool(fit)))


def called_once(run: TrainingRun) -> None:
    """Raises Inconclusive if a step calls the model several times: only the inputs of the last call are recorded."""
    if ((run.facts.get("model") or {}).get("calls") or 1) > 1:
        raise Inconclusive("a step calls the model several times, and only the inputs of one call are recorded")


def shown_loss(run: TrainingRun) -> Curve:
    """The loss to show with a finding about the model: of batches, or else of epochs. Raises NotChecked without one.

    A program that failed in its loss function has none: then the outputs are shown.
    """
    curve = run.signal("batch loss") or run.signal("training loss") or run.statistic(schema.BATCHES, "y_pred0/mean")
    if curve is None:
        raise NotChecked("no training loss was logged", HOW)
    return curve


def whole_of(curve: Curve) -> dict[str, Any]:
    """The fields of a `Finding` that spans a whole curve: its steps, axis and name."""
    return {
        "first_step": int(curve.steps[0]),
        "last_step": int(curve.steps[-1]),
        "axis": curve.axis,
        "curves": [curve.source()],
    }


def of_loop(run: TrainingRun, key: str, of_keras: str, of_others: str) -> Mapping[str, Any]:
    """What was seen of the training loop. Raises NotChecked where `key` is not known of it, with one of the two reasons."""
    if key in run.loop:
        return run.loop
    if run.framework_of_facts == "keras":
        raise NotChecked(of_keras, "a loop of your own in scram_plugin.watch")
    raise NotChecked(of_others, HOW)


def output(run: TrainingRun) -> Layer:
    """The layer that gives the model's output its activation.

    Raises NotChecked if it is unknown: several outputs, a subclassed model, a custom last layer.
    """
    known = layers(run)
    model = run.facts["model"]
    if len(model.get("outputs") or []) > 1 or model.get("kind") == "subclass":
        raise NotChecked("the output layer of a model of this kind is not known", "a Sequential or functional model")
    last = [layer for layer in known if layer.kind not in PASSING]
    if not last or last[-1].facts.get("custom") or last[-1].kind == "Lambda":
        raise NotChecked("the last layer is a custom one, so its activation is not known", "a Keras layer as the last one")
    return last[-1]


def columns(run: TrainingRun, kind: str, statistic: str) -> dict[str, Curve]:
    """``layer``, ``gradient``, ``weight`` or ``update``: path -> the curve of one statistic, in the order of the columns.

    Empty if no layer has it (for example `dead` without a ReLU). Raises NotChecked if nothing of the kind was logged.
    """
    found, logged = {}, False
    for name, parsed in run.parsed(schema.STATISTICS).items():
        if parsed.kind != kind:
            continue
        logged = True
        if parsed.path is not None and parsed.statistic == statistic:
            curve = run.statistic(schema.STATISTICS, name)
            if curve is not None:
                found[parsed.path] = curve
    if not logged:
        what = "of layers" if kind == "layer" else "of gradients and weights"
        raise NotChecked(f"no statistics {what} were logged", HOW)
    return found


def of_kernels(run: TrainingRun, curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Of curves by variable those of kernels, which multiply inputs: no bias, no scale of a normalisation, no embedding."""
    if run.framework_of_facts != "torch":
        return {path: curve for path, curve in curves.items() if path.rpartition("/")[2] in KERNELS}
    others = {layer.path for layer in known_layers(run) if not layer.facts.get("kernel") and layer.kind not in RECURRENT}
    parts = ((path, *path.rpartition("/")[::2]) for path in curves)
    return {path: curves[path] for path, owner, name in parts if _OF_TORCH.match(name) and owner not in others}


def kernel_of(run: TrainingRun, layer: Layer) -> str:
    """The path of the variable that a layer multiplies its inputs with, or that it looks up."""
    of_keras = "embeddings" if layer.kind == "Embedding" else "kernel"
    return f"{layer.path}/{'weight' if run.framework_of_facts == 'torch' else of_keras}"


def fell_far(run: TrainingRun, share: float = FAR) -> bool:
    """Whether the loss of a batch fell to this share of the first ones or lower: large updates did no harm then."""
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < 2 * TENTH:
        return False
    first, last = levels(loss.finite.values, TENTH)
    return last <= share * first


def step_ratios(run: TrainingRun) -> dict[str, Curve]:
    """Path of a kernel -> its update norm divided by its weight norm, in each measured step; named after the update norm.

    Embeddings are left out: a step changes only those of their rows that the batch uses.
    """
    updates, weights = of_kernels(run, columns(run, "update", "norm")), columns(run, "weight", "norm")
    found = {}
    for path, update in updates.items():
        weight = weights.get(path)
        if weight is not None and len(weight) == len(update):
            with np.errstate(divide="ignore", invalid="ignore"):
                found[path] = replace(update, values=update.values / weight.values)
    return found


def steps_of_kernels(run: TrainingRun) -> Curve | None:
    """The median over all kernels of update norm divided by weight norm; named after the first kernel."""
    ratios = list(step_ratios(run).values())
    if not ratios:
        return None
    length = min(map(len, ratios))
    values = np.stack([np.nan_to_num(curve.values[:length], nan=np.inf) for curve in ratios])
    first = ratios[0]
    return replace(first, steps=first.steps[:length], wall_times=first.wall_times[:length], values=np.median(values, axis=0))


def chooses_class(run: TrainingRun) -> bool:
    """Whether the outputs choose one of several classes, by the loss: not if each is a number or a label of its own."""
    loss, units = loss_class(run), run.facts.get("model", {}).get("output_units")
    return "Categorical" in loss or (units == 1 and ("Crossentropy" in loss or "Hinge" in loss))


def is_mean(run: TrainingRun) -> bool:
    """Whether the loss is the mean over the examples and nothing else: otherwise its size alone means nothing."""
    weighted = (run.facts.get("fit") or {}).get("weighted")
    return (run.facts.get("loss") or {}).get("mean") is not False and not weighted


def class_counts(run: TrainingRun, tensor: str, part: float = 1.0) -> np.ndarray | None:
    """How many examples are labelled ("y0") or predicted ("y_pred0") as each class, in the last `part` of the measured batches.

    None if they were not counted, or the model does not choose a class.
    """
    if not chooses_class(run):
        return None
    counts: list[float] = []
    while (curve := run.statistic(schema.STATISTICS, column(tensor, None, "count", str(len(counts))))) is not None:
        values = np.nan_to_num(curve.values)
        counts.append(float(values[-max(int(np.ceil(len(values) * part)), 1) :].sum()))
    return np.array(counts) if counts else None


def inputs_of(run: TrainingRun) -> list[str]:
    """The names of the inputs that were measured: "x0", "x1"."""
    return sorted({column.kind for column in run.parsed(schema.STATISTICS).values() if column.kind.startswith("x")})


def channels(run: TrainingRun, tensor: str, statistic: str) -> dict[int, Curve]:
    """Channel -> one statistic of it; empty for a tensor whose channels were not measured one by one."""
    found = {}
    for name, parsed in run.parsed(schema.STATISTICS).items():
        if (parsed.kind, parsed.statistic) == (tensor, statistic) and parsed.part is not None and parsed.part.isdigit():
            curve = run.statistic(schema.STATISTICS, name)
            if curve is not None:
                found[int(parsed.part)] = curve
    return found


def sums(run: TrainingRun, tensor: str) -> np.ndarray | None:
    """The sum of the targets ("y0") or outputs ("y_pred0") of an example, averaged over each measured batch.

    None if they are single numbers, or too many to be recorded one by one.
    """
    means = [curve.values for curve in channels(run, tensor, "mean").values()]
    return np.sum(means, axis=0) if means else None


def dead_units(run: TrainingRun) -> dict[str, float]:
    """Path of a layer with ReLU -> the share of its units that were never active in the last measured batches.

    Empty if that was not measured, or in too few batches.
    """
    try:
        return {
            path: late(curve, LATE_BATCHES) for path, curve in columns(run, "layer", "dead").items() if len(curve) >= DEAD_ROWS
        }
    except NotChecked:
        return {}


def enough_rows(curves: Mapping[str, Curve], least: int, batches: int = 0) -> None:
    """Raises TooEarly if fewer than `least` batches were measured, or if they span fewer than `batches` batches."""
    rows = max((len(curve) for curve in curves.values()), default=0)
    if rows < least:
        raise TooEarly(f"it needs {least} measured batches, there are {rows}")
    span = max(int(curve.steps[-1] - curve.steps[0]) for curve in curves.values() if len(curve))
    if span < batches:
        raise TooEarly(f"it needs measured batches that span {batches:,} batches, these span {span:,}")


def levels(values: np.ndarray, parts: int, least: int = 1) -> tuple[float, float]:
    """The medians of the first and of the last of so many parts of a loss of batches, of at least `least` values each."""
    count = max(len(values) // parts, least)
    return float(np.median(values[:count])), float(np.median(values[-count:]))


def late(curve: Curve, part: float = 0.5) -> float:
    """The median of the finite values in the last `part` of a curve; NaN if there is none."""
    return finite_median(curve.values[-max(int(np.ceil(len(curve) * part)), 1) :])


def finite_median(values: np.ndarray) -> float:
    """The median of those that are finite; NaN if none is."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def listed(names: list[str], most: int = 3) -> str:
    """Names as a list in a sentence; only the first ones if there are many."""
    shown, more = names[:most], len(names) - most
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
