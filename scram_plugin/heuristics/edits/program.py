"""The user's program as the log holds it, and changes of it.

`facts["source"]` is ``{"file", "line", "statements": [{"role", "line", "text"}], "files": [{"file", "text"}],
"signatures": {name: [argument]}}``, see
`training/call_site.py`. Logs of earlier versions hold single statements and no files.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from scram_plugin import schema
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.words import is_known

BLOCK = "if 1:"  # stands for the line that begins a block, where that was not recorded; by definition
CELL = re.compile(rf"{schema.CELL} \d{{1,6}}")
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BINDING = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping),
)


class Piece(NamedTuple):
    """A piece of the program: a node of its tree, and the file that it is in."""

    source: SourceFile
    node: Any

    @property
    def text(self) -> str:
        return self.source.of(self.node)


class Change(NamedTuple):
    """Put `new` in the place of a part of a file's text."""

    source: SourceFile
    start: int
    end: int
    new: str


class Code:
    """All files of one program; the first one has the training.

    `signatures`: class -> names of the arguments that it took in the version that ran, where that was recorded. `whole`: its
    files are known, and not single statements alone.
    """

    def __init__(
        self, sources: Sequence[SourceFile], line: int, signatures: Mapping[str, Sequence[str]], whole: bool = True
    ) -> None:
        self.sources, self.line, self.signatures, self.whole = tuple(sources), line, signatures, whole

    @cached_property
    def main(self) -> SourceFile | None:
        return self.sources[0] if self.sources else None

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[Piece]:
        """All nodes of some kinds, in the order in which they are written."""
        for source in self.sources:
            yield from (Piece(source, node) for node in _in_order(source) if isinstance(node, kinds))

    @cached_property
    def names(self) -> frozenset[str]:
        """All names that the program uses."""
        return frozenset(piece.node.id for piece in self.nodes(ast.Name))

    def definitions(self, name: str) -> Sequence[Piece]:
        """The functions and classes with this name, anywhere in the program."""
        return self._definitions.get(name, ())

    @cached_property
    def _definitions(self) -> dict[str, list[Piece]]:
        found: dict[str, list[Piece]] = {}
        for source in self.sources:
            for node in source.nodes:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    found.setdefault(node.name, []).append(Piece(source, node))
        return found

    def calls(self, *names: str) -> Iterator[Piece]:
        """Calls of functions, methods and classes with these names, as they were called where they are defined."""
        for name in names:
            yield from self._calls.get(name, ())

    @cached_property
    def _calls(self) -> dict[str, list[Piece]]:
        found: dict[str, list[Piece]] = {}
        for place in self.nodes(ast.Call):
            found.setdefault(self.called(place), []).append(place)
        return found

    def called(self, place: Piece) -> str:
        """The last name of what a call calls: ``Adam`` for ``keras.optimizers.Adam(...)``; "" if it is not a call by name."""
        return (
            self.full_name(Piece(place.source, place.node.func)).rpartition(".")[2] if isinstance(place.node, ast.Call) else ""
        )

    def full_name(self, place: Piece) -> str:
        """``keras.layers.Dense`` for ``tf.keras.layers.Dense``, ``layers.Dense`` or ``Dense``, by what the file imports.

        Of other names, what is written; "" if it is no name.
        """
        parts: list[str] = []
        node = place.node
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return parts[0] if parts else ""
        root = imported(place.source).get(node.id, node.id)
        return ".".join([root, *reversed(parts)])

    def edit(self, changes: Iterable[Change | None]) -> Edit | None:
        """The edit that makes all these changes; None if one of them is None, if it brings in anything that is neither in the
        program nor in a template of SCRAM (`words.py`), or if the result is not a program that is sure to run: it must be
        Python, must differ, and must not use a name that is bound nowhere."""
        by_file: dict[str, list[Change]] = {}
        sources: dict[str, SourceFile] = {}
        for change in changes:
            if change is None or not is_known(change.new, (source.text for source in self.sources)):
                return None
            by_file.setdefault(change.source.file, []).append(change)
            sources[change.source.file] = change.source
        hunks: list[Edit] = []
        main: Edit | None = None  # where the first change is: what else is needed, such as an import, comes after it
        for file, made in by_file.items():
            source, after = sources[file], _changed(sources[file], made)
            if after is None:
                return None
            here = list(_hunks(source, after))
            if main is None and here:
                line = source.line_at(made[0].start) + 1
                main = min(here, key=lambda h: (not h.line <= line <= h.line + h.before.count("\n"), abs(h.line - line)))
                main = _placed(source, main)
            hunks += [_placed(source, hunk) for hunk in here]
        if main is None or not (self.whole or all(map(_is_recorded, hunks))):
            return None
        return Edit(main.file, main.line, main.before, main.after, tuple(h for h in hunks if h != main))


