"""Inputs that a statement of the program loses: it gives all of them one value."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.data import grouped
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

FILLS = ("fill", "fill_", "zero_")  # methods that give all elements one value; source: NumPy, PyTorch
EMPTY = ("empty", "zeros", "ones", "full")  # source: the same
CONSTANTS = ("zeros_like", "ones_like", "full_like")  # source: NumPy, PyTorch, TensorFlow


def keep_inputs(facts: Mapping[str, Any]) -> Edit | None:
    """Remove the statements that overwrite inputs: ``x[:] = 0``; divide where they are divided to integers: ``x //= 255``.

    None where another statement fills them again, or they are no data.
    """
    known = program(facts)
    found = [(name, change) for place in known.nodes(ast.stmt) for name, change in _kept(known, place)]
    names = [name for name, _ in found]
    if any(_is_filled(known, name) or not _is_loaded(known, name) for name in names):
        return None
    return known.edit([change for _, change in found]) if found else None


def _kept(known: Code, place: Piece) -> Iterator[tuple[str, Change | None]]:
    node, source = place.node, place.source
    name = _inputs(node)
    if name is None:
        return
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.FloorDiv):
        yield name, Change(source, *source.span(node), f"{name} = {name} / {grouped(source.of(node.value))}")
        return
    value = node.value if isinstance(node, ast.Assign) else None
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.FloorDiv) and _is(value.left, name):
        yield name, Change(source, source.span(value.left)[1], source.span(value.right)[0], " / ")
    elif _overwrites(known, place, name):
        yield name, lines.removed(source, node)


def _is_filled(known: Code, name: str) -> bool:
    """Whether a part of a variable is set: then what gives all of it one value is its beginning."""
    return any(
        isinstance(p.node.ctx, ast.Store) and _is(p.node.value, name) and not _is_all(p.node.slice)
        for p in known.nodes(ast.Subscript)
    )


def _is_loaded(known: Code, name: str) -> bool:
    """Whether a variable gets its first value from a call or another variable, and not from a number or an empty array."""
    made = [p for p in known.nodes(ast.Assign) if any(name in _names(t) for t in p.node.targets)]
    first = made[0] if made else None
    return (
        first is not None
        and not isinstance(first.node.value, ast.Constant)
        and known.called(Piece(first.source, first.node.value)) not in (*EMPTY, *CONSTANTS)
    )


def _names(target: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


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
