"""The same random numbers in the two runs that are compared, and others in each further pair of runs.

A program that sets no seed gets one. To each seed that it sets the number of the pair is added, so that the first pair runs
with the program's own. Generators that have been given as objects, and `random_state` of scikit-learn, stay as they are.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np

UNSEEDED = 1  # for a program that sets no seed; any number would do


class Seeds:
    """Adds `offset` to each seed from now on."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        random.seed(UNSEEDED + offset)
        np.random.seed(UNSEEDED + offset)
        self._made = 0  # generators without a seed
        self._shift(random, "seed", "a")
        self._shift(np.random, "seed", "seed")
        original = np.random.default_rng

        @functools.wraps(original)
        def default_rng(seed: Any = None) -> Any:
            if seed is None:  # drawn from the system otherwise, and so different in each run
                self._made += 1
                return original([UNSEEDED + offset, self._made])
            return original(self._moved(seed))

        np.random.default_rng = default_rng

    def keras(self) -> None:
        """Keras has been imported."""
        import keras

        keras.utils.set_random_seed(UNSEEDED)  # calls `random.seed` and others, which are shifted
        self._shift(keras.utils, "set_random_seed", "seed")

    def tensorflow(self) -> None:
        """TensorFlow has been imported."""
        import tensorflow as tf

        tf.random.set_seed(UNSEEDED + self._offset)
        self._shift(tf.random, "set_seed", "seed")

    def torch(self) -> None:
        """PyTorch has been imported."""
        import torch

        torch.manual_seed(UNSEEDED + self._offset)
        self._shift(torch, "manual_seed", "seed")
        if not self._offset:
            return
        moved = self._moved

        class Generator(torch.Generator):
            """A generator whose seeds are shifted."""

            def manual_seed(self, seed: int) -> Any:
                return super().manual_seed(moved(seed))

        torch.Generator = Generator

    def _moved(self, seed: Any) -> Any:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            return seed
        return int(seed) + self._offset

    def _shift(self, owner: Any, name: str, parameter: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(original)
        def shifted(*args: Any, **kwargs: Any) -> Any:
            if args:
                args = (self._moved(args[0]), *args[1:])
            elif parameter in kwargs:
                kwargs[parameter] = self._moved(kwargs[parameter])
            return original(*args, **kwargs)

        setattr(owner, name, shifted)
