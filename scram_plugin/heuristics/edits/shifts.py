"""Labels of a language model that the program shifts, although the model shifts them itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import replaced
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece, program

NEXT = " + 1"  # as `ast.unparse` writes it


def take_inputs_as_labels(facts: Mapping[str, Any]) -> Edit | None:
    """Take the inputs for the only labels that are the same tokens one position later; None outside of Hugging Face's Trainer,
    whose models shift labels themselves."""
    known = program(facts)
    found = list(_shifted(known)) if facts.get("trainer") == "hugging face" else []
    return known.edit([replaced(labels, inputs.text) for labels, inputs in found]) if len(found) == 1 else None


def _shifted(known: Code) -> Iterator[tuple[Piece, Piece]]:
    """The slices that are one position ahead of another slice of the same tokens, in the same function."""
    parts = [
        (p, bounds) for p in known.nodes(ast.Subscript) if isinstance(p.node.ctx, ast.Load) and (bounds := _bounds(p.node))
    ]
    at = {(_whole(p), bounds): p for p, bounds in parts}
    for later, bounds in parts:
        before = _one_before(*bounds)
        if before is not None and (earlier := at.get((_whole(later), before))) is not None:
            yield later, earlier


def _whole(part: Piece) -> tuple[int, str]:
    """What a slice is one of, and in which function."""
    return id(part.source.scope(part.node)), ast.dump(part.node.value)


def _bounds(node: ast.Subscript) -> tuple[str, str] | None:
    """Where a slice along the last axis begins and ends, "" for the whole; None unless all of the other axes are taken."""
    along = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    whole = all(isinstance(one, ast.Slice) and one.lower is one.upper is one.step is None for one in along[:-1])
    last = along[-1] if along else None
    if not isinstance(last, ast.Slice) or not whole or last.step is not None:
        return None
    return _text(last.lower), _text(last.upper)


def _one_before(begin: str, end: str) -> tuple[str, str] | None:
    """Of ``x[1:]`` that is ``x[:-1]``, and of ``x[a + 1 : b + 1]`` it is ``x[a:b]``."""
    if (begin, end) == ("1", ""):
        return "", "-1"
    ahead = begin.endswith(NEXT) and end.endswith(NEXT)
    return (begin.removesuffix(NEXT), end.removesuffix(NEXT)) if ahead else None


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)
