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
    """Running median over a tenth of the curve, at least three points; shorter windows towards the ends.

    A median leaves steps (a drop of the learning rate) where they are and ignores single spikes.
    """
    half = max(1, len(values) // 20)
    padded = np.pad(values.astype(float), half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.nanmedian(windows, axis=1)
