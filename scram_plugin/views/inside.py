"""The inside of a model during its training: its layers, their statistics as layers x steps, and the data in numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

import numpy as np
from msgspec import Meta

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import NotChecked
from scram_plugin.heuristics.measured import class_counts, columns, known_layers, step_ratios
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.as_json import labelled
from scram_plugin.reviews.model import Reviewed
from scram_plugin.reviews.pictures import tensor_name
from scram_plugin.reviews.plain import plain
from scram_plugin.views.facts_in_words import layer_in_words
from scram_plugin.wire import LabelledCurveJson, WireNumber

MOST_COLUMNS = 120  # columns of a map, each a span of steps: about as many as a screen can show
MOST_ROWS = 400  # layers or variables in a map
LATE = 0.3  # classes are counted in this last share of the measured batches, as in the heuristics
MOST_CLASSES = 100
Scale = Literal["log", "part"]


@dataclass(frozen=True)
class Quantity:
    """One statistic of all layers (or of their variables). `scale` is "log" for sizes, "part" for shares of units."""

    id: str
    title: str
    help: str
    scale: Scale
    curves: Callable[[TrainingRun], Mapping[str, Curve]]


class LayerJson(TypedDict):
    path: str
    text: str
    findings: Annotated[list[str], Meta(description="The heuristics whose findings name it.")]


class QuantityJson(TypedDict):
    id: str
    title: str
    help: str
    scale: Scale


class TensorJson(TypedDict):
    id: str
    name: str
    curves: list[LabelledCurveJson]


class ClassesJson(TypedDict):
    """Fractions of the examples in the last measured batches."""

    labelled: list[float]
    predicted: list[float]


class InsideJson(TypedDict):
    """`inside?run=`: what goes on inside the model."""

    layers: list[LayerJson]
    quantities: list[QuantityJson]
    tensors: list[TensorJson]
    classes: ClassesJson | None


class MapRowJson(TypedDict):
    name: str
    values: list[WireNumber | None]
    curves: list[LabelledCurveJson]
    findings: list[str]


class LayerMapJson(TypedDict):
    """`layer_map?run=&quantity=`"""

    steps: Annotated[list[int], Meta(description="The first step of each column.")]
    rows: list[MapRowJson]
    left_out: int


def _column(kind: str, statistic: str) -> Callable[[TrainingRun], Mapping[str, Curve]]:
    return lambda run: columns(run, kind, statistic)


QUANTITIES = (
    Quantity(
        "gradients",
        "Gradients",
        "The gradient norm of each variable. Where rows fade towards the input, gradients vanish in the backward pass.",
        "log",
        _column("gradient", "norm"),
    ),
    Quantity(
        "steps",
        "Updates",
        "The update norm of each kernel divided by its weight norm. About 0.001 is usual. Far above that, the training is "
        "unstable; far below, the weights hardly change.",
        "log",
        step_ratios,
    ),
    Quantity(
        "dead",
        "Dead units",
        "The share of a layer's ReLU units that were active for no example of the last measured batches. They no longer learn.",
        "part",
        _column("layer", "dead"),
    ),
    Quantity(
        "saturated",
        "Saturation",
        "The share of tanh and sigmoid outputs that are within 3 % of a bound, where the slope is nearly 0.",
        "part",
        _column("layer", "saturated"),
    ),
    Quantity(
        "spread",
        "Spread of outputs",
        "The standard deviation of each layer's outputs. It should neither vanish nor explode from layer to layer.",
        "log",
        _column("layer", "std"),
    ),
    Quantity("weights", "Weights", "The weight norm of each variable.", "log", _column("weight", "norm")),
)
SHOWN = ("max", "mean", "min")  # of a tensor, from the top of a chart to its bottom


def inside(reviewed: Reviewed) -> InsideJson:
    """The layers of the model, each with the findings that name it; the available maps (see `layer_map`); curves of inputs,
    targets and outputs; how often each class is labelled and predicted in the last measured batches."""
    run, named = reviewed.run, _named(reviewed)
    shown: InsideJson = {
        "layers": [
            {
                "path": layer.path,
                "text": layer_in_words(layer.facts),
                "findings": _about(layer.path, named),
            }
            for layer in known_layers(run)
        ],
        "quantities": [{"id": q.id, "title": q.title, "help": q.help, "scale": q.scale} for q in QUANTITIES if _curves(run, q)],
        "tensors": list(_tensors(run)),
        "classes": _classes(run),
    }
    return plain(shown)


def layer_map(reviewed: Reviewed, quantity: str) -> LayerMapJson | None:
    """One statistic of all layers over the steps; None for an unknown quantity.

    `steps` holds the first step of each column; a value is the largest of its column, or NaN if one was not finite, so that no
    outlier is lost.
    """
    wanted = next((q for q in QUANTITIES if q.id == quantity), None)
    if wanted is None:
        return None
    curves = _curves(reviewed.run, wanted)
    drawn = dict(itertools.islice(curves.items(), MOST_ROWS))
    steps = np.unique(np.concatenate([np.zeros(0, np.int64), *(curve.steps for curve in drawn.values())]))
    edges = np.unique(np.linspace(0, len(steps), min(len(steps), MOST_COLUMNS) + 1).astype(int))
    starts = steps[edges[:-1]]
    rows: list[MapRowJson] = []
    named = _named(reviewed)
    for name, curve in drawn.items():
        rows.append(
            {
                "name": name,
                "values": [_short(value) for value in _largest(curve, starts)],
                "curves": _behind(curve),
                "findings": _about(name, named),
            }
        )
    shown: LayerMapJson = {"steps": starts.tolist(), "rows": rows, "left_out": max(len(curves) - MOST_ROWS, 0)}
    return plain(shown)


def _curves(run: TrainingRun, quantity: Quantity) -> Mapping[str, Curve]:
    try:
        return quantity.curves(run)
    except NotChecked:
        return {}


def _largest(curve: Curve, starts: np.ndarray) -> Iterable[float | None]:
    """The largest value from each start up to the next; None if there is none."""
    at = [*np.searchsorted(curve.steps, starts), len(curve)]
    for first, last in itertools.pairwise(at):
        yield float(np.max(curve.values[first:last])) if last > first else None  # of numbers and NaN: NaN


def _short(value: float | None) -> float | None:
    """Three digits are more than colours can show, and keep a map of 400 rows small."""
    return None if value is None else float(f"{value:.3g}")


def _behind(curve: Curve) -> list[LabelledCurveJson]:
    """The logged curves that the row is computed from."""
    names, column = [curve.source()], schema.parse_tag(curve.tag)
    if column is not None and column.kind == schema.UPDATE:  # of a ratio of update and weight
        weight = str(column._replace(kind=schema.WEIGHT))
        names.append(CurveName(curve.tensorboard_run, schema.column_tag(schema.STATISTICS, weight)))
    return labelled(names)


def _named(reviewed: Reviewed) -> list[tuple[str, set[str]]]:
    """The heuristic of each finding, with the layers and variables that its text or its curves name."""
    found = []
    for finding in reviewed.review.findings:
        texts = [finding.title, *(str(value) for value in finding.evidence.values())]
        names = {name for text in texts for name in re.findall(r"`([^`]+)`", text)}
        for curve in finding.curves:
            column = schema.parse_tag(curve.tag)
            names |= {column.path} if column is not None and column.path is not None else set()
        found.append((finding.heuristic, names))
    return found


def _about(path: str, named: Iterable[tuple[str, set[str]]]) -> list[str]:
    """The heuristics of the findings that name a layer or variable."""
    return [id_ for id_, names in named if any(name == path or name.startswith(f"{path}/") for name in names)]


def _tensors(run: TrainingRun) -> Iterable[TensorJson]:
    means = [column for column in run.parsed(schema.STATISTICS).values() if column.statistic == "mean"]
    for name in dict.fromkeys(column.kind for column in means):
        in_words = tensor_name(name)
        if in_words is None:
            continue
        curves = [run.statistic(schema.STATISTICS, schema.column(name, None, statistic)) for statistic in SHOWN]
        yield {
            "id": name,
            "name": in_words,
            "curves": [
                {"tensorboard_run": curve.tensorboard_run, "tag": curve.tag, "label": statistic}
                for statistic, curve in zip(SHOWN, curves, strict=True)
                if curve is not None
            ],
        }


def _classes(run: TrainingRun) -> ClassesJson | None:
    """{"labelled": [...], "predicted": [...]}: shares of the examples; None if classes were not counted or are too many."""
    counts = class_counts(run, "y0", LATE), class_counts(run, "y_pred0", LATE)
    if any(count is None or count.sum() == 0 or len(count) > MOST_CLASSES for count in counts):
        return None
    labelled, predicted = (count / count.sum() for count in counts if count is not None)
    return {"labelled": labelled.tolist(), "predicted": predicted.tolist()}
