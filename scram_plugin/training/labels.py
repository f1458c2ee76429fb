"""What the labels of a whole data set are like, where they are one class each."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_CLASSES = 1_000


def class_counts(labels: np.ndarray) -> dict[str, Any]:
    """``counts`` (list, of each class) and ``changes`` (how often two neighbours differ: seldom, if the data are sorted) of a
    vector of labels; nothing where they are no class numbers."""
    whole = bool(labels.size and np.isfinite(labels).all() and (labels == np.round(labels)).all())
    if not whole or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        return {}
    changes = int(np.count_nonzero(labels[1:] != labels[:-1]))
    return {"counts": np.bincount(labels.astype(np.int64)).tolist(), "changes": changes}
