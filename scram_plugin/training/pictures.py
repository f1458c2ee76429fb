"""Whether pictures were brought into another order of their axes by `reshape`, which leaves their values where they were."""

from __future__ import annotations

import numpy as np

EXAMPLES = 64  # that are looked at
COLOURS = (3, 4)  # channels of a picture in colour, and of one with transparency
LEAST = 8  # rows and columns of a picture
FARTHER = 0.6  # of the mean square by which neighbours differ: less means that these are the real neighbours; by definition
ALIKE = 1.3  # times: differences that should be the same, but for what was drawn; by definition


def reshaped(x: np.ndarray, channels_first: bool) -> bool:
    """Whether the channels lie as those of the other order do.

    `x`: pictures, shape (examples, channels, height, width), or with the channels last. In a picture, values next to each other
    in a row of one channel differ least. After a `reshape` of (height, width, channels) to (channels, height, width), those
    that are as many places apart as there are channels differ less than those next to each other. After the opposite `reshape`,
    values of two "channels" differ as little as neighbours do, and all pairs of channels alike.
    """
    axis = 1 if channels_first else -1
    if x.ndim != 4 or x.shape[axis] not in COLOURS or x.dtype.kind not in "fiu":
        return False
    channels, sizes = x.shape[axis], (x.shape[2:] if channels_first else x.shape[1:3])
    if min(sizes) < LEAST:
        return False
    values = x[:EXAMPLES].astype(np.float64)
    if not np.isfinite(values).all():
        return False
    if channels_first:
        lines = values.reshape(len(values), channels, -1)
        near = [_difference(lines, n) for n in (*range(1, channels), sizes[1])]  # in a row, and in a column
        return _difference(lines, channels) < FARTHER * min(near)
    lines = values.reshape(len(values), 1, -1)
    squares = (lines[..., 1:] - lines[..., :-1]) ** 2
    each = [float(np.mean(squares[..., at::channels])) for at in range(channels)]
    return max(each) < ALIKE * min(each) and max(each) < FARTHER * _difference(lines, channels)


def _difference(lines: np.ndarray, apart: int) -> float:
    """The mean square of the differences of values that are so many places apart, along the last axis."""
    return float(np.mean((lines[..., apart:] - lines[..., :-apart]) ** 2))
