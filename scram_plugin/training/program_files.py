"""The files of the user's program that have a part in its training, as they may be recorded.

A fix changes lines anywhere: the settings may be in one file, the model in another one. A function or class that no
recorded line mentions has no part in this training: it is left out. Its lines are empty, so that all others keep their
numbers.
"""

from __future__ import annotations

import ast
import difflib
import io
import os
import site
import sys
import sysconfig
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from types import FrameType
from typing import Any

from scram_plugin import schema
from scram_plugin.redaction import redacted
from scram_plugin.training import call_site
from scram_plugin.training.call_site import Roles, lines_of, shown_name
from scram_plugin.training.signatures import signatures

MOST_FILES = 20  # files of one program; source: a hundred programs of strangers have nine at most
MOST_TEXT = 60_000  # characters of all of them; source: about 1,500 lines, more than any of these programs has
MOST_CELLS = 60  # cells of one notebook; source: longer ones begin anew in the middle
ALIKE = 0.5  # share of the lines that two versions of a cell have in common; by definition
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source(
    frame: FrameType, roles: Roles, things: Iterable[type | Callable[..., Any]], names: Collection[str] = ()
) -> dict[str, Any] | None:
    """What is recorded of the program in `frame` (see `call_site.source`), with its files and the signatures of `things`."""
    known = call_site.source(frame, roles, names)
    try:
        return known and {**known, "files": files(frame, names), "signatures": signatures(things)}
    except Exception as error:  # a program that is written as no other
        warnings.warn(f"SCRAM could not record the files of the program ({type(error).__name__}: {error}).", stacklevel=2)
        return known


def files(frame: FrameType, names: Collection[str] = ()) -> list[dict[str, str]]:
    """``[{"file", "text"}]`` of the program in `frame`, that file first; `names` are those of the model's layers.

    Texts in quotes and comments are hidden (`redaction.py`).
    """
    first = frame.f_code.co_filename
    texts = [(shown_name(first), "".join(lines_of(first, frame.f_globals)))]
    texts = cells(texts[0][1], frame.f_globals.get("In")) if texts[0][0] == schema.CELL else texts
    texts += [(shown_name(file), "".join(lines_of(file, {}))) for file in _modules_beside(first)[:MOST_FILES]]
    found: list[tuple[str, str, ast.Module]] = []
    left = MOST_TEXT
    for file, whole in texts:
        text = redacted(whole, names)
        if text and len(text) <= left:
            found.append((file, text, ast.parse(text)))
            left -= len(text)
    kept = _mentioned([tree for _, _, tree in found], _running(frame))
    return [{"file": file, "text": _without(text, tree, kept)} for file, text, tree in found]


def cells(training: str, ran: Any) -> list[tuple[str, str]]:
    """``[("notebook cell 5", text)]`` of a notebook, the cell that trains first; `ran` is what IPython calls `In`.

    Of cells that give values to the same names, and have many lines in common, the last is meant: it was changed, and run
    again.
    """
    texts = [text if isinstance(text, str) and len(text) <= MOST_TEXT else "" for text in ran] if isinstance(ran, list) else []
    same = [number for number, text in enumerate(texts) if text.strip() == training.strip()]
    if not same:
        return [(schema.CELL, training)]
    kept: list[int] = []
    bound: dict[int, frozenset[str]] = {}
    left = MOST_TEXT
    for number in range(len(texts) - 1, 0, -1):
        text = texts[number]
        left -= len(text)
        bound[number] = _given_values(text) if text.strip() and left >= 0 else frozenset()
        again = any(
            text == texts[later] or (bound[number] and bound[number] == bound[later] and _alike(text, texts[later]))
            for later in kept
        )
        if number == same[-1] or (text.strip() and left >= 0 and not again and len(kept) < MOST_CELLS):
            kept.append(number)
    ordered = [same[-1], *(number for number in reversed(kept) if number != same[-1])]
    return [(f"{schema.CELL} {number}", texts[number]) for number in ordered]


def _given_values(text: str) -> frozenset[str]:
    """The names that a cell defines, imports or assigns; empty if it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return frozenset(stored | {n.name for n in nodes if isinstance(n, Definition | ast.alias)})


def _alike(one: str, other: str) -> bool:
    lines = one.strip().splitlines(), other.strip().splitlines()
    return difflib.SequenceMatcher(None, *lines, autojunk=False).ratio() >= ALIKE


def installed() -> tuple[str, ...]:
    """The directories of Python and of installed packages, each with a separator at its end."""
    paths = [*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()]
    return tuple(os.path.abspath(path) + os.sep for path in paths)


def _modules_beside(file: str) -> list[str]:
    """The files of imported modules in or below the directory of a program, without those of installed packages."""
    root = os.path.dirname(os.path.abspath(file)) + os.sep
    skipped = installed()
    found = []
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py"):
            path = os.path.abspath(path)
            if path.startswith(root) and not path.startswith(skipped) and path != os.path.abspath(file):
                found.append(path)
    return sorted(set(found))


def _running(frame: FrameType) -> set[str]:
    """The names of the functions that are running, and of their classes, which code knows from Python 3.11 on.

    The variables of a frame are not looked at: that would keep alive what the program deletes.
    """
    names: set[str] = set()
    above: FrameType | None = frame
    while above is not None:
        names |= set(getattr(above.f_code, "co_qualname", above.f_code.co_name).split("."))
        above = above.f_back
    return names


def _mentioned(trees: Sequence[ast.Module], running: set[str]) -> set[str]:
    """The names of the functions and classes at the top of the files that the rest of the program mentions."""
    definitions = {node.name: node for tree in trees for node in tree.body if isinstance(node, Definition)}
    waiting = [n for tree in trees for n in tree.body if not isinstance(n, Definition)]
    kept = {name for name in definitions if name in running}
    waiting += [definitions[name] for name in kept]
    while waiting:
        names = {
            n.id if isinstance(n, ast.Name) else n.attr
            for n in ast.walk(waiting.pop())
            if isinstance(n, ast.Name | ast.Attribute)
        }
        for name in names & definitions.keys() - kept:
            kept.add(name)
            waiting.append(definitions[name])
    return kept


def _without(text: str, tree: ast.Module, kept: set[str]) -> str:
    """The text with empty lines in the place of the functions and classes at its top that are not kept."""
    lines = io.StringIO(text).readlines()
    for node in tree.body:
        if isinstance(node, Definition) and node.name not in kept:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = ["\n"] * ((node.end_lineno or first) - first + 1)
    return "".join(lines)
