"""Labels of a language model that the program shifts, although the model shifts them itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import replaced
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece, program


def take_inputs_as_labels(facts: Mapping[str, Any]) -> Edit | None:
    """Take the inputs for the only labels that are the same tokens one position later; None outside of Hugging Face's Trainer,
    whose models shift labels themselves."""
    known = program(facts)
    found = list(_shifted(known)) if facts.get("trainer") == "hugging face" else []
    return known.edit([replaced(labels, inputs.text) for labels, inputs in found]) if len(found) == 1 else None


def _shifted(known: Code) -> Iterator[tuple[Piece, Piece]]:
    """The slices that are one position ahead of another slice of the same tokens, in the same function."""
    parts = [p for p in known.nodes(ast.Subscript) if isinstance(p.node.ctx, ast.Load) and _slice(p.node) is not None]
    for later in parts:
        scope = later.source.scope(later.node)
        beside = [p for p in parts if p.source is later.source and p.source.scope(p.node) is scope]
        for earlier in beside:
            if _is_ahead(later.node, earlier.node):
                yield later, earlier


def _slice(node: ast.Subscript) -> ast.Slice | None:
    """The slice along the last axis, if all of the others are taken."""
    along = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    whole = all(isinstance(one, ast.Slice) and one.lower is one.upper is one.step is None for one in along[:-1])
    last = along[-1] if along else None
    return last if isinstance(last, ast.Slice) and whole and last.step is None else None


def _is_ahead(later: ast.Subscript, earlier: ast.Subscript) -> bool:
    """``x[1:]`` of ``x[:-1]``, and ``x[a + 1 : b + 1]`` of ``x[a:b]``."""
    one, other = _slice(later), _slice(earlier)
    if one is None or other is None or ast.dump(later.value) != ast.dump(earlier.value):
        return False
    if _is(one.lower, "1") and one.upper is None:
        return other.lower is None and _is(other.upper, "-1")
    bounds = ((one.lower, other.lower), (one.upper, other.upper))
    return all(a is not None and b is not None and ast.unparse(a) == f"{ast.unparse(b)} + 1" for a, b in bounds)


def _is(node: ast.expr | None, text: str) -> bool:
    return node is not None and ast.unparse(node) == text
