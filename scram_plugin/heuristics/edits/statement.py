"""The statements of the user's program that the recorder stored, and edits of them.

`facts["source"]` is ``{"file": str, "statements": [{"role", "line", "text"}, ...]}``; roles are ``import``, ``model``
(defines or extends the model), ``compile``, ``fit`` and others (see `training/call_site.py`). The user's code is only
parsed here, never run or imported. Every function returns None if it does not know how to edit that program safely.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Edit:
    """Replace the lines `before`, which begin at `line` (from 1) of `file`, by the lines `after`.

    `more`: further places, perhaps in other files, that belong to the same fix; to apply only a part of it is wrong. `reason`:
    why this place changes, one short sentence.
    """

    file: str
    line: int
    before: str
    after: str
    more: tuple[Edit, ...] = ()
    reason: str = ""

    @property
    def places(self) -> tuple[Edit, ...]:
        """All places of the fix, each without the others."""
        return (replace(self, more=()), *self.more) if self.more else (self,)


@dataclass(frozen=True)
class Statement:
    """One recorded statement: its role, first line in the file, text as written, and its syntax tree."""

    file: str
    role: str
    line: int
    text: str
    tree: ast.stmt

    def edit(self, changes: list[tuple[int, int, str]]) -> Edit | None:
        """The edit that makes `changes` (start, end, new text; offsets in `text`), narrowed to the lines that change.

        None if the result would not be Python, or would change nothing.
        """
        after = self.text
        for start, end, new in sorted(changes, reverse=True):
            after = after[:start] + new + after[end:]
        try:
            ast.parse(f"if True:\n{after}" if after[0] in " \t" else after)
        except SyntaxError:
            return None
        if after == self.text:
            return None
        old, new_lines = self.text.splitlines(), after.splitlines()
        head = 0
        while head < min(len(old), len(new_lines)) - 1 and old[head] == new_lines[head]:
            head += 1
        tail = 0
        while tail < min(len(old), len(new_lines)) - head - 1 and old[-1 - tail] == new_lines[-1 - tail]:
            tail += 1
        before, changed = old[head : len(old) - tail], new_lines[head : len(new_lines) - tail]
        return Edit(self.file, self.line + head, "\n".join(before), "\n".join(changed))

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip(" \t"))]

    def offset(self, line: int, column: int) -> int:
        """The offset in `text` of a position of the tree (lines from 1, columns in UTF-8 bytes)."""
        lines = self.text.splitlines(keepends=True)
        indent = len(self.indent) if line == 1 else 0  # in the tree, the first line has none
        return sum(map(len, lines[: line - 1])) + indent + _characters(lines[line - 1][indent:], column)

    def span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def source(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]


def _characters(line: str, column: int) -> int:
    return len(line.encode()[:column].decode(errors="ignore"))


def statements(facts: Mapping[str, Any], role: str) -> Iterator[Statement]:
    """The recorded statements of one role, those that parse."""
    source = facts.get("source") or {}
    for entry in source.get("statements", ()):
        try:
            if entry["role"] != role:
                continue
            text, line, file = str(entry["text"]), int(entry["line"]), str(source["file"])
            # only the first line can carry indentation that Python would refuse; continuation lines are free
            tree = ast.parse(text.lstrip(" \t")).body
        except (SyntaxError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
            continue
        if len(tree) == 1:
            yield Statement(file, role, line, text, tree[0])


def called(node: ast.AST) -> str:
    """The last name of what a call calls: ``Adam`` for ``keras.optimizers.Adam(...)``; "" if it is not a call by name."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def calls(statement: Statement, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(statement.tree):
        if isinstance(node, ast.Call) and called(node) == name:
            yield node
