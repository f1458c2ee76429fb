"""Whole statements: new ones in front of or behind others, and statements that go."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from scram_plugin.heuristics.edits.program import Change
from scram_plugin.heuristics.edits.source import SourceFile


def before(source: SourceFile, statement: ast.stmt, lines: Sequence[str]) -> Change | None:
    """Put lines in front of a statement, with its indentation; None if it shares its line with another."""
    rows = source.rows(statement)
    if rows is None:
        return None
    indent = source.indent(statement)
    return Change(source, rows[0], rows[0], "".join(f"{indent}{line}\n" for line in lines))


def behind(source: SourceFile, statement: ast.stmt, lines: Sequence[str]) -> Change | None:
    rows = source.rows(statement)
    if rows is None:
        return None
    indent = source.indent(statement)
    start = "" if source.text[: rows[1]].endswith("\n") else "\n"
    return Change(source, rows[1], rows[1], start + "".join(f"{indent}{line}\n" for line in lines))


def following(source: SourceFile, statement: ast.stmt) -> list[ast.stmt]:
    """The statements behind one in the body of its block."""
    block = getattr(source.parent(statement), "body", [])
    return block[block.index(statement) + 1 :] if isinstance(block, list) and statement in block else []


def first_of(source: SourceFile, statement: ast.stmt, offset: int) -> ast.stmt:
    """The statement of the same block that has an offset, if it comes before this one; else this one."""
    block = getattr(source.parent(statement), "body", [])
    has = (s for s in block if isinstance(s, ast.stmt) and source.span(s)[0] <= offset <= source.span(s)[1])
    return min((statement, *has), key=lambda s: s.lineno)


def without_call(source: SourceFile, call: ast.Call) -> Change | None:
    """The argument of a call in the place of the call; ``x = f(x)`` goes as a whole."""
    statement, given = source.statement(call), source.of(call.args[0])
    if isinstance(statement, ast.Assign) and statement.value is call and source.of(statement.targets[0]) == given:
        return removed(source, statement)
    return Change(source, *source.span(call), given)


def removed(source: SourceFile, statement: ast.stmt) -> Change | None:
    """Remove a statement; None if its block would be empty."""
    rows = source.rows(statement)
    owner = source.parent(statement)
    blocks = [getattr(owner, name, None) for name in ("body", "orelse", "finalbody")]
    block = next((b for b in blocks if isinstance(b, list) and statement in b), [])
    return Change(source, *rows, "") if rows is not None and len(block) > 1 else None
