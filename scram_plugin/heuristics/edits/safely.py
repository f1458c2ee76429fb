"""A program that is written as none before may only cost the change of its lines, never the finding."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from scram_plugin.heuristics.edits.edit import Edit

P = ParamSpec("P")


def safely(make: Callable[P, Edit | None]) -> Callable[P, Edit | None]:
    """The function, which warns and gives None where it would raise."""

    @wraps(make)
    def made(*arguments: P.args, **named: P.kwargs) -> Edit | None:
        try:
            return make(*arguments, **named)
        except Exception as error:
            warnings.warn(f"SCRAM could not change the program for a fix ({type(error).__name__}: {error}).", stacklevel=2)
            return None

    return made


def all_safely(names: dict[str, Any]) -> None:
    """Make the public functions of a module safe that give an `Edit`."""
    for name, value in list(names.items()):
        if callable(value) and getattr(value, "__annotations__", {}).get("return") == "Edit | None":
            names[name] = safely(value)
