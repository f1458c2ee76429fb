"""Why numbers in a hidden layer become too large: the causes that two checks of values that are not finite share."""

from __future__ import annotations

import math

from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.graph import upstream
from scram_plugin.heuristics.heuristic import Cause
from scram_plugin.heuristics.measured import LINEAR, Layer, known_layers, listed
from scram_plugin.heuristics.origin import Origin
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

BEFORE = "It appeared before the optimizer had taken a step."
EXPONENTIAL = ("exponential", "exp")
LARGE_START = 5.0  # times the usual size of initial weights, as the option of poor-initialization; by bench-limits
LARGEST_EXPONENT, LARGEST_EXPONENT_OF_HALF = 88.7, 11.1  # whose exponential is a number: ln 3.4e38 and ln 65,504 (IEEE 754)


def is_half(run: TrainingRun) -> bool:
    """Whether the model computes in float16."""
    policy = str(run.facts.get("dtype_policy", ""))
    return "float16" in policy and "bfloat16" not in policy


def before(run: TrainingRun, origin: Origin) -> list[Layer]:
    """The layers in which the first value that is not finite appeared, and those that they depend on."""
    entries = (run.facts.get("model") or {}).get("layers") or []
    paths = set().union(*(upstream(entries, path) for path in origin.where))
    return [layer for layer in known_layers(run) if layer.path in paths]


def exponential(present: list[Layer]) -> list[Layer]:
    return [layer for layer in present if layer.activation in EXPONENTIAL or layer.kind.lower() in EXPONENTIAL]


def of_layer(run: TrainingRun, origin: Origin) -> list[Cause]:
    """The causes "weights" and "activation", with what speaks for and against each, of a value that appeared in a layer with
    weights or with an exponential; empty for another place, or for a layer of the user's own."""
    if origin.kind not in ("initial", "layer"):
        return []
    born = [layer for layer in known_layers(run) if layer.path in origin.where]
    if not any((layer.facts.get("kernel") and not layer.facts.get("custom")) or exponential([layer]) for layer in born):
        return []
    return [_weights(run, origin), _activation(run, origin, born[-1])]


def _weights(run: TrainingRun, origin: Origin) -> Cause:
    """Initial weights that are far too large, where no update can have made the values so."""
    if not origin.before_updates:
        return Cause("weights", "", f"With the initial weights all values were finite, up to batch {origin.step}.")
    present = before(run, origin)
    large = [layer for layer in present if (layer.initial_scale or 0.0) > LARGE_START]
    if not large:
        known = any(layer.initial_scale is not None for layer in present)
        return Cause("weights", "", "The initial weights up to there have the usual size." if known else "")
    scale = max(layer.initial_scale or 0.0 for layer in large)
    names, whose = listed([layer.name for layer in large]), "up to " if len(large) > 1 else ""
    size = "too large for 32-bit numbers" if math.isinf(scale) else f"{whose}{number(scale)} times the usual size"
    edit = set_in_layers(run.facts, [layer.path for layer in large], "kernel_initializer", None)
    return Cause("weights", f"The initial weights of {names} are {size}. {BEFORE}", "", edit)


def _activation(run: TrainingRun, origin: Origin, born: Layer) -> Cause:
    """An exponential as activation, in this layer or before it."""
    steep = exponential(before(run, origin))
    if not steep:
        given = born.activation if born.activation not in LINEAR else None
        return Cause("activation", "", f"{born.name} has {given}, which does not grow like an exponential." if given else "")
    most = LARGEST_EXPONENT_OF_HALF if is_half(run) else LARGEST_EXPONENT
    have = f"{listed([layer.name for layer in steep])} {'has' if len(steep) == 1 else 'have'} an exponential as activation"
    edit = set_in_layers(run.facts, [layer.path for layer in steep], "activation", '"relu"')
    return Cause("activation", f"{have}, which is infinite for numbers above {number(most)}.", "", edit)
