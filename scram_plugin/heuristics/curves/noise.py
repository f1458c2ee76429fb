"""The noise of a curve, estimated from the curve itself, and smoothing that fits it."""

from __future__ import annotations

import numpy as np

# The second difference of white noise of standard deviation s has standard deviation sqrt(1 + 4 + 1) * s, and the median
# absolute deviation of a normal variable is s / 1.4826 (Hampel, JASA 69, 1974). Second differences take out any trend that
# is close to straight over three points.
_SCALE = 1.4826 / np.sqrt(6.0)


def noise(values: np.ndarray) -> float:
    """Standard deviation of the noise of a curve, robust to outliers and trends; 0.0 for fewer than four points."""
    if len(values) < 4:
        return 0.0
    return float(_SCALE * np.median(np.abs(np.diff(values, 2))))


def smooth(values: np.ndarray) -> np.ndarray:
    """Running median over a tenth of the curve, at least three and at most 101 points.

    A median leaves steps (a drop of the learning rate) where they are and ignores single spikes; the ends have the value
    of the nearest full window, so that one last point out of line is no trend.
    """
    half = min(max(1, len(values) // 20), 50)
    if len(values) < 2 * half + 1:
        return np.full(len(values), np.median(values)) if len(values) else values.astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(values.astype(float), 2 * half + 1)
    return np.pad(np.median(windows, axis=1), half, mode="edge")


def condense(values: np.ndarray, most: int = 4000) -> tuple[np.ndarray, int]:
    """A curve of at most about `most` points, medians of blocks, and the length of a block (1: the curve as it is)."""
    block = -(-len(values) // most)
    if block <= 1:
        return values, 1
    whole = len(values) // block * block
    return np.median(values[:whole].reshape(-1, block), axis=1), block
