"""How strongly conditions and an outcome go together, as the negative logarithm of a p-value: exact for yes and no.

Of how many conditions are tried, these values know nothing: `separate.py` compares them with those of shuffled outcomes.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np


def strengths(holds: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """For each condition (a row of `holds`, of truth values or 0 and 1) and each column of `outcomes`: truth values, or ranks.

    Columns are shuffles of one outcome: they have the same values in other orders.
    """
    sums = holds.astype(np.float32, copy=False) @ outcomes.astype(np.float32)
    sizes = np.count_nonzero(holds, axis=1)
    return _of_counts(sizes, sums, outcomes) if outcomes.dtype == bool else _of_ranks(sizes, sums, outcomes)


def _of_counts(sizes: np.ndarray, sums: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Fisher's exact test, each side for itself, the stronger one."""
    runs, positive = len(outcomes), int(outcomes[:, 0].sum())
    found = np.empty(sums.shape)
    for size in np.unique(sizes):
        rows = sizes == size
        found[rows] = _fisher(runs, positive, int(size))[np.rint(sums[rows]).astype(int)]
    return found


@lru_cache(maxsize=4096)
def _fisher(runs: int, positive: int, size: int) -> np.ndarray:
    """-log p for each number of positives among `size` runs that are drawn from `runs`, of which `positive` are."""
    logs, counts = np.full(size + 1, -math.inf), np.arange(max(0, size - runs + positive), min(positive, size) + 1)
    logs[counts] = _log_choose(runs, positive, counts) + _log_choose(runs, runs - positive, size - counts)
    logs -= _log_choose(runs, runs, np.array(size))
    upper = np.logaddexp.accumulate(logs[::-1])[::-1]
    lower = np.logaddexp.accumulate(logs)
    return np.maximum(0.0, -np.minimum(upper, lower))


def _log_choose(most: int, n: int, k: np.ndarray) -> np.ndarray:
    """The logarithm of how many ways there are to choose k of n, for n up to `most`."""
    table = _log_factorials(most)
    chosen: np.ndarray = table[n] - table[k] - table[n - k]
    return chosen


@lru_cache(maxsize=64)
def _log_factorials(most: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def fisher(holds: np.ndarray, outcome: np.ndarray) -> float:
    """p of Fisher's exact test of one condition and one outcome, the stronger side: truth values, shapes (runs,)."""
    return math.exp(-float(_fisher(len(outcome), int(outcome.sum()), int(holds.sum()))[int((holds & outcome).sum())]))


def _of_ranks(sizes: np.ndarray, sums: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """The rank-sum test, by the normal distribution: its tail as Birnbaum (1942) bounds it."""
    runs, one = len(outcomes), outcomes[:, 0].astype(float)
    spread = np.sqrt(sizes * (runs - sizes) / max(1, runs - 1) * one.var())
    z = np.abs(sums - sizes[:, None] * one.mean()) / np.maximum(spread, np.finfo(float).tiny)[:, None]
    tail = z * z / 2 + np.log((z + np.sqrt(z * z + 4)) / 2 * math.sqrt(2 * math.pi))
    strong: np.ndarray = np.maximum(0.0, tail - math.log(2))
    return strong
