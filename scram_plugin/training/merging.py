"""Merges the statistics of several replicas. The name of a column says how it is merged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scram_plugin.schema import GRADIENT, WEIGHT, Column


def merge(columns: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Merge the rows of all replicas, shape (replicas, columns), into one row, shape (columns,).

    All replicas must have seen parts of the batch of the same size.
    """
    parsed = [Column.parse(name) for name in columns]
    places = {column: i for i, column in enumerate(parsed)}
    merged: np.ndarray = np.mean(rows, axis=0)
    for i, column in enumerate(parsed):
        if column.statistic == "min":
            merged[i] = rows[:, i].min()
        elif column.statistic == "max":
            merged[i] = rows[:, i].max()
        elif column.statistic == "count" or (column.statistic == "nonfinite" and column.kind not in (WEIGHT, GRADIENT)):
            merged[i] = rows[:, i].sum()
        elif column.statistic == "dead":  # a unit counts as dead only if it is dead in every replica: this is an upper bound
            merged[i] = rows[:, i].min()
        elif column.statistic == "std":
            mean = places.get(column._replace(statistic="mean"))
            if mean is not None:
                spread = np.mean(rows[:, i] ** 2) + np.var(rows[:, mean])
                merged[i] = np.sqrt(spread)
    return merged
