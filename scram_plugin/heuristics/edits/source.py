"""A file of the user's program as the log holds it: its text, its syntax tree, and where each node of the tree is in the text.

A change replaces a part of the text, so every space and comment that is not in that part stays. The user's code is only parsed
here, never run or imported.
"""

from __future__ import annotations

import ast
import io
import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = Function | ast.Lambda | ast.ClassDef | ast.Module
FUNCTIONS_AND_CLASSES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class SourceFile:
    """Raises SyntaxError, ValueError, RecursionError or MemoryError for a text that is no Python.

    The text of a notebook is that of its cells, one below the other; `cells` are their names, by the number of lines before.
    """

    def __init__(self, file: str, text: str, cells: Mapping[int, str] | None = None) -> None:
        self.file, self.text, self._cells = file, text, cells or {0: file}
        self.tree = ast.parse(text)
        self.lines = io.StringIO(text).readlines()  # as Python counts them
        self._starts = [0, *itertools.accumulate(map(len, self.lines))]

    @property
    def is_notebook(self) -> bool:
        return len(self._cells) > 1

    def place(self, line: int) -> tuple[str, int]:
        """The file, or the cell, that a line is in, and its number there; from 1."""
        before = max(start for start in self._cells if start < line)
        return self._cells[before], line - before

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree, as `ast.walk` gives them."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that a node is in, innermost first."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that a node is in, or is."""
        return next(n for n in itertools.chain((node,), self.around(node)) if isinstance(n, ast.stmt))

    def scope(self, node: ast.AST) -> Scope:
        """The innermost function, class or module that a node is in."""
        for above in self.around(node):
            if isinstance(above, FUNCTIONS_AND_CLASSES):
                return above
        return self.tree

    def enclosing_class(self, node: ast.AST) -> ast.ClassDef | None:
        return next((n for n in self.around(node) if isinstance(n, ast.ClassDef)), None)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node is in the text."""
        ends = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        start, end = (self._offset(line, column) for line, column in ends)
        return start, end

    def of(self, node: ast.AST) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def indent(self, statement: ast.stmt) -> str:
        """What is in front of a statement on its line."""
        return self.text[self._starts[statement.lineno - 1] : self.span(statement)[0]]

    def between(self, node: ast.expr) -> str:
        """What stands between an element of a list and the next one: the end of the line, where the element begins one."""
        start = self.span(node)[0]
        line = self.text.rfind("\n", 0, start) + 1
        lead = self.text[line:start]
        return f",\n{lead}" if line and not lead.strip() else ", "

    def rows(self, statement: ast.stmt) -> tuple[int, int] | None:
        """Where the lines of a statement are, with their ends; None if another statement has a part of them."""
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        last = statement.end_lineno or statement.lineno
        start, end = self.span(statement)
        before, after = self.text[self._starts[first - 1] : start], self.text[end : self._starts[last]]
        if (first == statement.lineno and before.strip()) or (after.strip() and not after.strip().startswith("#")):
            return None
        return self._starts[first - 1], self._starts[last]

    def line_at(self, offset: int) -> int:
        """The line, from 0, that an offset is in."""
        return max(i for i, start in enumerate(self._starts[:-1]) if start <= offset)

    def _offset(self, line: int, column: int) -> int:
        text = self.lines[line - 1]
        if not text.isascii():  # the tree counts columns in bytes of UTF-8
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self._starts[line - 1] + column


def own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement without those of the statements in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += [n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.stmt | ast.Lambda)]


def names_in(node: ast.AST) -> list[str]:
    return list(dict.fromkeys(n.id for n in ast.walk(node) if isinstance(n, ast.Name)))


def targets_of(statement: ast.stmt) -> list[ast.expr]:
    """What an assignment of any kind gives a value; empty for other statements."""
    several: list[ast.expr] = getattr(statement, "targets", [])
    return several or [t for t in [getattr(statement, "target", None)] if t is not None]
