"""Merges the statistics of several replicas. The name of a column says how it is merged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def merge(columns: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Merge the rows of all replicas, shape (replicas, columns), into one row, shape (columns,).

    All replicas must have seen parts of the batch of the same size.
    """
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
        elif parts[-1] == "dead":  # a unit counts as dead only if it is dead in every replica, so this is an upper bound
            merged[i] = rows[:, i].min()
        elif "std" in parts[1:]:
            mean = places.get(column.replace("/std", "/mean"))
            if mean is not None:
                spread = np.mean(rows[:, i] ** 2) + np.var(rows[:, mean])
                merged[i] = np.sqrt(spread)
    return merged
