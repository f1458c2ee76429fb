"""Inputs on a scale that the first layer cannot work with: raw bytes, or features of very different scales."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import normalize_features, rescale_inputs
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    INPUTS,
    STRICT,
    Cause,
    Finding,
    Heuristic,
    Inconclusive,
    NotChecked,
    Option,
    absent,
)
from scram_plugin.heuristics.limits import BRIGHT, BYTE
from scram_plugin.heuristics.measured import channels, inputs_of, known_layers
from scram_plugin.heuristics.names import layer_kind
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

OPTIONS = (
    STRICT,
    Option(
        "max_scale",
        10.0,
        "largest root mean square of an input, or of its widest channel, in multiples of the 1.0 of standardised data",
        (f"LeCun et al. (1998, section 4.3) and Glorot & Bengio (2010): initialisers assume a scale of 1; {CALIBRATED}"),
    ),
    Option(
        "max_ratio",
        100.0,
        "largest ratio of the standard deviations of two channels; the condition number of the loss grows with its square",
        f"LeCun et al. (1998, section 4.3); {CALIBRATED}",
    ),
)

# Layers that do not depend on the scale or only move values; they are skipped to find the first layer that counts.
_TRANSPARENT = {
    *("InputLayer", "Reshape", "Flatten", "Permute", "Resizing", "CenterCrop", "ZeroPadding2D", "Cropping2D", "Masking"),
    *("Cast", "Identity"),
}
_NORMALISES = {
    *("Rescaling", "Normalization", "BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
    # arithmetic on the inputs in a functional model: a division, or a `preprocess_input`
    *("TrueDivide", "Divide", "Subtract", "Multiply", "Add", "GetItem", "Stack", "Flip"),
}
_TOKENS = {"Embedding", "StringLookup", "IntegerLookup", "TextVectorization", "CategoryEncoding", "Hashing", "Discretization"}

OF_A_TABLE = 2  # axes: examples and features; by definition
SMALL_IMAGE = 64  # features: as many may be an image of 8 times 8 points, flattened; by bench-limits
MARGIN = 0.1  # share of the expected range by which values may lie outside of it; by bench-limits
LESS_MEAN_COLOUR = (90, 152)  # size of the extremes of bytes less the mean colour of ImageNet (104 to 124); by definition
DEEP = 10  # layers: a network of more may be a ResNet; by bench-limits
# What the pretrained networks of keras.applications expect if they do not rescale themselves (from their docstrings).
_EXPECTED = {
    "resnet50": (-151.1, 151.1),
    "resnet101": (-151.1, 151.1),
    "resnet152": (-151.1, 151.1),
    "vgg16": (-151.1, 151.1),
    "vgg19": (-151.1, 151.1),
    "mobilenet": (-1.0, 1.0),
    "mobilenetv2": (-1.0, 1.0),
    "resnet50v2": (-1.0, 1.0),
    "resnet101v2": (-1.0, 1.0),
    "resnet152v2": (-1.0, 1.0),
    "inception_v3": (-1.0, 1.0),
    "inception_resnet_v2": (-1.0, 1.0),
    "xception": (-1.0, 1.0),
    "nasnet": (-1.0, 1.0),
    "nasnet_large": (-1.0, 1.0),
    "nasnet_mobile": (-1.0, 1.0),
    "densenet121": (-2.2, 2.7),
    "densenet169": (-2.2, 2.7),
    "densenet201": (-2.2, 2.7),
}


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    names = inputs_of(run)
    if not names:
        raise NotChecked("no statistics of the inputs were logged", HOW)
    found = [finding for i, name in enumerate(names) if (finding := _judge(run, name, i, options)) is not None]
    yield from (finding for finding in found if not isinstance(finding, Inconclusive))
    unsure = [finding for finding in found if isinstance(finding, Inconclusive)]
    if unsure and len(unsure) == len(found):
        raise unsure[0]


def _judge(run: TrainingRun, name: str, index: int, options: Mapping[str, Any]) -> Finding | Inconclusive | None:
    means = run.statistic(schema.BATCHES, column(name, None, "mean"))
    if means is not None and not np.isfinite(means.values).all():
        batch = int(means.steps[np.argmin(np.isfinite(means.values))])
        return Inconclusive(f"batch {batch + 1} held NaN or infinite input values; clean the inputs first")
    values = {s: run.statistic(schema.STATISTICS, column(name, None, s)) for s in ("min", "max", "mean", "std")}
    if any(curve is None or not len(curve.finite) for curve in values.values()):
        return None
    curves = {s: curve for s, curve in values.items() if curve is not None}
    low, high = float(np.nanmin(curves["min"].values)), float(np.nanmax(curves["max"].values))
    mean, std = (float(np.nanmedian(curves[s].values)) for s in ("mean", "std"))
    kind, detail = _kind(run, name, index, low, high, mean, std, options)
    if options["strict"]:
        kind = kind or "strict"
        run.measured("largest input in magnitude", max(abs(low), abs(high)), above=1, curve=curves["max"])
        if low >= -1 and high <= 1:
            return None
    else:
        met = _meets(run, index, low, high, kind)
        if kind is None or met is False:
            limit = options["max_scale"] if kind is None else None  # the model may need larger inputs, or scale them itself
            run.measured("root mean square of the inputs", float(np.hypot(mean, std)), above=limit, curve=curves["mean"])
            return None
        if met is None:
            return Inconclusive(
                f"the inputs go from {low:g} to {high:g} and first pass through code of your own: SCRAM cannot see whether it "
                "normalises them"
            )
    expected = _expected(run)
    inputs = run.facts.get("model", {}).get("inputs", [])
    label = inputs[index].get("name") if len(inputs) > 1 and index < len(inputs) else None
    bytes_like = kind == "raw-bytes"
    evidence: dict[str, Any] = {
        "input": f"Input {label!r}" if label else "The inputs",
        "low": low,
        "high": high,
        "mean": mean,
        "std": std,
        "bytes": "This is the scale of raw bytes, 0 to 255." if bytes_like else None,
        "expected": f"{expected[0]} was trained on values between {expected[1][0]:g} and {expected[1][1]:g}."
        if expected
        else None,
        **absent("ratio", "wide", "wide_std", "narrow", "narrow_std"),
        **detail,
    }
    centred = expected is not None and expected[1] == (-1.0, 1.0)
    divisor = "127.5" if centred else "255" if bytes_like else f"{max(abs(low), abs(high)):.3g}"
    others = detail.get("ratio") is not None
    edit = None if kind == "strict" else rescale_inputs(run.facts, divisor, centred, label)
    if others:
        edit = normalize_features(run.facts) if label is None else None
    unset = [layer.path for layer in known_layers(run) if not _changes(layer.facts)]
    first = "not-adapted" if unset else "features" if others else "raw-pixels" if bytes_like else "scale"
    order = [first] + [c for c in ("raw-pixels", "features", "scale") if c != first]
    edit = None if unset else edit
    said = {
        "not-adapted": f"`{unset[0]}` has the mean 0 and the variance 1 that it was made with." if unset else "",
        "raw-pixels": f"Values from {low:g} to {high:g}, mean {mean:.3g}." if bytes_like else "",
        "features": "The standard deviations of the features differ widely." if others else "",
        "scale": f"The largest absolute value is {max(abs(low), abs(high)):.3g}." if kind == "large" else "",
    }
    curve = curves["max"]
    return Finding(
        severity="warning",
        confidence="likely" if kind in ("raw-bytes", "features") else "possible",
        title=f"Inputs are not normalised: {low:g} to {high:g}" + (f" ({label})" if label else ""),
        evidence=evidence,
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[curves[s].source() for s in ("max", "mean", "min")],
        causes=[Cause(c, said[c], edit=edit if c == first else None) for c in order],
        where=[INPUTS],
        times=float(np.hypot(mean, std)),
    )


def _kind(
    run: TrainingRun, name: str, index: int, low: float, high: float, mean: float, std: float, options: Mapping[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with the scale: "raw-bytes", "features", "large" or None; and the evidence about single channels."""
    spreads = _medians(run, name, "std")
    means = _medians(run, name, "mean")
    scale = float(np.hypot(mean, std))
    if low >= 0 and BRIGHT <= high <= BYTE and scale > options["max_scale"] and _is_image(run, index):
        return "raw-bytes", {}
    if len(spreads) > 1:
        live = {c: s for c, s in spreads.items() if s > 0}
        if live:
            wide, narrow = max(live, key=lambda c: live[c]), min(live, key=lambda c: live[c])
            scales = {c: float(np.hypot(means.get(c, 0.0), s)) for c, s in live.items()}
            if live[wide] > options["max_ratio"] * live[narrow] and scales[wide] > options["max_scale"]:
                return "features", {
                    "ratio": live[wide] / live[narrow],
                    "wide": wide,
                    "narrow": narrow,
                    "wide_std": live[wide],
                    "narrow_std": live[narrow],
                }
    return ("large", {}) if scale > options["max_scale"] else (None, {})


