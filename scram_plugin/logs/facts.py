"""Checks the facts of a fit. The file may come from anybody, so what the recorder would not write is left out.

So code that reads the facts (see `training/keras/model_facts.py`) need not check types, ranges or sizes. Keys that are not
listed here, for example settings of an optimizer, are numbers, texts, or lists and mappings of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DEEPEST = 20  # levels of nested models
MOST_ENTRIES = 10_000  # of one list or mapping; the recorder counts 1,000 classes
MOST_LAYERS = 4_000  # with those of nested models; the recorder writes 2,000 of each model, and known models have 1,500
LARGEST = 3.5e38  # the recorder's numbers are 32-bit floating-point numbers, whose largest one is 3.4e38
MOST = 2**53  # of anything that is counted: above it, the tab's numbers are not exact
LONGEST = 20_000  # characters of a text; all recorded statements together have no more
LONGEST_PROGRAM = 60_000  # characters of all files of a program, as the recorder writes them
LONGEST_FACTS = 1 << 24  # bytes of the facts of one fit; 2,000 layers take about one million

VERDICTS = ("better", "same", "worse", "breaks", "unknown")  # on a fix that was tried

DROPPED = object()


def number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST


def count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST


def size(value: Any) -> bool:
    return count(value) and value > 0


def length(value: Any) -> bool:
    """The length of one dimension of a tensor; None for one that varies."""
    return value is None or count(value)


def text(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST


def program(value: Any) -> bool:
    """The text of a file of the user's program."""
    return type(value) is str and len(value) <= LONGEST_PROGRAM


def flag(value: Any) -> bool:
    return type(value) is bool


def plain(value: Any) -> bool:
    return flag(value) or number(value) or text(value)


# A shape is a test of a value, a list of the shape of its entries, or a mapping of the shapes of its values.
Shape = Callable[[Any], bool] | list[Any] | dict[str, Any]

