"""The noise of a curve, estimated from the curve itself."""

from __future__ import annotations

import math

import numpy as np

# The second difference of white noise of standard deviation s has standard deviation sqrt(1 + 4 + 1) * s, and the median
# absolute deviation of a normal variable is s / 1.4826 (Hampel, JASA 69, 1974). Second differences remove any trend that is
# nearly linear over three points.
DEVIATION = 1.4826  # of a normal variable, in median absolute deviations (Hampel, 1974)
_SCALE = float(DEVIATION / np.sqrt(6.0))
MEDIAN = 1.25  # standard error of a median, in standard errors of a mean of normal noise (Kenney & Keeping, 1962)
_FEWEST = 4  # values: fewer have no two second differences; by definition
_NARROW = 9  # largest window for which copies of a short curve are quicker than NumPy's windows; for speed
_AT_ONCE = 1 << 20  # values sorted at once: all windows of ten million points would need gigabytes; for speed
_SHORT = 2000  # values: below that, sorting is quicker than NumPy's median, which has a large fixed cost; for speed


def median(values: np.ndarray) -> float:
    """The median of finite values, as NumPy's, but ten times quicker for short curves, of which there are thousands."""
    count = len(values)
    if not 0 < count <= _SHORT:
        return float(np.median(values))
    ordered = np.sort(values)
    low, high = float(ordered[(count - 1) // 2]), float(ordered[count // 2])
    both = low + high
    return both / 2 if math.isfinite(both) else low / 2 + high / 2  # the sum may be too large for a float


def reflected(values: np.ndarray, count: int) -> np.ndarray:
    """`values`, continued by their mirror image for `count` points beyond both ends (`count` is less than their number)."""
    return np.concatenate([values[count:0:-1], values, values[-2 : -count - 2 : -1]])


def sliding_medians(values: np.ndarray, count: int, every: int = 1) -> np.ndarray:
    """The median of each `count` neighbouring values, shape (len(values) - count + 1,); `every`: of every n-th window only."""
    if count <= _NARROW and len(values) <= _SHORT:
        shifted = [values[i : len(values) - count + 1 + i : every] for i in range(count)]
        ordered = np.sort(np.array(shifted), axis=0)
        return np.asarray((ordered[(count - 1) // 2] + ordered[count // 2]) / 2)
    windows = np.lib.stride_tricks.sliding_window_view(values, count)[::every]
    found = np.empty(len(windows))
    at_once = max(_AT_ONCE // count, 1)
    for start in range(0, len(windows), at_once):
        ordered = np.sort(windows[start : start + at_once], axis=1)
        found[start : start + at_once] = (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2
    return found


def noise(values: np.ndarray) -> float:
    """Standard deviation of the noise of a curve, robust to outliers and trends; 0.0 for fewer than four points."""
    if len(values) < _FEWEST:
        return 0.0
    change = values[1:] - values[:-1]
    return _SCALE * median(np.abs(change[1:] - change[:-1]))


def error_of_difference(noise: float, count: float) -> float:
    """The standard error of the difference of two medians of so many points each, of this noise."""
    return float(MEDIAN * noise * np.sqrt(2 / count))
