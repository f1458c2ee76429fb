"""Methods that a statement of the program names and does not call: ``model.eval`` without parentheses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Change, program

# methods that are called for what they do, not for what they return; source: PyTorch
METHODS = ("zero_grad", "step", "backward", "eval", "train", "requires_grad_")


class WrongLine(NamedTuple):
    """A piece of the program that is wrong by itself, and the edit that mends it."""

    text: str  # as it is written
    line: int
    edit: Edit | None


def uncalled(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Statements that are nothing but such a method, each with the edit that calls it."""
    known = program(facts)
    for statement in known.nodes(ast.Expr):
        value, source = statement.node.value, statement.source
        asked = isinstance(source.parent(statement.node), ast.Try | ast.ClassDef)  # whether there is such a method, for example
        if isinstance(value, ast.Attribute) and value.attr in METHODS and not asked:
            end = source.span(value)[1]
            yield WrongLine(source.of(value), statement.node.lineno, known.edit([Change(source, end, end, "()")]))
