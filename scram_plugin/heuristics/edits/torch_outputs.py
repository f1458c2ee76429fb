"""How a PyTorch program reads the outputs of its model: as logits, or as probabilities."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.program import Code, Piece, program


def reads_logits(facts: Mapping[str, Any]) -> bool:
    """Whether results of calls are compared with 0, as logits are (``logits > 0``), and none with 0.5, as probabilities are."""
    known = program(facts)
    limits = {limit for place in known.nodes(ast.Compare) if (limit := _limit(known, place)) is not None}
    return 0 in limits and 0.5 not in limits


def _limit(known: Code, place: Piece) -> float | None:
    """The number that the result of a call must exceed."""
    node = place.node
    if not isinstance(node.ops[0], ast.Gt | ast.GtE) or not isinstance(node.comparators[0], ast.Constant):
        return None
    values = [node.left, *(piece.node for piece in bound_to(known, Piece(place.source, node.left)))]
    limit = node.comparators[0].value
    return limit if isinstance(limit, int | float) and any(isinstance(value, ast.Call) for value in values) else None
