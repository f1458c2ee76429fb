"""Checks the facts of a fit. The file may come from anybody, so values of another type than the recorder writes are left out.

So code that reads the facts (see `training/keras/model_facts.py`) need not check their types. Unknown keys are passed on
unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NUMBER, TEXT = (int, float), (str,)
DROPPED = object()
DEEPEST = 20  # levels of nested models

_MADE = {"class": TEXT}
_TENSORS = [{"name": TEXT, "shape": [(int, type(None))], "dtype": TEXT}]
_LAYER: dict[str, Any] = {
    "name": TEXT,
    "path": TEXT,
    "class": TEXT,
    "custom": (bool,),
    "settings": {},
    "activation": TEXT,
    "activated_by": TEXT,
    "parameters": (int,),
    "trainable": (bool,),
    "initializer": _MADE,
    "bias": NUMBER,
    "kernel": [(int,)],
    "regularizer": _MADE,
    "regularized": (bool,),
    "from": [TEXT],
    "paths": [[TEXT]],
}
_SHAPES = {"output": [(int,)], "compared": [(int,)], "target": [(int,)]}
_LAYER["layers"] = [_LAYER]
_DATA = {"samples": (int,), "counts": [NUMBER], "changes": (int,)}
_COURSE = {"first": NUMBER, "last": NUMBER, "steps": (int,)}
_TESTED = {"reason": TEXT, "seconds": NUMBER}
_PREFLIGHT = {
    "training": _TESTED,
    "gradients": {**_TESTED, "still": [TEXT], "apart": [TEXT], **dict.fromkeys(("count", "count_apart", "variables"), (int,))},
    "precision": {**_TESTED, "nonfinite": TEXT},
    "one_batch": {**_TESTED, **_COURSE, "cut": (bool,), "examples": (int,), "own": _COURSE, "adam": _COURSE},
    "inputs": {**_TESTED, "inputs": (int,), "ignored": [(int,)]},
    "samples": {**_TESTED, "alone": NUMBER, "order": NUMBER},
    "rates": {**_TESTED, **dict.fromkeys(("given", "tried", "blown", "steepest", "lowest"), NUMBER)},
    "overlap": {**_TESTED, **dict.fromkeys(("training", "validation", "both"), (int,))},
    "memory": {
        **_TESTED,
        **dict.fromkeys(("held", "fixed", "per_example", "peak", "available"), NUMBER),
        **dict.fromkeys(("batch_size", "largest"), (int,)),
        "of": TEXT,
        "measured": [[NUMBER]],
    },
    "own": {**_TESTED, "file": TEXT, "tests": [{"name": TEXT, "line": (int,), "passed": (bool,), "message": TEXT}]},
}
SHAPE: dict[str, Any] = {
    "framework": TEXT,
    "beside": (bool,),
    "versions": {},
    "model": {
        "name": TEXT,
        "class": TEXT,
        "kind": TEXT,
        "parameters": (int,),
        "trainable_parameters": (int,),
        "inputs": _TENSORS,
        "outputs": _TENSORS,
        "output_units": (int,),
        "calls": (int,),
        "paths": [[TEXT]],
        "layers": [_LAYER],
    },
    "loss": {
        **dict.fromkeys(("name", "class", "source"), TEXT),
        **dict.fromkeys(("from_logits", "custom", "mean"), (bool,)),
        "shapes": _SHAPES,
    },
    "optimizer": {"class": TEXT, "learning_rate": NUMBER, "schedule": (bool,), "settings": {}},
    "dtype_policy": TEXT,
    "fit": {
        "epochs": (int,),
        "steps": (int,),
        "every": (int,),
        "batch_size": (int,),
        "samples": (int,),
        "validation_samples": (int,),
        "shuffle": (bool,),
    },
    "source": {
        "file": TEXT,
        "line": (int,),
        "statements": [{"role": TEXT, "line": (int,), "text": TEXT}],
    },
    "data": {"training": _DATA, "validation": _DATA},
    "preflight": _PREFLIGHT,
}
# Required keys: an entry of a list that lacks one of them is left out.
_NEEDED = ({"role", "line", "text"}, {"name", "shape"}, {"name", "class"}, {"name", "passed"})


def clean(facts: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The facts without values of a wrong type, and whether something was left out."""
    lost: list[str] = []
    kept = _cleaned(facts, SHAPE, lost, DEEPEST)
    if "source" in facts:
        kept.setdefault("source", None)  # None means "no source" to the recorder; an invalid source counts as none
    return kept, bool(lost)


def _cleaned(value: Any, shape: Any, lost: list[str], depth: int) -> Any:
    if isinstance(shape, dict):
        if not isinstance(value, Mapping) or depth == 0:
            return _drop(value, lost)
        found = {k: _cleaned(v, shape[k], lost, depth - 1) if k in shape else v for k, v in value.items()}
        return {k: v for k, v in found.items() if v is not DROPPED}
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _drop(value, lost)
        items = [_cleaned(item, shape[0], lost, depth - 1) for item in value]
        of_dicts = isinstance(shape[0], dict)
        needed = next((keys for keys in _NEEDED if of_dicts and keys <= shape[0].keys()), ())
        whole = [item for item in items if item is not DROPPED and all(item.get(key) is not None for key in needed)]
        if len(whole) < len(items):
            lost.append("entry")
        return whole
    if value is None:
        return None  # the recorder writes None for "not known"
    right = isinstance(value, shape) and (bool in shape or not isinstance(value, bool))
    if right and isinstance(value, float) and not math.isfinite(value):
        right = False
    return value if right else _drop(value, lost)


def _drop(value: Any, lost: list[str]) -> Any:
    if value is not None:
        lost.append("value")
    return DROPPED
