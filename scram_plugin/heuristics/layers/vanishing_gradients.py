"""Gradients that shrink in the backward pass, so that almost nothing reaches the first layers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.guessing import BETTER, guessing, variance_of_targets
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    Cause,
    Finding,
    Heuristic,
    Inconclusive,
    NotChecked,
    Option,
    TooEarly,
    by_evidence,
)
from scram_plugin.heuristics.limits import QUARTER
from scram_plugin.heuristics.measured import (
    Layer,
    columns,
    dead_units,
    enough_rows,
    finite_median,
    known_layers,
    levels,
    of_kernels,
)
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

DEPTH, MIN_RATIO = 4, 1e-3  # defaults of the options below, which others ask for; by bench-limits
OPTIONS = (
    Option(
        "least",
        3,
        "number of measured batches that are needed",
        CALIBRATED,
    ),
    Option(
        "depth",
        DEPTH,
        "number of layers with weights that are needed: in fewer, gradients hardly vanish",
        CALIBRATED,
    ),
    Option(
        "min_ratio",
        MIN_RATIO,
        (
            "smallest ratio of the gradient norm of an early layer to the largest one; each layer with sigmoid divides it by "
            "4 or more"
        ),
        f"Hochreiter (1991), Glorot & Bengio (2010); {CALIBRATED}",
    ),
)
BATCHES_OF_TRAINING = 40  # batches whose loss shows whether the training works; by bench-limits
EARLY = 8  # measured batches, or a quarter of them: later, a model that has learned has small gradients; by bench-limits
STANDING_RATIO = 0.01  # of the largest gradient norm: so little is too little where the loss stands still; by bench-limits
SEVERAL, STANDS = 3, 0.98  # layers with sigmoid or tanh, and share of the first loss that is left, at least; by bench-limits
USUAL_WEIGHTS = {"keras": 1 / 3, "torch": 1 / 5}  # of Glorot's size, at least; default of Keras: 1, of PyTorch: 0.4 to 0.6
_ASKING = {"query", "key", "q_proj", "k_proj"}
FALLS = 0.5  # median loss of the last quarter of batches / that of the first: below this, the training works; by bench-limits
SQUASHING = ("sigmoid", "tanh", "softsign", "hard_sigmoid")


def kernel_norms(run: TrainingRun) -> dict[str, Curve]:
    """Path of a kernel -> the norm of its gradient, in the order of the layers.

    At the start, attention weighs all positions alike, and queries and keys hardly matter: their kernels are left out.
    """
    norms = of_kernels(run, columns(run, "gradient", "norm"))
    return {path: curve for path, curve in norms.items() if not _ASKING & set(re.split("[/.]", path))}


def vanishing(run: TrainingRun) -> bool:
    """Whether almost none of the gradient reached the first layer, in the first measured batches."""
    try:
        levels = [level for curve in kernel_norms(run).values() if np.isfinite(level := _early(curve))]
    except NotChecked:  # no gradients were logged
        return False
    return len(levels) >= DEPTH and levels[0] < _least_ratio(run, MIN_RATIO) * max(levels)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    norms = kernel_norms(run)
    enough_rows(norms, int(options["least"]))
    if len(norms) < options["depth"]:
        run.measured("layers with weights", len(norms), above=options["depth"] - 1)
        return
    levels = {path: _early(curve) for path, curve in norms.items()}
    known = {path: level for path, level in levels.items() if np.isfinite(level)}
    if len(known) < options["depth"]:
        raise Inconclusive("the gradients of too many layers are not finite")
    order = list(known)
    largest = max(order, key=lambda path: known[path])
    least_ratio = _least_ratio(run, float(options["min_ratio"]))
    # only layers before the largest one, on the side of the inputs
    small = [p for p in order[: order.index(largest)] if known[p] < least_ratio * known[largest]]
    first = order[0]
    if not small or first not in small or not known[largest]:
        if known[largest]:
            what = f"gradient norm of the first layer, `{_layer(first)}`, as a share of the largest"
            run.measured(what, known[first] / known[largest], below=least_ratio, percent=True, curve=norms[first])
        return
    ratio = known[first] / known[largest]
    curve = norms[first]
    if (left := _left(run)) < FALLS and not _as_a_constant(run):
        run.measured("loss at the end, as a share of that at the start", left, above=FALLS, percent=True)
        return  # with an optimizer that scales each update, small gradients can be enough
    causes = _causes(run)
    if not causes[0].for_ and any(part >= 1.0 for part in dead_units(run).values()):
        return  # a dead layer lets no gradient through; dead-relu reports it
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"Vanishing gradients: almost nothing reaches `{_layer(first)}`",
        evidence={
            "first": f"`{_layer(first)}`",
            "largest": f"`{_layer(largest)}`",
            "first_norm": number(known[first]),
            "largest_norm": number(known[largest]),
            "times": number(1 / ratio) if ratio else None,
            "none": f"The gradient of `{_layer(first)}` is exactly 0." if not ratio else None,
            "layers": len(small),
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[norms[first].source(), norms[largest].source()],
        causes=causes,
        where=[_layer(path) for path in small],
    )


def _least_ratio(run: TrainingRun, usual: float) -> float:
    return max(usual, STANDING_RATIO if _stands_still(run) else 0.0)


def _stands_still(run: TrainingRun) -> bool:
    """Whether the loss stays as it is in a model with several layers whose activation makes gradients smaller."""
    squashing = [layer for layer in known_layers(run)[:-1] if layer.activation in SQUASHING]
    try:
        return len(squashing) >= SEVERAL and _left(run) > STANDS
    except TooEarly:
        return False


def _as_a_constant(run: TrainingRun) -> bool:
    """Whether the loss is at the end that of a constant answer: then it fell since the biases of the last layer learned."""
    loss, guess, variance = run.signal("batch loss"), guessing(run), variance_of_targets(run)
    if loss is None or not (guess or variance):
        return False
    late = levels(loss.finite.values, QUARTER)[1]
    return not guess.is_beaten_by(late) if guess is not None else late > BETTER * float(variance or 0.0)


def _early(curve: Curve) -> float:
    """The median over the first measured batches: later, a model that has learned may have small gradients anywhere."""
    return finite_median(curve.values[: max(EARLY, len(curve) // QUARTER)])


def _left(run: TrainingRun) -> float:
    """The median loss of the last quarter of batches, divided by that of the first. Raises TooEarly while there are few."""
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < BATCHES_OF_TRAINING:
        raise TooEarly(f"it needs the loss of {BATCHES_OF_TRAINING} batches")
    first, last = levels(loss.finite.values, QUARTER)
    return last / first if first else math.inf


def _layer(variable: str) -> str:
    return variable.rpartition("/")[0]


def _causes(run: TrainingRun) -> list[Cause]:
    known = known_layers(run)
    squashing = [layer for layer in known[:-1] if layer.activation in SQUASHING]
    plain = [layer for layer in squashing if layer.kind in ("Dense", "Conv1D", "Conv2D", "Conv3D", "Activation")]
    normalised = any("Normalization" in layer.kind for layer in known)
    activation = Cause("activation")
    if squashing:
        have = f"{counted(len(squashing), 'hidden layer')} {'has' if len(squashing) == 1 else 'have'}"
        said = f"{have} {squashing[0].activation}, whose slope is at most {_slope(squashing)}."
        activation = Cause(
            "activation",
            said,
            "",
            set_in_layers(run.facts, [layer.path for layer in plain], "activation", '"relu"', **he(plain)),
        )
    usual = USUAL_WEIGHTS["torch" if run.framework_of_facts == "torch" else "keras"]
    small = [layer for layer in known if layer.initial_scale is not None and layer.initial_scale < usual]
    weights = Cause("weights")
    if small:
        said = f"The initial weights of `{small[0].path}` are far below the usual size."
        weights = Cause(
            "weights", said, "", set_in_layers(run.facts, [layer.path for layer in small], "kernel_initializer", None)
        )
    depth = Cause("depth", "", "The model already has normalisation layers." if normalised else "")
    return by_evidence([weights, activation, depth])


def he(plain: list[Layer]) -> dict[str, str]:
    """He's initialiser for ReLU in layers with weights: with Glorot's, a deep network's signal vanishes (He et al., 2015)."""
    return {"kernel_initializer": '"he_normal"'} if plain and all(layer.kind != "Activation" for layer in plain) else {}


def _slope(squashing: list[Any]) -> str:
    return "0.25" if "sigmoid" in str(squashing[0].activation) else "1, and much less away from 0"


HEURISTIC = Heuristic(
    id="vanishing-gradients",
    group="layers",
    title_passed="Gradients do not vanish",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of gradients",),
    order=400,
    families=("signal-flow",),
    precedence=210,
    explains=("standstill", "preflight-test", "dead-relu"),
)
