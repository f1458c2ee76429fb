"""Tests of the user's own: functions of a file whose names begin with ``test_``, called with what they ask for by name.

They may ask for ``model``, ``batch`` (a pair of inputs and targets), ``optimizer`` and ``loss`` (a function of a batch, which
gives the loss of one step and makes it). Each gets the model as it was before the training.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

GIVEN = ("model", "batch", "optimizer", "loss")


def load(path: str | os.PathLike[str]) -> list[tuple[str, int, Callable[..., Any]]]:
    """Name, line and function of each test in a file, in their order. Raises ValueError, with a sentence, for a file that
    cannot be used."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{path}: there is no such file of tests")
    spec = importlib.util.spec_from_file_location(f"scram_tests_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from None
    found = []
    for name, function in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(function) and function.__module__ == module.__name__:
            unknown = [p for p in inspect.signature(function).parameters if p not in GIVEN]
            if unknown:
                raise ValueError(f"{path}: {name} asks for {unknown[0]!r}; a test may ask for {', '.join(GIVEN)}")
            found.append((name, function.__code__.co_firstlineno, function))
    if not found:
        raise ValueError(f"{path} has no function whose name begins with test_")
    return sorted(found, key=lambda entry: entry[1])


def run(name: str, line: int, function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """What came of one test: ``{"name", "line", "passed", "message"}``, the line that of the failure."""
    wanted = {p: given[p] for p in inspect.signature(function).parameters}
    try:
        function(**wanted)
    except Exception as error:
        at = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == function.__code__.co_filename]
        text = (at[-1].line or "") if at else ""
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        message = f"{kind}{error}" if str(error) else f"{kind}{text}"
        return {"name": name, "line": at[-1].lineno if at else line, "passed": False, "message": message[:500]}
    return {"name": name, "line": line, "passed": True, "message": ""}
