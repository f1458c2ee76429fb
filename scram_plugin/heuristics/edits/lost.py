"""Inputs that a statement of the program loses: it gives all of them one value."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

FILLS = ("fill", "fill_", "zero_")  # methods that give all elements one value; source: NumPy, PyTorch
CONSTANTS = ("zeros_like", "ones_like", "full_like")  # source: NumPy, PyTorch, TensorFlow


def keep_inputs(facts: Mapping[str, Any]) -> Edit | None:
    """Remove the statements that overwrite inputs: ``x[:] = 0``; divide where they are divided to integers: ``x //= 255``."""
    known = program(facts)
    found = [change for place in known.nodes(ast.stmt) if (change := _kept(known, place)) is not None]
    return known.edit(found) if found else None


def _kept(known: Code, place: Piece) -> Change | None:
    node, source = place.node, place.source
    name = _inputs(node)
    if name is None:
        return None
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.FloorDiv):
        return Change(source, *source.span(node), f"{name} = {name} / {source.of(node.value)}")
    value = node.value if isinstance(node, ast.Assign) else None
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.FloorDiv) and _is(value.left, name):
        return Change(source, source.span(value.left)[1], source.span(value.right)[0], " / ")
    return lines.removed(source, node) if _overwrites(known, place, name) else None


def _inputs(node: ast.stmt) -> str | None:
    """The variable that a statement changes, if it is called as inputs are: ``x_train``, ``X``, ``images``."""
    target: ast.AST | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        target = target.value if isinstance(target, ast.Subscript) and _is_all(target.slice) else target
    elif isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        target = node.value.func.value
    name = target.id if isinstance(target, ast.Name) else ""
    first = name.lower().split("_")[0]
    return name if first in ("x", "xs", "inputs", "input", "images", "features") else None


def _is_all(node: ast.AST) -> bool:
    """Whether an index is that of all elements: ``[:]`` or ``[...]``."""
    if isinstance(node, ast.Slice):
        return node.lower is node.upper is node.step is None
    return isinstance(node, ast.Constant) and node.value is ...


def _overwrites(known: Code, place: Piece, name: str) -> bool:
    node = place.node
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, ast.Mult) and _is_zero(node.value)
    if isinstance(node, ast.Expr):
        return isinstance(node.value.func, ast.Attribute) and node.value.func.attr in FILLS  # type: ignore[attr-defined]
    if isinstance(node.targets[0], ast.Subscript):
        return isinstance(node.value, ast.Constant)
    value = node.value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        return (_is(value.left, name) and _is_zero(value.right)) or (_is(value.right, name) and _is_zero(value.left))
    return (
        known.called(Piece(place.source, value)) in CONSTANTS
        and isinstance(value, ast.Call)
        and bool(value.args)
        and _is(value.args[0], name)
    )


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_zero(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0
