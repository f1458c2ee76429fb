"""Lets TensorFlow forget the graph of a traced step.

TensorFlow registers a function for each custom gradient that is traced, for good, and the function keeps the whole graph alive:
some megabytes for each training. Keras's own steps cost this too; SCRAM's must not add to it. Once a step is traced, its
backward pass is a part of its graph, and nobody asks for these gradients again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FunctionType
from typing import Any

CUSTOM = "CustomGradient"  # the names of custom gradients begin with it
DEPTH = 4  # function -> function -> list -> tensor


def registered() -> dict[str, Any]:
    """TensorFlow's own mapping of the gradients that it knows, which `forget` changes; empty if it keeps them elsewhere."""
    try:
        from tensorflow.python.framework import ops

        found: dict[str, Any] = ops.gradient_registry._registry
        return found
    except (ImportError, AttributeError):
        return {}


def forget(before: set[str], graph: Any) -> None:
    """Unregister the custom gradients that are not among those `before`, of operations in `graph` itself.

    A function that is called in it has a graph of its own, which others may call and differentiate later.
    """
    known = registered()
    for name in [name for name in known if name.startswith(CUSTOM) and name not in before]:
        if _belongs(known[name].get("type"), graph, DEPTH):
            del known[name]


def _belongs(thing: Any, graph: Any, depth: int) -> bool:
    """Whether a function refers to a tensor of a graph."""
    if getattr(thing, "graph", None) is graph:
        return True
    if depth == 0:
        return False
    inner = thing if isinstance(thing, list | tuple) else _held(thing) if isinstance(thing, FunctionType) else ()
    return any(_belongs(each, graph, depth - 1) for each in inner)


def _held(function: FunctionType) -> Iterator[Any]:
    """What a function refers to in the functions around it."""
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a cell that is empty
            yield cell.cell_contents
