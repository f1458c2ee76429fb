"""Statistics of several replicas as those of all, by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def merge(columns: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """One row of the rows of all processes, shape (processes, columns); each has seen a part of the batch of the same size."""
    places = {column: i for i, column in enumerate(columns)}
    merged = np.mean(rows, axis=0)
    for i, column in enumerate(columns):
        parts = column.split("/")
        if "min" in parts[1:]:
            merged[i] = rows[:, i].min()
        elif "max" in parts[1:]:
            merged[i] = rows[:, i].max()
        elif "count" in parts[1:] or (parts[-1] == "nonfinite" and parts[0] not in ("weight", "gradient")):
            merged[i] = rows[:, i].sum()
        elif parts[-1] == "dead":  # a unit that is dead for all is so for each
            merged[i] = rows[:, i].min()
        elif "std" in parts[1:]:
            mean = places.get(column.replace("/std", "/mean"))
            if mean is not None:
                spread = np.mean(rows[:, i] ** 2) + np.var(rows[:, mean])
                merged[i] = np.sqrt(spread)
    return merged
