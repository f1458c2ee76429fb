"""Whether pictures were brought into another order of their axes by `reshape`, which leaves their values where they were."""

from __future__ import annotations

from typing import Any

import numpy as np

EXAMPLES, SIDE = 32, 64  # that are looked at, and rows and columns of each
AXES, COLOURS = 4, 3  # of pictures: examples, height, width and channels; and how many channels
LEAST = 8  # rows and columns of a picture
LONGEST = 2  # times its width is its height, or the reverse
FARTHER = 0.6  # of the mean square by which neighbours differ: less means that these are the real neighbours; by definition
GROWS = 1.2  # times: values twice as far apart differ more in a picture, and do not in a pattern that repeats; by definition
ALIKE = 1.3  # times: differences that should be the same, but for what was drawn; by definition


def corner(x: Any, channels_first: bool) -> Any | None:
    """The part of an array or tensor that is looked at; None where it has no pictures in colour.

    `x`: shape (examples, channels, height, width), or with the channels last.
    """
    if len(x.shape) != AXES or x.shape[1 if channels_first else -1] != COLOURS:
        return None
    height, width = x.shape[2:] if channels_first else x.shape[1:3]
    if min(height, width) < LEAST or max(height, width) > LONGEST * min(height, width):
        return None
    return x[:EXAMPLES, :, :SIDE, :SIDE] if channels_first else x[:EXAMPLES, :SIDE, :SIDE]


def reshaped(part: np.ndarray, channels_first: bool) -> bool:
    """Whether the channels of pictures, as `corner` gives them, lie as those of the other order do.

    In a picture, values next to each other
    in a row of one channel differ least. After a `reshape` of (height, width, channels) to (channels, height, width), those
    that are as many places apart as there are channels differ less than those next to each other. After the opposite `reshape`,
    values of two "channels" differ as little as neighbours do, and all pairs of channels alike.
    """
    if part.dtype.kind not in "fiu":
        return False
    values = part.astype(np.float64)
    if not np.isfinite(values).all():
        return False
    rows = values if channels_first else values.reshape(*values.shape[:2], -1)
    far = _difference(rows, COLOURS)
    if far == 0 or _difference(rows, 2 * COLOURS) < GROWS * far:
        return False
    if channels_first:
        return far < FARTHER * min(*(_difference(rows, n) for n in range(1, COLOURS)), _difference(rows.swapaxes(2, 3), 1))
    squares = (rows[..., 1:] - rows[..., :-1]) ** 2
    each = [float(np.mean(squares[..., at::COLOURS])) for at in range(COLOURS)]
    return max(each) < ALIKE * min(each) and max(each) < FARTHER * far


def _difference(rows: np.ndarray, apart: int) -> float:
    """The mean square of the differences of values that are so many places apart, along the last axis."""
    return float(np.mean((rows[..., apart:] - rows[..., :-apart]) ** 2))
