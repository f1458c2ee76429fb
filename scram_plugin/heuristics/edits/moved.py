"""Targets that were taken by places which the program then brings into another order."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.orders import PAIR, Mispaired
from scram_plugin.heuristics.edits.program import FUNCTIONS, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile

REORDERS = ("sort", "sorted", "permutation", "randperm", "flip", "unique", "shuffle", "argsort")  # source: NumPy, PyTorch


def moved_places(facts: Mapping[str, Any]) -> Mispaired | None:
    """``y_train = y[places]``, then ``places = places.sort()``, then both side by side; None without it."""
    known = program(facts)
    return next(_moved(known), None)


def _moved(known: Code) -> Iterator[Mispaired]:
    for taken in known.nodes(ast.Assign):
        source, node = taken
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or not isinstance(value, ast.Subscript) or not isinstance(value.slice, ast.Name):
            continue
        places = value.slice.id
        later = [s for s in _assigned(source, node, places) if s.lineno > node.lineno and _reorders(known, source, s, places)]
        again = _assigned(source, node, target.id)
        if len(later) != 1 or len(again) != 1 or len(_assigned(source, node, places)) > PAIR:
            continue
        for call in known.nodes(ast.Call):
            given = call.node.args
            if call.source is not source or call.node.lineno <= later[0].lineno or len(given) != PAIR:
                continue
            indexed = isinstance(given[0], ast.Subscript) and source.of(given[0].slice) == places
            if indexed and isinstance(given[1], ast.Name) and given[1].id == target.id:
                said = f"Line {node.lineno} takes `{target.id}` by `{places}`, whose order line {later[0].lineno} then changes."
                yield Mispaired("orders", call.node.lineno, source.of(given[0]), target.id, said)


def _assigned(source: SourceFile, node: ast.AST, name: str) -> list[ast.stmt]:
    """The statements of the same scope that give a variable a value."""
    scope = source.scope(node)
    found = []
    for inner in ast.walk(scope):
        stored = isinstance(inner, ast.Name) and inner.id == name and isinstance(inner.ctx, ast.Store)
        if stored and source.scope(inner) is scope:
            found.append(source.statement(inner))
    return found


def _reorders(known: Code, source: SourceFile, statement: ast.stmt, name: str) -> bool:
    if not isinstance(statement, ast.Assign) or any(isinstance(n, FUNCTIONS) for n in ast.walk(statement)):
        return False
    own = any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(statement.value))
    return own and any(known.called(Piece(source, n)) in REORDERS for n in ast.walk(statement.value) if isinstance(n, ast.Call))
