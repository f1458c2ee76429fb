"""The method of a model that its inputs go through: `forward` of PyTorch and Lightning, `call` of Keras."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.bindings import class_of
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece
from scram_plugin.heuristics.edits.source import SourceFile


def method(known: Code, facts: Mapping[str, Any]) -> tuple[SourceFile, ast.FunctionDef] | None:
    """The method of the trained model's class; None if the class is not in the program."""
    found = class_of(known, str(facts.get("model", {}).get("class")))
    name = "forward" if facts.get("framework") == "torch" else "call"
    methods = [f for f in found[1].body if isinstance(f, ast.FunctionDef) and f.name == name] if found else []
    return (found[0], methods[0]) if found and len(methods) == 1 else None


def scaled_in_forward(known: Code, facts: Mapping[str, Any], template: str) -> Edit | None:
    """Change the only input at the beginning of the method."""
    found = method(known, facts)
    if found is None:
        return None
    source, function = found
    inputs = [a.arg for a in function.args.args[1:] if a.arg not in ("training", "mask")]
    first = next((s for s in function.body if not _is_text(s)), None)
    if len(inputs) != 1 or first is None or function.args.vararg is not None:
        return None
    return known.edit([lines.before(source, first, [f"{inputs[0]} = {template.format(inputs[0])}"])])


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def uses(known: Code, path: str) -> list[Piece]:
    """The calls of ``self.<path>(...)`` in the methods of the program's classes, or of ``model.<path>``."""
    found = []
    for place in known.nodes(ast.Call):
        func = place.node.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.attr == path:
            found.append(place)
    return found


def consumer(place: Piece) -> ast.Name | None:
    """The only use of the variable that a call is assigned to, before it gets another value: ``x = F.relu(x)`` below."""
    source = place.source
    statement = source.statement(place.node)
    if (
        not isinstance(statement, ast.Assign)
        or statement.value is not place.node
        or not isinstance(statement.targets[0], ast.Name)
    ):
        return None
    name = statement.targets[0].id
    for later in lines.following(source, statement):
        used = [n for n in ast.walk(later) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
        if used:
            return used[0] if len(used) == 1 else None
        if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(later)):
            return None
    return None


def attribute(node: ast.Assign) -> str | None:
    """``fc1`` of ``self.fc1 = ...``"""
    target = node.targets[0]
    return target.attr if isinstance(target, ast.Attribute) and len(node.targets) == 1 else None