_MADE = {"class": text, **dict.fromkeys(("value", "stddev", "mean", "minval", "maxval", "scale", "gain", "l1", "l2"), number)}
_TENSORS = [{"name": text, "shape": [length], "dtype": text}]
_LAYER: dict[str, Any] = {
    "name": text,
    "path": text,
    "class": text,
    "custom": flag,
    "settings": {
        **dict.fromkeys(("rate", "momentum", "stddev", "units", "filters", "input_dim"), number),
        "mask_zero": flag,
        "adapted": flag,
    },
    "activation": text,
    "activated_by": text,
    "parameters": count,
    "trainable": flag,
    "initializer": _MADE,
    "bias": number,
    "kernel": [size],
    "regularizer": _MADE,
    "regularized": flag,
    "drawn": flag,
    "from": [text],
    "paths": [[text]],
}
_UNTRAINED = {
    **dict.fromkeys(("parameters", "cut", "frozen", "fresh", "asleep", "unregistered", "forgotten", "stale"), count),
    "names": [text],
    "cut_names": [text],
    "shapes": [[size]],
}
_LOOP = {
    **dict.fromkeys(
        (
            "steps",
            "eval_steps",
            "unswitched",
            "unswitched_row",
            "evaluations",
            "changed",
            "looked",
            "cleared",
            "mixed",
            "between",
            "kept_evaluated",
        ),
        count,
    ),
    "factor": number,
    **dict.fromkeys(
        (
            "single",
            "forwards",
            "passes",
            "ways",
            "kept_graphs",
            "frozen_norms",
            "optimizers",
            "class_numbers",
            "divisor",
            "unlinked",
            "alike",
        ),
        count,
    ),
    **dict.fromkeys(("cut_derivatives", "zero_derivatives"), count),
    "unstepped": flag,
    "retained": flag,
    "linear": flag,
    **{name: [count] for name in ("dead", "leak", "words", "evaluated_at", "trained_at")},
    "detached": flag,
    "stretched": [[count]],
    "examples": dict.fromkeys(("different", "evaluated", "twice", "size"), count),
    "held": {"name": text, "rows": count, "different": count},
    "after": {"loss": number, "examples": count, "right": number, "chance": number},
    "moved": number,
    "hinge": flag,
    "divided": number,
    "several": number,
    "penalty": number,
    "maximised": flag,
    "probabilities": text,
    "unread": [{"input": count, "axis": count, "places": [count], "first": flag}],
    "mixing": number,
    "sizes": [count],
    **{name: [text] for name in ("modal", "frozen_names", "singular", "unguarded", "twice", "idle", "raw", "cut")},
    "axes": [{"operation": text, "from": [size], "to": [size]}],
    "parts": [{"how": text, "shape": [size], "factor": number, "elementwise": flag, "each": [size]}],
    "pairs": {"output": [size], "compared": [size]},
    "exceeded": [{"activation": text, "least": number, "most": number}],
    "adversary": {
        **dict.fromkeys(("made", "real", "own"), number),
        **dict.fromkeys(("attached", "apart"), flag),
        "steps": count,
        "range": {"activation": text, "least": number, "most": number},
    },
    "sequence": {"shift": count, "future": flag, "values": flag},
    "schedule": {"class": text, "calls": count, "length": count, "base": number, "rate": number},
}
_SHAPES = {"output": [length], "compared": [length], "target": [length]}
_READ = {"class": text, "layer": text, "from_logits": flag, "output": count, "targets": count, "units": count}
_LAYER["layers"] = [_LAYER]
_DATA = {
    "samples": count,
    "kept": count,
    "counts": [count],
    "changes": count,
    "leak": [count],
    "reshaped": flag,
    "alike": count,
}
_COURSE = {"first": number, "last": number, "steps": count}
_TESTED = {"reason": text, "seconds": number}
_PREFLIGHT = {
    "training": _TESTED,
    "gradients": {**_TESTED, "still": [text], "apart": [text], **dict.fromkeys(("count", "count_apart", "variables"), count)},
    "precision": {**_TESTED, "nonfinite": text},
    "one_batch": {**_TESTED, **_COURSE, "cut": flag, "examples": count, "own": _COURSE, "adam": _COURSE},
    "inputs": {**_TESTED, "inputs": count, "ignored": [count]},
    "samples": {**_TESTED, "alone": number, "order": number},
    "rates": {**_TESTED, **dict.fromkeys(("given", "tried", "blown", "steepest", "lowest"), number)},
    "overlap": {**_TESTED, **dict.fromkeys(("training", "validation", "both", "again"), count)},
    "memory": {
        **_TESTED,
        **dict.fromkeys(("held", "fixed", "per_example", "peak", "available"), number),
        **dict.fromkeys(("batch_size", "largest"), count),
        "of": text,
        "measured": [[number]],
    },
    "own": {**_TESTED, "file": text, "tests": [{"name": text, "line": count, "passed": flag, "message": text}]},
}
SHAPE: dict[str, Any] = {
    "framework": text,
    "trainer": text,
    "backend": text,
    "time": number,
    "session": text,
    "resumed": flag,
    "beside": flag,
    "versions": {"keras": text, "torch": text, "python": text, "scram": text},
    "model": {
        "name": text,
        "class": text,
        "kind": text,
        "parameters": count,
        "trainable_parameters": count,
        "adapters": flag,
        "inputs": _TENSORS,
        "outputs": _TENSORS,
        "output_units": count,
        "calls": count,
        "paths": [[text]],
        "layers": [_LAYER],
    },
    "loss": {
        **dict.fromkeys(("name", "class", "source"), text),
        **dict.fromkeys(("from_logits", "custom", "mean"), flag),
        "ignored": number,
        "counts": [count],
        "shapes": _SHAPES,
        "outputs": [_READ],
    },
    "optimizer": {
        "class": text,
        "learning_rate": number,
        "schedule": flag,
        "loss_scale": flag,
        "groups": count,
        "settings": {},
        "untrained": _UNTRAINED,
    },
    "loop": _LOOP,
    "callbacks": [{"class": text, "monitor": text, "mode": text}],
    "dtype_policy": text,
    "jit_compile": flag,
    "run_eagerly": flag,
    "steps_per_execution": count,
    "fit": {
        **dict.fromkeys(("epochs", "steps", "every", "batch_size", "samples", "validation_samples", "replicas"), count),
        **dict.fromkeys(("shuffle", "validation", "weighted"), flag),
    },
    "source": {
        "file": text,
        "line": count,
        "statements": [{"role": text, "line": size, "text": text}],
        "files": [{"file": text, "text": program}],
        "signatures": {},
    },
    "data": {"training": _DATA, "validation": _DATA},
    "preflight": _PREFLIGHT,
}
PROOF_SHAPE: dict[str, Any] = {
    "tried": [
        {
            "fixes": [[text]],
            "verdict": lambda value: value in VERDICTS,
            **dict.fromkeys(("sentence", "measure"), text),
            **dict.fromkeys(("before", "after"), number),
            **dict.fromkeys(("seeds", "batches"), count),
            "runs": [text],
        }
    ]
}
GAP_SHAPE: dict[str, Any] = {
    "reason": text,
    **dict.fromkeys(("begin", "end"), number),
    **dict.fromkeys(("first", "last"), count),
}
# Required keys: an entry of a list that lacks one of them is left out.
_NEEDED = (
    {"fixes", "verdict", "sentence"},
    {"role", "line", "text"},
    {"name", "shape"},
    {"name", "path", "class"},
    {"name", "passed"},
    {"file", "text"},
)


