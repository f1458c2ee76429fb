"""How much of a set is tested: a quick part with `make test`, all of it with `make test-all`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

FULL = bool(os.environ.get("SCRAM_FULL"))


def size(full: int, quick: int) -> int:
    return full if FULL else quick


def few(values: Iterable[Any], quick: Callable[[Any], bool]) -> list[Any]:
    """The values of a parameter, of which only those that are `quick` are tested in the quick part."""
    return [value if quick(value) else pytest.param(value, marks=pytest.mark.slow) for value in values]
