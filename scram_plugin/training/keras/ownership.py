"""The weights of a model that are to be trained, and that no optimizer gets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import keras
import numpy as np

SHOWN = 16  # variables that are named


def untrained(trainable: list[Any], trained: Collection[int], path: Callable[[Any], str]) -> dict[str, Any]:
    """Counts and names of trainable variables that are not among those with the ids `trained`."""
    left = [v for v in trainable if id(v) not in trained]
    # they begin with 0: others are those of a network that was trained before, or that follows another one
    zeros = [v for v in left if v.path.endswith(("bias", "beta"))]
    fresh = bool(zeros) and not any(np.any(keras.ops.convert_to_numpy(v) != 0) for v in zeros)
    names = [path(v) for v in left][:SHOWN]
    counts = {"parameters": len(trainable), "forgotten": len(left), "fresh": len(left) * fresh, "asleep": len(left)}
    return {**counts, "names": names}