def clean_proof(given: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What was written of a proof, without what SCRAM would not write, and whether something was left out."""
    lost: list[str] = []
    return _cleaned(given, PROOF_SHAPE, lost, DEEPEST), bool(lost)


def clean_gap(given: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What was written of a gap, and whether something was left out. Raises ValueError where it does not say when and why."""
    lost: list[str] = []
    kept = _cleaned(given, GAP_SHAPE, lost, DEEPEST)
    if kept.get("begin") is None or kept.get("reason") is None:
        raise ValueError
    return {**dict.fromkeys(GAP_SHAPE), **{key: kept[key] for key in GAP_SHAPE if key in kept}}, bool(lost)


def clean(facts: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The facts without what the recorder would not write, and whether something was left out."""
    lost: list[str] = []
    kept = _cleaned(facts, SHAPE, lost, DEEPEST)
    if _layers(kept.get("model", {}).get("layers", [])) > MOST_LAYERS:
        _drop(kept["model"].pop("layers"), lost)
    if sum(len(statement["text"]) for statement in kept.get("source", {}).get("statements", [])) > LONGEST:
        _drop(kept["source"].pop("statements"), lost)
    if sum(len(file["text"]) for file in kept.get("source", {}).get("files", [])) > LONGEST_PROGRAM:
        _drop(kept["source"].pop("files"), lost)
    if "source" in facts:
        kept.setdefault("source", None)  # None means "no source" to the recorder; an invalid source counts as none
    return kept, bool(lost)


def _layers(layers: list[Any]) -> int:
    return sum(1 + _layers(layer.get("layers", [])) for layer in layers)


def _cleaned(value: Any, shape: Shape | None, lost: list[str], depth: int) -> Any:
    """A value without what is wrong in it, or `DROPPED`. Of an unknown `shape`, plain values, lists and mappings are kept."""
    if shape is None:
        shape = {} if isinstance(value, Mapping) else [None] if isinstance(value, list) else plain
    if isinstance(shape, dict | list):
        right = isinstance(value, Mapping if isinstance(shape, dict) else list)
        if not right or len(value) > MOST_ENTRIES or depth == 0:
            return _drop(value, lost)
    if isinstance(shape, dict):
        found = {key: _cleaned(item, shape.get(key), lost, depth - 1) for key, item in value.items() if text(key)}
        return {key: item for key, item in found.items() if item is not DROPPED}
    if isinstance(shape, list):
        return _entries(value, shape[0], lost, depth)
    if value is None:
        return None  # the recorder writes None for "not known"
    return value if shape(value) else _drop(value, lost)


def _entries(value: list[Any], shape: Shape | None, lost: list[str], depth: int) -> Any:
    items = [_cleaned(item, shape, lost, depth - 1) for item in value]
    if isinstance(shape, dict):
        needed = next((keys for keys in _NEEDED if keys <= shape.keys()), ())
        whole = [item for item in items if item is not DROPPED and all(item.get(key) is not None for key in needed)]
        if len(whole) < len(items):
            lost.append("entry")
        return whole
    # the place of an entry has a meaning: without one of them, the others are worth nothing
    right = all(item is not DROPPED and (item is not None or shape is length) for item in items)
    return items if right else _drop(value, lost)


def _drop(value: Any, lost: list[str]) -> Any:
    if value is not None:
        lost.append("value")
    return DROPPED
