"""Finds where the user's program started a training, and the statements there that build and train the model."""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

MOST_TEXT = 20_000  # characters of source that are recorded for one fit, at most

# packages whose stack frames are not the user's code
FRAMEWORKS = ("keras", "tensorflow", "tf_keras", "torch", "lightning", "pytorch_lightning", "transformers", "accelerate")

Roles = Callable[[ast.Module, int], list[tuple[ast.stmt, str]]]


def user_frame(start: FrameType | None) -> FrameType | None:
    """The first frame, from `start` upwards, that belongs neither to a framework nor to SCRAM; None if there is none.

    It is the frame that called `fit` or `watch`.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    skipped = [own + os.sep]
    for name in FRAMEWORKS:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "__file__", None):
            skipped.append(os.path.dirname(os.path.abspath(str(module.__file__))) + os.sep)
    frame = start
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(tuple(skipped)):
        frame = frame.f_back
    return frame


def source(frame: FrameType, roles: Roles) -> dict[str, Any] | None:
    """``{"file", "line", "statements": [{"role", "line", "text"}]}`` of the program in `frame`; None if its source is unknown.

    `roles(tree, line)` chooses the statements and gives each a role. Only whole statements that begin a line are recorded.
    """
    file, line = frame.f_code.co_filename, frame.f_lineno
    linecache.checkcache(file)  # the cache may hold an earlier version of the file
    lines = linecache.getlines(file, frame.f_globals)
    if not lines:
        return None
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):  # for example a notebook cell with magics
        return {"file": _name(file), "line": line, "statements": []}
    statements, kept = [], 0
    for node, role in roles(tree, line):
        end = node.end_lineno or node.lineno
        text = "".join(lines[node.lineno - 1 : end]).rstrip("\n")
        alone = not "".join(lines[node.lineno - 1 : node.lineno])[: node.col_offset].strip()
        kept += len(text)
        if alone and kept <= MOST_TEXT:
            statements.append({"role": role, "line": node.lineno, "text": text})
    return {"file": _name(file), "line": line, "statements": statements}


def _name(file: str) -> str:
    """The file name to show: relative to the working directory if the file is below it, else as it is."""
    if re.search(r"ipykernel_\d+.\d+\.py$|^<ipython-input", file):
        return "notebook cell"
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return file if relative.startswith("..") else relative


def reached(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The statements that may have built this model.

    They are those of the function that contains line `line` (without one, of the module), and those of the functions and
    classes of this file that they call. Other functions of the file may build another model.
    """
    functions: dict[str, list[ast.AST]] = {}
    for f in ast.walk(tree):
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef):
            functions[f.name] = [f]
    for c in ast.walk(tree):  # a call of a class runs its `__init__`; a call of a model runs `forward`
        if isinstance(c, ast.ClassDef):
            functions[c.name] = [f for f in c.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]
    around = [f for found in functions.values() for f in found if f.lineno <= line <= (f.end_lineno or f.lineno)]  # type: ignore[attr-defined]
    # inside a function only that function counts, since the call does not run the module's own statements again
    waiting: list[ast.AST] = [max(around, key=lambda f: f.lineno)] if around else [tree]  # type: ignore[attr-defined]
    seen: set[str] = set()
    found: list[ast.stmt] = []
    while waiting:
        scope = waiting.pop()
        for node in _own(scope):
            if isinstance(node, ast.stmt):
                found.append(node)
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name in functions and name not in seen:
                seen.add(name)
                waiting.extend(functions[name])
    return found


def _own(scope: ast.AST) -> list[ast.AST]:
    """All nodes of a scope, except the functions defined in it."""
    found, waiting = [], list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node)
            waiting.extend(ast.iter_child_nodes(node))
    return found


def calls(node: ast.AST, name: str) -> bool:
    """Whether `node` contains a call of a function or method with this name."""
    return any(
        isinstance(n, ast.Call) and (n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")) == name
        for n in ast.walk(node)
    )
