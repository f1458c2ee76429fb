"""Statistics of the labels of a whole data set, if each label is one class number."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_CLASSES = 1_000


def class_counts(labels: np.ndarray) -> dict[str, Any]:
    """``counts`` and ``changes`` of labels, shape (examples,); empty if they are not class numbers below `MOST_CLASSES`.

    ``counts`` is a list of the number of examples of each class. ``changes`` is how often two neighbours differ: rarely if the
    data are sorted.
    """
    whole = bool(labels.size and np.isfinite(labels).all() and (labels == np.round(labels)).all())
    if not whole or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        return {}
    changes = int(np.count_nonzero(labels[1:] != labels[:-1]))
    return {"counts": np.bincount(labels.astype(np.int64)).tolist(), "changes": changes}
