"""Whether the target is among the inputs: a column that was left in the table, or a window that reaches too far."""

from __future__ import annotations

import numpy as np

EXAMPLES = 256  # that are looked at
LEAST = 24  # examples: with fewer, a column of two values may agree by chance
MOST_FEATURES = 4_096
SAME = 1e-9  # share of a target's variance that a column leaves unexplained: more than rounding leaves
NEIGHBOURS = 0.8  # mean correlation of neighbouring columns, from which on they are a window of a series


def leak(x: np.ndarray, y: np.ndarray) -> list[int]:
    """The place of the feature that tells the target exactly, but for scale and shift, and the number of features.

    `x`: inputs, shape (examples, features), or (examples, positions, features) in either order of the last two. `y`: one number
    for each example. Of a window of a series only the last position counts: an exact period of an artificial series is no leak.
    Empty where there is no such feature, or only one feature at all, which may be meant to be proportional.
    """
    if x.dtype.kind != "f" or x.ndim not in (2, 3) or len(x) < LEAST or y.size != len(y) or len(x) != len(y):
        return []
    count = int(np.prod(x.shape[1:]))
    if not 1 < count <= MOST_FEATURES or y.dtype.kind not in "iufb":
        return []
    inputs, target = x[:EXAMPLES].astype(np.float64), y[:EXAMPLES].astype(np.float64).reshape(-1)
    places = np.arange(count).reshape(x.shape[1:])
    columns = inputs.reshape(len(inputs), count)
    if not np.isfinite(columns).all() or not np.isfinite(target).all() or np.ptp(target) == 0:
        return []
    if x.ndim > 2:
        first, second = x.shape[1:]
        candidates = places[-1] if first >= second else places[:, -1]  # the longer axis is the time
    else:
        candidates = places[-1:] if _is_window(columns) else places
    found = [int(at) for at in candidates if _explains(columns[:, at], target)]
    return [found[0], count] if found else []


def _explains(column: np.ndarray, target: np.ndarray) -> bool:
    one, other = column - column.mean(), target - target.mean()
    own = float(one @ one)
    return own > 0 and float(np.sum((other - one * (one @ other) / own) ** 2)) <= SAME * float(other @ other)


def _is_window(columns: np.ndarray) -> bool:
    spread = columns.std(axis=0)
    moving = columns[:, spread > 0]
    if moving.shape[1] < 2:
        return False
    scaled = (moving - moving.mean(axis=0)) / moving.std(axis=0)
    return float(np.mean(scaled[:, 1:] * scaled[:, :-1])) > NEIGHBOURS
