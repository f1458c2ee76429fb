"""How a PyTorch program reads the outputs of its model: as logits, or as probabilities."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import bound_to, follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import models_with_parameters
from scram_plugin.heuristics.edits.program import Code, Piece, program

READ_ONCE = 2  # places of a name: where it is bound, and where it is read; by definition


def reads_logits(facts: Mapping[str, Any]) -> bool:
    """Whether results of the model are compared with 0, as logits are (``logits > 0``), and none is rounded or compared with a
    number between 0 and 1, as probabilities are."""
    known = program(facts)
    models = models_with_parameters(known)
    limits = {limit for place in known.nodes(ast.Compare) if (limit := _limit(known, place, models)) is not None}
    rounded = (c for c in known.calls("round") if isinstance(c.node.func, ast.Attribute))
    rounds = any(_is_output(known, Piece(c.source, c.node.func.value), models) for c in rounded)
    return 0 in limits and not rounds and not any(0 < limit < 1 for limit in limits)


def take_logarithms(facts: Mapping[str, Any]) -> Edit | None:
    """Give the only `kl_div`, or the only loss of logarithms, those of a softmax."""
    known = program(facts)
    calls = list(known.calls("kl_div", "nll_loss"))
    taken = argument(known, calls[0], "input", 0) if len(calls) == 1 else None
    found = follow(known, taken) if taken is not None else None
    if found is None or taken is None or known.called(found) != "softmax":
        return None
    if isinstance(taken.node, ast.Name) and sum(p.node.id == taken.node.id for p in known.nodes(ast.Name)) > READ_ONCE:
        return None  # others read the probabilities
    function = found.node.func
    name = found.source.of(function)
    return known.edit([replaced(Piece(found.source, function), f"{name.removesuffix('softmax')}log_softmax")])


def _limit(known: Code, place: Piece, models: set[str]) -> float | None:
    """The number that a result of the model must exceed."""
    node = place.node
    if not isinstance(node.ops[0], ast.Gt | ast.GtE) or not isinstance(node.comparators[0], ast.Constant):
        return None
    limit = node.comparators[0].value
    of_model = _is_output(known, Piece(place.source, node.left), models)
    return limit if isinstance(limit, int | float) and of_model else None


def _is_output(known: Code, place: Piece, models: set[str]) -> bool:
    """Whether an expression, or what it is bound to, is made of a call of the model."""
    return any(
        isinstance(node, ast.Call) and piece.source.of(node.func) in {*models, "self"}
        for piece in (place, *bound_to(known, place))
        for node in ast.walk(piece.node)
    )
