"""Initial weights that are all the same, or of a size at which the signal explodes or vanishes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, NotChecked, Option
from scram_plugin.heuristics.measured import LINEAR, Layer, columns, dead_units, heads, layers, listed, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, one_line
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "large",
        5.0,
        "largest size of the weights, as a multiple of the usual one (Glorot, He)",
        f"Glorot & Bengio (2010); {CALIBRATED}",
    ),
    Option(
        "small",
        0.05,
        (
            "smallest size of the weights, as a multiple of the usual one (Glorot, He); not for a last layer, where "
            "small weights let a model start with neutral outputs"
        ),
        f"Glorot & Bengio (2010), Andrychowicz et al. (2020); {CALIBRATED}",
    ),
)


MEASURED_BATCHES = 5  # with gradients of 0: fewer may be an accident of their data; by definition
NO_GROWTH = (  # what weights of the usual size, or smaller ones, can bring about
    *("standstill", "preflight-test", "dead-relu", "saturated-activations", "vanishing-gradients", "vanishing-grad-norm"),
    "update-ratio",
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    present = layers(run)
    stuck = _stay_zero(run) if any(layer.facts.get("custom") for layer in present) else {}
    known = [layer for layer in present if layer.initial_scale is not None and layer.facts.get("trainable", True)]
    if not stuck and not any((layer.facts.get("initializer") or {}) for layer in known):
        raise NotChecked("it is not known how the weights were initialised", HOW)
    curve = shown_loss(run)
    last = heads(present)
    of_kind = {layer.path for layer in known if _same(layer, last, _is_followed(run, layer, present))}
    same = [layer for layer in present if layer.path in of_kind or layer.path in stuck]
    large = [layer for layer in known if layer not in same and (layer.initial_scale or 0.0) > options["large"]]
    inner = [layer for layer in known if layer not in same and layer.path not in last and _is_read_alone(layer, present)]
    small = [layer for layer in inner if 0.0 < (layer.initial_scale or 0.0) < options["small"]]
    what = "size of the initial weights of {}, as a multiple of the usual one"
    for layer in known:
        run.measured(what.format(layer.name), layer.initial_scale or 0.0, above=options["large"])
    for layer in inner:
        run.measured(what.format(layer.name), layer.initial_scale or 0.0, below=options["small"])
    units = dead_units(run)
    for cause, found in (("same", same), ("large", large), ("small", small)):
        if not found:
            continue
        names = listed([layer.name for layer in found])
        first = found[0]
        scale = first.initial_scale or 0.0
        dead = [layer.name for layer in found if units.get(layer.path, 0.0) >= 1.0]
        yield Finding(
            severity="warning",
            confidence="likely",
            title={
                "same": f"All initial weights of {names} are the same",
                "large": f"The initial weights of {names} are {_size(scale)}",
                "small": f"The initial weights of {names} are {number(1 / scale) if scale else ''} times smaller than usual",
            }[cause],
            evidence={
                "layers": names,
                "initializer": _maker(first),
                "scale": number(scale) if cause != "same" and math.isfinite(scale) else None,
                "dead": listed(dead) if dead else None,
            },
            **whole_of(curve),
            causes=[
                Cause(
                    cause,
                    _told(first) if first.facts.get("initializer") else stuck.get(first.path, ""),
                    "",
                    set_in_layers(run.facts, [layer.path for layer in found], "kernel_initializer", None),
                )
            ],
            where=[layer.path for layer in found],
            brings=None if (times := math.prod(layer.initial_scale or 1.0 for layer in found)) > 1.0 else NO_GROWTH,
            times=times,
        )


def _stay_zero(run: TrainingRun) -> dict[str, str]:
    """Path of a layer -> a sentence, if its weights are 0 in each measured batch, and so are their gradients: zeros between
    zeros, which no step changes. Elsewhere zeros are a way to begin, as in an adapter (Hu et al., 2022)."""
    try:
        weights, gradients = columns(run, "weight", "norm"), columns(run, "gradient", "norm")
    except (NotChecked, Inconclusive):
        return {}
    found = dict[str, str]()
    for variable, curve in weights.items():
        path, _, name = variable.rpartition("/")
        gradient = gradients.get(variable)
        if "bias" in name or gradient is None or len(gradient) < MEASURED_BATCHES:
            continue
        if not curve.values.any() and not gradient.values.any():
            said = f"In {len(curve)} measured batches all values of {one_line(variable)} were 0, and so were its gradients."
            found.setdefault(path, said)
    return found


def _is_read_alone(layer: Layer, present: list[Layer]) -> bool:
    """Whether another layer with weights reads this one's output and nothing else. At the end of a branch, which is added to or
    multiplied with something, small weights are intended, as zeros are (Goyal et al., 2017; Dinh et al., 2017)."""
    if not any(other.facts.get("from") for other in present):
        return True  # one after the other
    readers = {tuple(other.facts.get("from") or []): other for other in present if other.kind != "operations"}
    at: Layer | None = layer
    for _ in present:
        at = readers.get((at.path.rpartition("/")[2],)) if at is not None else None
        if at is not None and at.facts.get("kernel"):
            return True
    return False


def _is_followed(run: TrainingRun, layer: Layer, present: list[Layer]) -> bool:
    """Whether it is sure that the next layer reads this one's output and nothing else: elsewhere zeros may begin a branch, as
    the last layers of coupling nets do (Dinh et al., 2017)."""
    return run.facts.get("model", {}).get("kind") == "sequential" and _is_read_alone(layer, present)


def _same(layer: Layer, last: set[str], followed: bool) -> bool:
    """Zeros, ones or a constant in a layer of several units.

    Zeros are intended at the end of a model or of a residual branch (Goyal et al., 2017): the first outputs are then all the
    same, but the gradients of the units differ. The activation of a layer may be a layer of its own, which follows.
    """
    kind = (layer.facts.get("initializer") or {}).get("class")
    kernel = layer.facts.get("kernel") or [1]
    if kind == "Zeros" and (layer.path in last or (layer.activation in LINEAR and not followed)):
        return False
    return kind in ("Zeros", "Ones", "Constant") and kernel[-1] > 1


def _size(scale: float) -> str:
    return f"{number(scale)} times the usual size" if math.isfinite(scale) else "too large for 32-bit numbers"


def _maker(layer: Layer) -> str:
    kind = str((layer.facts.get("initializer") or {}).get("class"))
    return "an unknown initialiser" if kind in ("Measured", "None") else kind


def _told(layer: Layer) -> str:
    initializer = dict(layer.facts.get("initializer") or {})
    kind = initializer.pop("class", "unknown")
    if kind == "Measured" and "stddev" not in initializer:
        return f"The root mean square of the initial weights of {layer.name} is too large for a 32-bit number."
    if kind == "Measured":
        return f"The root mean square of the initial weights of {layer.name} is {number(initializer['stddev'])}."
    settings = ", ".join(f"{k}={v}" for k, v in initializer.items() if k in ("stddev", "minval", "maxval", "value"))
    return f"The initialiser of {layer.name} is {kind}({settings})."


HEURISTIC = Heuristic(
    id="poor-initialization",
    group="model",
    title_passed="Initial weights are random and of a usual size",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model",),
    order=120,
    precedence=80,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "preflight-test", "half-precision", "initial-loss"),
)