def program(facts: Mapping[str, Any]) -> Code:
    """The program that a log tells of; without files, if it tells of none."""
    try:
        source = facts.get("source") or {}
        files = tuple((str(f["file"]), str(f["text"])) for f in source.get("files") or ())
        if not files:
            entries = [(int(s["line"]), str(s["text"])) for s in source.get("statements") or ()]
            files = ((str(source.get("file")), _from_statements(entries)),) if entries else ()
        signatures = {name: tuple(arguments) for name, arguments in (source.get("signatures") or {}).items()}
        return _parsed(files, int(source.get("line") or 0), tuple(sorted(signatures.items())), bool(source.get("files")))
    except (KeyError, TypeError, ValueError, AttributeError):  # no facts of the recorder
        return Code((), 0, {})


@lru_cache(maxsize=8)  # a review has several edits of one program, and a sweep many reviews
def _parsed(
    files: tuple[tuple[str, str], ...], line: int, signatures: tuple[tuple[str, tuple[str, ...]], ...], whole: bool
) -> Code:
    sources = []
    named, line = _joined(files, line)
    for file, text, cells in named:
        try:
            sources.append(SourceFile(file, text, cells))
        except NOT_PYTHON:
            continue
    return Code(sources, line, dict(signatures), whole)


def _joined(files: Sequence[tuple[str, str]], line: int) -> tuple[list[tuple[str, str, dict[int, str] | None]], int]:
    """The files, and the line of the training in the first one. The cells of a notebook are one file: one below the other, with
    the number of lines before each. Empty lines between them keep the changes of two cells apart."""
    cells = sorted((f for f in files if CELL.fullmatch(f[0])), key=lambda f: int(f[0].rpartition(" ")[2]))
    rest = [(file, text, None) for file, text in files if (file, text) not in cells]
    if not cells:
        return [*rest], line
    text, starts = "", dict[int, str]()
    for name, cell in cells:
        starts[text.count("\n")] = name
        text += cell.rstrip("\n") + "\n\n\n"
    return [("notebook", text, starts), *rest], line + next(start for start, name in starts.items() if name == files[0][0])


def _placed(source: SourceFile, hunk: Edit) -> Edit:
    """A change of a notebook as one of the cell that it is in."""
    file, line = source.place(hunk.line)
    return replace(hunk, file=file, line=line)


def _from_statements(entries: Sequence[tuple[int, str]]) -> str:
    """A text in which each statement stands on its own line, with its own indentation.

    In front of one that is indented, ``if 1:`` stands for the line that begins its block, which was not recorded.
    """
    known: list[tuple[int, str, list[str]]] = []
    for line, text in sorted(entries):
        rows = text.split("\n")
        if rows and rows[0].strip() and (not known or line >= known[-1][0] + len(known[-1][2])):
            known.append((line, rows[0][: len(rows[0]) - len(rows[0].lstrip(" \t"))], rows))
    written: dict[int, str] = {}
    blocks = [""]
    at = 1
    for i, (line, indent, rows) in enumerate(known):
        while blocks[-1] != indent and len(blocks) > 1 and len(blocks[-1]) >= len(indent):
            blocks.pop()
        if blocks[-1] != indent:
            coming = itertools.takewhile(lambda k, base=blocks[-1]: len(k[1]) > len(base), known[i:])  # type: ignore[misc]
            deeper = sorted({k[1] for k in coming if len(k[1]) <= len(indent)}, key=len)
            if line - len(deeper) < at:
                continue
            for j, inner in enumerate(deeper):
                written[line - len(deeper) + j] = f"{blocks[-1]}{BLOCK}"
                blocks.append(inner)
        try:
            ast.parse("\n".join(rows).lstrip(" \t"))
        except NOT_PYTHON:
            continue
        for j, row in enumerate(rows):
            written[line + j] = row
        at = line + len(rows)
    if not written:
        return ""
    return "\n".join(written.get(line, "") for line in range(1, max(written) + 1)) + "\n"


