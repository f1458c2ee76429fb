"""The split into training and validation data."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import argument, without_argument
from scram_plugin.heuristics.edits.data import of_torch
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import flow, in_loop
from scram_plugin.heuristics.edits.naming import library
from scram_plugin.heuristics.edits.program import Code, Piece, imported, program
from scram_plugin.heuristics.edits.source import SourceFile


def shuffle_before_split(facts: Mapping[str, Any]) -> Edit | None:
    """Shuffle the examples before they are split."""
    known = program(facts)
    for call in known.calls("train_test_split"):
        off = argument(known, call, "shuffle")
        if off is not None and isinstance(off.node, ast.Constant) and off.node.value is False:
            return known.edit([without_argument(known, call, "shuffle")])
    return _by_slices(known, facts) or _in_fit(known, facts)


def _by_slices(known: Code, facts: Mapping[str, Any]) -> Edit | None:
    """In front of ``x_train, x_val = x[:n], x[n:]``, for inputs and targets."""
    parts: list[tuple[Piece, str]] = []
    for place in known.nodes(ast.Assign):
        values = place.node.value.elts if isinstance(place.node.value, ast.Tuple) else [place.node.value]
        wholes = {place.source.of(v.value) for v in values if isinstance(v, ast.Subscript) and _is_slice(v)}
        if len(wholes) == 1 and (name := wholes.pop()).isidentifier() and all(_is_slice(v) for v in values):
            parts.append((place, name))
    names = list(dict.fromkeys(name for _, name in parts))
    if len(names) != 2 or "order" in known.names:
        return None
    first = parts[0][0]
    source = first.source
    if any(p.source is not source or source.scope(p.node) is not source.scope(first.node) for p, _ in parts):
        return None
    if in_loop(source, first.node):
        return None
    name, imports = library(source, "torch" if of_torch(facts) and _are_tensors(known, source) else "numpy")
    order = (
        f"{name}.randperm(len({names[0]}))" if name == "torch" else f"{name}.random.default_rng(0).permutation(len({names[0]}))"
    )
    made = [f"order = {order}", f"{', '.join(names)} = {', '.join(f'{n}[order]' for n in names)}"]
    return known.edit([lines.before(source, first.node, made), *imports])


def _is_slice(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Slice)
        and (node.slice.lower is None or node.slice.upper is None)
    )


def _are_tensors(known: Code, source: SourceFile) -> bool:
    """Whether the file makes tensors of its data before it splits them."""
    return "numpy" not in imported(source).values() and any(p.source is source for p in known.calls("tensor", "from_numpy"))


def _in_fit(known: Code, facts: Mapping[str, Any]) -> Edit | None:
    """In front of a `fit` that takes the last examples for its validation: ``validation_split=0.2``."""
    data = None if of_torch(facts) else flow(known, False)
    if data is None or data.rows == "{}" or not data.y or "order" in known.names:
        return None
    x, y = data.x[0], data.y[0]
    if not isinstance(x.node, ast.Name) or not isinstance(y.node, ast.Name):
        return None
    name, imports = library(data.source, "numpy")
    made = [
        f"order = {name}.random.default_rng(0).permutation(len({x.text}))",
        f"{x.text}, {y.text} = {x.text}[order], {y.text}[order]",
    ]
    return known.edit([lines.before(data.source, data.anchor, made), *imports])
