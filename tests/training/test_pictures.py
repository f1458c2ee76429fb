"""Pictures whose axes were exchanged by `reshape`, which leaves the values where they were; and sound ones."""

import numpy as np
import pytest

from scram_plugin.training import pictures

RANDOM = np.random.default_rng(0)


def reshaped(x, channels_first):
    part = pictures.corner(x, channels_first)
    return part is not None and pictures.reshaped(part, channels_first)


def scenes(count=32, size=24, channels=3, noise=0.05):
    """Discs of one colour before another, with noise: (examples, height, width, channels)."""
    at = np.arange(size)
    middles, radii = RANDOM.uniform(6, size - 6, (count, 2)), RANDOM.uniform(3, 8, count)
    apart = (at[None, :, None] - middles[:, :1, None]) ** 2 + (at[None, None, :] - middles[:, 1:, None]) ** 2
    inside = (apart < radii[:, None, None] ** 2)[..., None]
    front, behind = RANDOM.random((2, count, 1, 1, channels))
    return np.where(inside, front, behind) + RANDOM.normal(0, noise, (count, size, size, channels))


def stripes(period, size=24, count=32):
    """Upright stripes, each picture with its own colours and phases."""
    phase = RANDOM.integers(0, period, (count, 1, 1, 1))
    there = (np.arange(size)[None, None, :, None] + phase) % period == 0
    return np.repeat(there, size, axis=1) * RANDOM.random((count, 1, 1, 3))


def as_first(x):
    count, height, width, channels = x.shape
    return x.reshape(count, channels, height, width)


def as_last(x):
    count, channels, height, width = x.shape
    return x.reshape(count, height, width, channels)


def test_the_axes_of_pictures():
    last = scenes()
    first = last.transpose(0, 3, 1, 2)
    assert reshaped(as_first(last), True)
    assert reshaped(as_last(np.ascontiguousarray(first)), False)
    assert not reshaped(first, True)
    assert not reshaped(last, False)


SOUND = {
    "noise": RANDOM.random((32, 24, 24, 3)),
    "one colour each": np.ones((32, 24, 24, 1)) * RANDOM.random((32, 1, 1, 3)),
    "grey": np.repeat(scenes(channels=1), 3, axis=-1),
    "nearly grey": np.repeat(scenes(channels=1, noise=0.0), 3, axis=-1) + RANDOM.normal(0, 0.02, (32, 24, 24, 3)),
    "enlarged": scenes(size=16).repeat(3, axis=1).repeat(3, axis=2),
    "stripes of two": stripes(2),
    "stripes of three": stripes(3),
    "stripes of three, upright and level": stripes(3) + stripes(3).swapaxes(1, 2),
    "patches of neighbours": scenes(size=96, channels=1).reshape(32, 96, 32, 3)[:, ::2],
    "stripes of four": stripes(4),
    "stripes of five": stripes(5),
    "black": np.zeros((32, 24, 24, 3)),
    "whole numbers": (scenes() * 255).clip(0, 255).astype("uint8"),
}


@pytest.mark.parametrize("kind", SOUND)
def test_pictures_of_other_kinds(kind):
    assert not reshaped(SOUND[kind], False)
    assert not reshaped(np.ascontiguousarray(SOUND[kind].transpose(0, 3, 1, 2)), True)


@pytest.mark.parametrize(
    "shape", [(32, 24, 24), (32, 24, 24, 2), (32, 24, 24, 4), (32, 8, 40, 3), (32, 4, 4, 3), (32, 24, 24, 16)]
)
def test_what_is_no_picture_in_colour(shape):
    assert not reshaped(np.zeros(shape), False)


def test_values_that_are_not_finite():
    x = as_first(scenes())
    x[0, 0, 0, 0] = np.nan
    assert not reshaped(x, True)
