"""Targets that were taken by places which the program then brings into another order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.program import FUNCTIONS, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile

REORDERS = ("sort", "sorted", "permutation", "randperm", "flip", "unique", "shuffle")  # source: NumPy, PyTorch
LOSSES_BY_NAME = re.compile(r"loss|criterion|cross_entropy|crit$|objective", re.I)
Stores = dict[tuple[ast.AST, str], list[ast.stmt]]


def moved_places(facts: Mapping[str, Any]) -> Mispaired | None:
    """``y_train = y[places]``, then ``places = places.sort()``, then both side by side in a loss; None without it."""
    known = program(facts)
    return next((found for source in known.sources for found in _moved(known, source)), None)


def _moved(known: Code, source: SourceFile) -> Iterator[Mispaired]:
    statements = [n for n in source.nodes if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
    reordered = [n for n in statements if _reorders(known, source, n)]
    if not reordered:
        return
    stores = _stores(source)
    losses = [n for n in source.nodes if isinstance(n, ast.Call) and len(n.args) == PAIR]
    losses = [n for n in losses if LOSSES_BY_NAME.search(source.of(n.func))]
    for taken in statements:
        target, value, scope = taken.targets[0], taken.value, source.scope(taken)
        if not isinstance(target, ast.Name) or not isinstance(value, ast.Subscript) or not isinstance(value.slice, ast.Name):
            continue
        places = value.slice.id
        later = [s for s in reordered if s in stores.get((scope, places), []) and s.lineno > taken.lineno]
        if len(later) != 1 or len(stores[scope, target.id]) != 1 or len(stores[scope, places]) > PAIR:
            continue
        for call in losses:
            one, other = call.args
            if call.lineno <= later[0].lineno or not isinstance(one, ast.Subscript) or source.of(one.slice) != places:
                continue
            ordered = [s for s in stores.get((scope, source.of(one.value)), []) if places in source.of(s)]
            if isinstance(other, ast.Name) and other.id == target.id and not ordered:
                said = (
                    f"Line {taken.lineno} takes `{target.id}` by `{places}`, whose order line {later[0].lineno} then changes."
                )
                yield Mispaired("orders", call.lineno, source.of(one), target.id, said)


def _stores(source: SourceFile) -> Stores:
    """Scope and name -> the statements that give the variable a value there."""
    found: Stores = {}
    for node in source.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault((source.scope(node), node.id), []).append(source.statement(node))
    return found


def _reorders(known: Code, source: SourceFile, statement: ast.Assign) -> bool:
    """``places = places.sort()``"""
    inner = list(ast.walk(statement.value))
    own = any(isinstance(n, ast.Name) and n.id == statement.targets[0].id for n in inner)  # type: ignore[attr-defined]
    if not own or any(isinstance(n, FUNCTIONS) for n in inner):
        return False
    return any(isinstance(n, ast.Call) and known.called(Piece(source, n)) in REORDERS for n in inner)
