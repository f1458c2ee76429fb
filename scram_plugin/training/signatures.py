"""The arguments that classes and functions take in the versions that run, so that no fix gives them another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

MOST_SIGNATURES = 100  # of one program; source: the largest program of strangers has 31 classes in its model


def signatures(things: Iterable[type | Callable[..., Any]]) -> dict[str, list[str]]:
    """Name -> the arguments that it takes, in their order; what takes any is left out."""
    found: dict[str, list[str]] = {}
    for thing in things:
        taken = _of_class(thing) if isinstance(thing, type) else _of_function(thing)
        if taken is not None and len(found) < MOST_SIGNATURES:
            found[thing.__name__] = taken
    return found


def _of_function(function: Callable[..., Any]) -> list[str] | None:
    names, more = _taken(function)
    return None if more else [name for name in names if name != "self"]


def _of_class(kind: type) -> list[str] | None:
    """Those of `__init__`, and of the classes above it, for as long as one hands on what it does not know."""
    names: list[str] = []
    for above in kind.__mro__[:-1]:
        if "__init__" in vars(above):
            own, more = _taken(above.__init__)  # type: ignore[misc]
            names += [name for name in own[1:] if name not in names]
            if not more:
                return names
    return names if kind.__module__.partition(".")[0] == "keras" else None  # Keras refuses what no class above knows


def _taken(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """The names of the arguments, and whether a function takes others, too."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [], True
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [p.name for p in parameters if p.kind not in several], any(p.kind is p.VAR_KEYWORD for p in parameters)
