"""Facts of a data set as a whole, if `fit` was given arrays. They are read once per fit; heuristics evaluate them."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any

import keras
import numpy as np
from keras import ops

from scram_plugin.training import pictures
from scram_plugin.training.keras import statistics
from scram_plugin.training.labels import MOST_CLASSES, class_counts
from scram_plugin.training.leaks import EXAMPLES, leak
from scram_plugin.training.structures import leaves

MOST_BYTES = 1 << 30  # the classes of larger targets are not counted
FEWEST_ALIKE = 4  # examples with the same inputs; by definition
PARTS, PART = 8, 64  # number of parts of the validation data that are measured, spread evenly, and examples in each


def data_facts(fit: FrameType | None) -> dict[str, Any]:
    """``{"training": ..., "validation": ...}`` of the arrays that `fit` was given; what cannot be known is left out.

    Each has ``samples``. Targets that are class numbers also have ``counts`` (a list: examples of each class) and ``changes``
    (how often two neighbours differ: rarely if the data are sorted). Where a feature is the target there is ``leak``; of
    pictures whose channels lie as if they were the first axis, ``reshaped``. Where examples from the whole data set have the
    same inputs, but not the same targets, ``alike`` is their number.
    """
    found = {}
    for name, (x, y) in _given(fit).items():
        first = next((leaf for leaf in leaves(x) if _array(leaf) is not None), None)
        if first is not None:
            found[name] = {"samples": int(first.shape[0]), **_labels(y), **_leak(x, y), **_reshaped(first), **_alike(x, y)}
    return found


def _leak(x: Any, y: Any) -> dict[str, Any]:
    inputs, targets = leaves(x), leaves(y)
    if len(inputs) != 1 or len(targets) != 1 or _array(inputs[0]) is None or _array(targets[0]) is None:
        return {}
    found = leak(np.asarray(inputs[0][:EXAMPLES]), np.asarray(targets[0][:EXAMPLES]))
    return {"leak": found} if found else {}


def _reshaped(x: Any) -> dict[str, Any]:
    first = keras.config.image_data_format() == "channels_first"
    part = pictures.corner(x, first)
    return {"reshaped": True} if part is not None and pictures.reshaped(np.asarray(part), first) else {}


def _alike(x: Any, y: Any) -> dict[str, Any]:
    inputs, targets = ([_array(leaf) for leaf in leaves(structure)] for structure in (x, y))
    known = [a for a in (*inputs, *targets) if a is not None]
    sizes = {int(a.shape[0]) for a in known}
    if len(targets) != 1 or not inputs or len(known) <= len(inputs) or len(sizes) > 1 or min(sizes) < FEWEST_ALIKE:
        return {}
    if any(np.any(np.asarray(a[0]) != np.asarray(a[1])) for a in known[:-1]):
        return {}  # soon known, of nearly all data
    places = np.sort(np.random.default_rng(0).permutation(min(sizes))[:EXAMPLES])  # data may repeat with any period
    same = [all(np.array_equal(np.asarray(a[int(at)]), np.asarray(a[0])) for at in places) for a in known]
    return {"alike": len(places)} if all(same[:-1]) and not same[-1] else {}


def validation_rows(fit: FrameType | None) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Columns and values, shape (parts, columns), of parts of the validation data; None unless all data are arrays."""
    x, y = _given(fit).get("validation", (None, None))
    given = {"x": leaves(x), "y": leaves(y)}
    tensors = {kind: [a for leaf in found if (a := _array(leaf)) is not None] for kind, found in given.items()}
    if not tensors["x"] or any(len(tensors[kind]) != len(found) for kind, found in given.items()):
        return None
    size = min(len(array) for found in tensors.values() for array in found)
    columns: tuple[str, ...] = ()
    rows = []
    for start in sorted({round(at) for at in np.linspace(0, max(size - PART, 0), PARTS)}):
        named = {
            kind: [
                (f"{kind}{i}", numbers)
                for i, array in enumerate(found[: statistics.MAX_TENSORS])
                if (numbers := statistics.as_numbers(ops.convert_to_tensor(array[start : start + PART]))) is not None
            ]
            for kind, found in tensors.items()
        }
        columns, row = statistics.flatten(statistics.tensors(named["x"], named["y"], []))
        rows.append(ops.convert_to_numpy(row))
    return columns, np.stack(rows)


def _given(fit: FrameType | None) -> Mapping[str, tuple[Any, Any]]:
    """ "training" and "validation" -> (inputs, targets) in Keras's `fit`, after a `validation_split`."""
    if fit is None:
        return {}
    found = {}
    if fit.f_locals.get("y") is not None:
        found["training"] = fit.f_locals.get("x"), fit.f_locals.get("y")
    validation = fit.f_locals.get("validation_data")
    if isinstance(validation, tuple) and len(validation) >= 2:
        found["validation"] = validation[0], validation[1]
    return found


def _array(leaf: Any) -> Any | None:
    """An array or eager tensor with at least one example; None for sparse data, and for data that must be iterated."""
    shape = getattr(leaf, "shape", None)
    if shape is None or not hasattr(leaf, "__getitem__") or any(hasattr(leaf, name) for name in ("element_spec", "tocsr")):
        return None
    return leaf if len(shape) and shape[0] and not getattr(getattr(leaf, "dtype", None), "hasobject", False) else None


def _labels(y: Any) -> dict[str, Any]:
    targets = leaves(y)
    if len(targets) != 1 or _array(targets[0]) is None:
        return {}
    labels = np.asarray(targets[0])
    if labels.nbytes > MOST_BYTES or labels.dtype.kind not in "iufb" or labels.ndim > 2:
        return {}
    if labels.ndim == 2 and labels.shape[1] > 1:
        one_hot = labels.shape[1] <= MOST_CLASSES and bool(
            ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        )
        if not one_hot:
            return {}
        labels = labels.argmax(axis=1)
    return class_counts(labels.reshape(-1))
