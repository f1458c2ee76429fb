"""Finds where the user's program started a training, and the statements there that build and train the model."""

from __future__ import annotations

import ast
import io
import linecache
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from types import FrameType
from typing import Any

from scram_plugin import schema
from scram_plugin.redaction import redacted

OFF = "SCRAM_SOURCE"  # this variable of the environment, set to 0, turns recording of source off
MOST_TEXT = 20_000  # characters of source that are recorded for one fit, at most

# packages whose stack frames are not the user's code
FRAMEWORKS = (
    *(
        "keras",
        "tensorflow",
        "tf_keras",
        "torch",
        "lightning",
        "pytorch_lightning",
        "transformers",
        "accelerate",
        "trl",
        "peft",
    ),
    *("stable_baselines3", "sb3_contrib", "ultralytics"),
)

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


def _is_recorded() -> bool:
    """Whether source may be recorded on this machine."""
    return os.environ.get(OFF, "").strip().lower() not in ("0", "false", "no", "off")


def source(frame: FrameType, roles: Roles, names: Collection[str] = ()) -> dict[str, Any] | None:
    """``{"file", "line", "statements": [{"role", "line", "text"}]}`` of the program in `frame`; None if its source is unknown.

    `roles(tree, line)` chooses the statements and gives each a role; `names` are those of the model's layers. Only whole
    statements that have their lines for themselves are recorded, with texts in quotes and comments hidden (`redaction.py`).
    """
    if not _is_recorded():
        return None
    file, line = frame.f_code.co_filename, frame.f_lineno
    lines = lines_of(file, frame.f_globals)
    if not lines:
        return None
    read = _read(lines, names)
    if read is None:
        return {"file": shown_name(file), "line": line, "statements": []}
    tree, shown = read
    statements, kept = [], 0
    for node, role in roles(tree, line):
        text = _text(node, lines, shown)
        kept += len(text or "")
        if text is not None and kept <= MOST_TEXT:
            statements.append({"role": role, "line": node.lineno, "text": text})
    return {"file": shown_name(file), "line": line, "statements": statements}


def definition(thing: Any) -> str | None:
    """The source of a function or a class, as it may be recorded; None if it is not known."""
    code = getattr(thing, "__code__", None)
    file = code.co_filename if code is not None else getattr(sys.modules.get(thing.__module__), "__file__", None)
    lines = lines_of(file, {}) if file and _is_recorded() else []
    read = _read(lines, ())
    if read is None:
        return None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef) if code is not None else (ast.ClassDef,)
    for node in ast.walk(read[0]):
        if isinstance(node, kinds) and node.name == thing.__name__:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if code is None or code.co_firstlineno in (first, node.lineno):
                return _text(node, lines, read[1])
    return None


def lines_of(file: str, known: dict[str, Any]) -> list[str]:
    linecache.checkcache(file)  # the cache may hold an earlier version of the file
    return linecache.getlines(file, known)


def _read(lines: Sequence[str], names: Collection[str]) -> tuple[ast.Module, list[str]] | None:
    """The tree of a program, and its lines as they may be recorded; None if it is no Python, as a cell with magics."""
    try:
        tree, hidden = ast.parse("".join(lines)), redacted("".join(lines), names)
    except (SyntaxError, ValueError, RecursionError):
        return None
    shown = io.StringIO(hidden).readlines() if hidden is not None else []
    return (tree, shown) if len(shown) == len(lines) else None


def _text(node: ast.stmt, lines: Sequence[str], shown: Sequence[str]) -> str | None:
    """The lines of a statement as they may be recorded; None if another statement has a part of these lines."""
    end = node.end_lineno or node.lineno
    before = lines[node.lineno - 1].encode()[: node.col_offset].decode().strip()
    after = lines[end - 1].encode()[node.end_col_offset :].decode().strip()
    return None if before or (after and not after.startswith("#")) else "".join(shown[node.lineno - 1 : end]).rstrip("\n")


def shown_name(file: str) -> str:
    """The file name to show: relative to the working directory if the file is below it; else without its directories, which may
    tell the name of a person. So also where the working directory is one such as `/home`, which has those of all below it."""
    if re.search(r"ipykernel_\d+.\d+\.py$|^<ipython-input", file):
        return schema.CELL
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    here = os.path.realpath(".")
    shared = here.count(os.sep) < 2 and here != os.path.realpath(os.path.expanduser("~"))
    return os.path.basename(file) if relative.startswith("..") or shared else relative


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