def _medians(run: TrainingRun, name: str, statistic: str) -> dict[int, float]:
    curves = channels(run, name, statistic).items()
    return {channel: float(np.nanmedian(c.values)) for channel, c in curves if np.isfinite(c.values).any()}


def _is_image(run: TrainingRun, index: int) -> bool:
    """Whether an input has rows and columns, or at least 64 features; a table of seven measurements is no image."""
    inputs = run.facts.get("model", {}).get("inputs", [])
    shape = inputs[index].get("shape", []) if index < len(inputs) else []
    return len(shape) > OF_A_TABLE or (len(shape) == OF_A_TABLE and isinstance(shape[1], int) and shape[1] >= SMALL_IMAGE)


def _meets(run: TrainingRun, index: int, low: float, high: float, kind: str | None) -> bool | None:
    """Whether the raw values reach a layer that depends on their scale; None where that cannot be seen."""
    model = run.facts.get("model", {})
    if not model:
        return True
    first = _first(model, index)
    if first is None or first.get("custom") or layer_kind(first["class"]) == "Lambda":
        return None
    if layer_kind(first["class"]) in (*_NORMALISES, *_TOKENS):
        return False
    expected = _expected(run)
    if expected is not None:
        margin = MARGIN * (expected[1][1] - expected[1][0])
        return low < expected[1][0] - margin or high > expected[1][1] + margin
    # ResNet's preprocess_input subtracts the mean colour from bytes: a deep network may expect such values
    dark, bright = LESS_MEAN_COLOUR
    centred = kind == "large" and -bright <= low < -dark and dark < high <= bright and _is_image(run, index)
    return not (centred and len(model.get("layers", [])) > DEEP)