@lru_cache(maxsize=32)
def imported(source: SourceFile) -> dict[str, str]:
    """The names that a file imports, and what they are: ``{"layers": "keras.layers"}``."""
    found: dict[str, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = usual(name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = "." * node.level + (node.module or "")
                found[alias.asname or alias.name] = usual(
                    f"{module}{'' if module.endswith('.') or not module else '.'}{alias.name}"
                )
    return found


def usual(name: str) -> str:
    """A full name with one spelling of Keras: ``keras.layers`` for ``tensorflow.keras.layers``."""
    for prefix in ("tensorflow.keras", "tensorflow.python.keras", "tf_keras", "keras.api", "keras.src"):
        if name == prefix or name.startswith(prefix + "."):
            return "keras" + name[len(prefix) :]
    return name


@lru_cache(maxsize=32)
def _in_order(source: SourceFile) -> tuple[ast.AST, ...]:
    nodes = [n for n in source.nodes if isinstance(n, ast.expr | ast.stmt)]
    return tuple(sorted(nodes, key=lambda n: (n.lineno, n.col_offset)))


def _changed(source: SourceFile, changes: Sequence[Change]) -> str | None:
    """The text of a file after changes; None if they overlap, or if the result is no sound Python (see `Code.edit`)."""
    ordered = sorted(dict.fromkeys(changes), key=lambda c: (c.start, c.end))
    if any(b.start < a.end for a, b in itertools.pairwise(ordered)):
        return None
    after, at = "", 0
    for change in ordered:
        after += source.text[at : change.start] + change.new
        at = change.end
    after += source.text[at:]
    try:
        tree = ast.parse(after)
    except NOT_PYTHON:
        return None
    before = {n.id for n in source.nodes if isinstance(n, ast.Name)}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} - before
    first, now = _first_lines(source.tree), _first_lines(tree)
    early = {name for name, (use, value) in now.items() if use < value < sys.maxsize}
    # names that were used so before, or that this scope gets from elsewhere
    known = {name for name, (use, value) in first.items() if use < value}
    return after if used <= _bound(tree) | set(dir(builtins)) and early <= known else None


def _first_lines(tree: ast.AST) -> dict[tuple[str, ...], tuple[int, int]]:
    """The names of each scope, after the scopes that they stand in: the first line that uses one, and the first that gives it a
    value; `sys.maxsize` for none."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    todo: list[tuple[tuple[str, ...], ast.AST]] = [((), tree)]
    while todo:
        path, scope = todo.pop()
        elsewhere: set[str] = set()
        for node in _own_nodes(scope):
            if isinstance(node, ast.Global | ast.Nonlocal):
                elsewhere.update(node.names)
            if isinstance(node, SCOPES):
                todo.append(((*path, getattr(node, "name", "lambda")), node))
            for name, is_use in _named(node):
                use, value = found.get((*path, name), (sys.maxsize, sys.maxsize))
                line = getattr(node, "lineno", 0)
                found[(*path, name)] = (min(use, line), value) if is_use else (use, min(value, line))
        for name in elsewhere:
            found.pop((*path, name), None)
    return found


def _named(node: ast.AST) -> list[tuple[str, bool]]:
    """The names that a node itself uses (true), or gives a value."""
    if isinstance(node, ast.Name):
        return [(node.id, isinstance(node.ctx, ast.Load))]
    if isinstance(node, ast.arg):
        return [(node.arg, False)]
    if isinstance(node, ast.alias):
        return [((node.asname or node.name).partition(".")[0], False)]
    name = getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None)
    return [(name, False)] if isinstance(node, BINDING) and name else []


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope. Of a function in it these are its decorators and defaults, of a class its bases; names that a
    comprehension gives itself are left out."""
    inside: Any = scope.body if isinstance(scope, SCOPES) else list(ast.iter_child_nodes(scope))
    todo: list[ast.AST] = [*([scope.args] if isinstance(scope, FUNCTIONS) else []), *_listed(inside)]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.arguments):
            todo += [*node.posonlyargs, *node.args, *node.kwonlyargs, *filter(None, (node.vararg, node.kwarg))]
        elif isinstance(node, FUNCTIONS):
            todo += [*getattr(node, "decorator_list", []), *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.ClassDef):
            todo += [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, COMPREHENSIONS):
            own = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            todo += [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in own]
        elif not isinstance(node, ast.arg):
            todo += ast.iter_child_nodes(node)


def _listed(body: Any) -> list[ast.AST]:
    return body if isinstance(body, list) else [body]  # of a lambda it is an expression


def _bound(tree: ast.AST) -> set[str]:
    """All names that get a value somewhere in a program."""
    return {name for node in ast.walk(tree) for name, is_use in _named(node) if not is_use}


def _is_recorded(hunk: Edit) -> bool:
    """Whether a change is one of statements that were recorded, and not of the lines between them."""
    return all(line.strip() not in ("", BLOCK) for line in hunk.before.split("\n"))


def _hunks(source: SourceFile, after: str) -> Iterator[Edit]:
    """The lines that differ, each stretch as an edit, which has lines before and after: where lines are only added or
    removed, it has one beside them."""
    old, new = source.text.split("\n"), after.split("\n")
    found: list[list[int]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if found and a - found[-1][1] <= 1:
            found[-1][1], found[-1][3] = b, d
        else:
            found.append([a, b, c, d])
    for a, b, c, d in found:
        first = source.place(a + 1)[1] == 1  # of a cell: the line before it is in another one
        if (a == b or c == d) and b < len(old) and (old[b].strip() or not a or (first and a == b)):
            b, d = b + 1, d + 1
        elif (a == b or c == d) and not first:
            a, c = a - 1, c - 1
        yield Edit(source.file, a + 1, "\n".join(old[a:b]), "\n".join(new[c:d]))
