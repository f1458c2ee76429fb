"""How far the outputs of a Keras model follow the targets: a correlation, as `training/torch/agreement.py` has it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

EXAMPLES = 512  # that are compared, at most; by definition


def at_end(model: keras.Model, data: Any, y: Any = None) -> float | None:
    """The correlation of outputs and targets for the first examples of arrays, a `tf.data.Dataset`, or a `PyDataset`.

    None where data or targets are of another form, or do not vary.
    """
    given = _first(data, y)
    if given is None:
        return None
    inputs, targets = given
    outputs = model.predict_on_batch(inputs)
    return agreement(np.asarray(targets), np.asarray(outputs)) if isinstance(outputs, np.ndarray) else None


def agreement(targets: np.ndarray, outputs: np.ndarray) -> float | None:
    """For targets of shape (examples, ...), and as many outputs, or outputs for each class on the last axis."""
    if len(targets) < 2 or targets.dtype.kind not in "biuf" or not np.isfinite(outputs).all():
        return None
    if targets.size == outputs.size:
        y, p = (v.reshape(len(v), -1).astype(float) for v in (targets, outputs))
    elif outputs.ndim > 1 and targets.size * outputs.shape[-1] == outputs.size and not (targets % 1).any():
        classes = outputs.shape[-1]
        p = outputs.reshape(-1, classes).astype(float)
        p -= p.mean(axis=-1, keepdims=True)
        labels = targets.reshape(-1).astype(int)
        y = (labels[:, None] == np.arange(classes)).astype(float)
    else:
        return None
    y, p = y - y.mean(axis=0), p - p.mean(axis=0)
    below = math.sqrt(float((y * y).sum() * (p * p).sum()))
    return float((y * p).sum() / below) if below > 0 else None


def _first(data: Any, y: Any) -> tuple[Any, Any] | None:
    """Inputs and targets of the first examples; None for an iterator, which would be used up, and for other forms."""
    if y is None and isinstance(data, tuple | list) and len(data) in (2, 3):
        data, y = data[0], data[1]
    if y is not None:
        whole = hasattr(data, "shape") and hasattr(y, "shape")
        return (data[:EXAMPLES], y[:EXAMPLES]) if whole else None
    if isinstance(data, keras.utils.PyDataset):
        batch = data[0]
    elif isinstance(data, Iterator) or not hasattr(data, "element_spec"):
        return None
    else:
        batch = next(iter(data), None)
    return (batch[0], batch[1]) if isinstance(batch, tuple) and len(batch) >= 2 else None
