"""Which classes and functions are of Keras, and which of the user."""

from __future__ import annotations

from typing import Any


def of_keras(thing: Any) -> bool:
    """Whether a class, a function, or the class of an object is part of Keras."""
    return str(getattr(thing, "__module__", "")).startswith("keras.")
