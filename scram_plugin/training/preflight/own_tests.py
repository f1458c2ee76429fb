"""The user's own tests: functions of a file whose names begin with ``test_``. Arguments are passed by name.

A test may take ``model``, ``batch`` (a pair of inputs and targets), ``optimizer`` and ``loss`` (a function of a batch that runs
one training step and returns its loss). Each test gets the model as it was before the training.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scram_plugin.errors import BadOption
from scram_plugin.own_code import import_file
from scram_plugin.redaction import in_short, redacted

GIVEN = ("model", "batch", "optimizer", "loss")


def load(path: str | os.PathLike[str]) -> list[tuple[str, int, Callable[..., Any]]]:
    """Name, line and function of each test in a file, in order.

    Raises BadOption if the file cannot be used.
    """
    file = Path(path)
    if not file.is_file():
        raise BadOption(f"{path}: there is no such test file")
    try:
        module = import_file(file)
    except Exception as error:
        raise BadOption(f"{path} cannot be imported: {type(error).__name__}: {error}") from None
    found = []
    for name, function in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(function) and function.__module__ == module.__name__:
            unknown = [p for p in inspect.signature(function).parameters if p not in GIVEN]
            if unknown:
                raise BadOption(f"{path}: {name} takes the argument {unknown[0]!r}; a test may take {', '.join(GIVEN)}")
            found.append((name, function.__code__.co_firstlineno, function))
    if not found:
        raise BadOption(f"{path} has no function whose name begins with test_")
    return sorted(found, key=lambda entry: entry[1])


def given(tests: str | os.PathLike[str] | None) -> tuple[str, list[tuple[str, int, Callable[..., Any]]]] | None:
    """The file that a user gives, with its tests; None if none is given. Raises BadOption like `load`."""
    return None if tests is None else (os.fspath(tests), load(tests))


def run(name: str, line: int, function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Run one test: ``{"name", "line", "passed", "message"}``. After a failure ``line`` is the line that failed."""
    wanted = {p: given[p] for p in inspect.signature(function).parameters}
    try:
        function(**wanted)
    except Exception as error:
        at = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == function.__code__.co_filename]
        said = in_short(error).removeprefix("AssertionError: ")
        if not str(error) and at:
            said = f"{said}{redacted(at[-1].line or '') or ''}"
        return {"name": name, "line": at[-1].lineno if at else line, "passed": False, "message": said}
    return {"name": name, "line": line, "passed": True, "message": ""}
