"""Validation data that are treated in another way than the training data."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.data import of_torch
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import flow
from scram_plugin.heuristics.edits.program import Code, Piece, program

OTHERS = ("val", "valid", "test", "dev")  # in names, in the place of "train"; source: usual names


def treat_validation_alike(facts: Mapping[str, Any]) -> Edit | None:
    """Do with the validation inputs what is done with the training inputs alone: ``x_train = scaler.transform(x_train)``."""
    known = program(facts)
    found = []
    for training, other in _pairs(known, facts):
        for place in known.nodes(ast.Assign, ast.AugAssign):
            source, node = place
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            of_itself = isinstance(node, ast.AugAssign) or _uses(node.value, training)
            if isinstance(target, ast.Name) and target.id == training and of_itself and not _treats(known, other):
                text = re.sub(rf"\b{training}\b", other, source.of(node)).replace(".fit_transform(", ".transform(")
                measures = re.search(rf"\b{other}\.(mean|std|min|max)\(", text)  # the training's own level is lost by then
                if measures is None:
                    found.append(lines.behind(source, node, [text]))
    return known.edit(found) if len(found) == 1 else None


def _pairs(known: Code, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The names of training inputs, and of the validation inputs beside them."""
    names = {place.node.id for place in known.nodes(ast.Name) if isinstance(place.node.ctx, ast.Store)}
    data = flow(known, of_torch(facts))
    found = []
    for name in names:
        found += [(name, other) for word in OTHERS if (other := name.replace("train", word)) in names and other != name]
    if data is not None and len(data.x) > 1 and all(isinstance(p.node, ast.Name) for p in data.x[:2]):
        found.append((data.x[0].text, data.x[1].text))
    inputs = {data.x[0].text} if data is not None else None
    return sorted({pair for pair in found if inputs is None or pair[0] in inputs or not pair[0].lower().startswith("y")})


def _uses(value: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value))


def _treats(known: Code, name: str) -> bool:
    """Whether a statement changes this variable, too."""
    for place in known.nodes(ast.Name):
        if place.node.id == name:
            values = bound_to(known, Piece(place.source, place.node))
            if any(_uses(value.node, name) for value in values):
                return True
    return any(isinstance(p.node.target, ast.Name) and p.node.target.id == name for p in known.nodes(ast.AugAssign))