def _first(model: Mapping[str, Any], index: int = 0) -> Mapping[str, Any] | None:
    """The first layer that changes the values of one input, also inside nested models. None if unknown."""
    layers = model.get("layers") or []
    by_name = {str(layer.get("name")): layer for layer in layers}
    paths = model.get("paths") or []
    if index < len(paths):
        names = paths[index]
    elif "sequential" in (model.get("kind"), str(model.get("class")).lower()):  # a model that was not built before `fit`
        names = list(by_name)
    else:  # a subclass: its layers are known, but not their order
        return next((each for each in layers if each.get("class") in ("Rescaling", "Normalization") and _changes(each)), None)
    for name in names:
        layer = by_name.get(name)
        if layer is None:
            return None
        if layer_kind(layer["class"]) in _TRANSPARENT or str(layer["class"]).startswith("Random") or not _changes(layer):
            continue
        return _first(layer) if layer.get("layers") and not layer.get("custom") else layer
    return None


def _changes(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is not one that passes on what it gets: a normalisation whose mean and variance nobody has set."""
    return (layer.get("settings") or {}).get("adapted") is not False


def _expected(run: TrainingRun) -> tuple[str, tuple[float, float]] | None:
    """The pretrained network at the start of the model, and the range of values that it was trained on."""
    for layer in run.facts.get("model", {}).get("layers", []):
        if layer.get("layers"):
            name = str(layer.get("name", ""))
            stem = name.split("_1.00")[0].split("_0.")[0].lower()
            if stem in _EXPECTED:
                return name, _EXPECTED[stem]
    return None


HEURISTIC = Heuristic(
    id="unnormalized-inputs",
    group="data",
    title_passed="Inputs are normalised, or need not be",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of the inputs",),
    order=30,
    precedence=100,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "preflight-test", "half-precision", "initial-loss"),
)
