"""Validation data that are treated in another way than the training data."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.data import of_torch
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import flow
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

LAST_STEPS = ("Normalize", "Standardize")  # which change the level of all values; source: torchvision, monai
TO_TENSOR = "ToTensor"  # before which nothing can be scaled so; source: torchvision
OTHERS = ("val", "valid", "test", "dev")  # in names, in the place of "train"; source: usual names


def treat_validation_alike(facts: Mapping[str, Any]) -> Edit | None:
    """Do with the validation inputs what is done with the training inputs alone: ``x_train = scaler.transform(x_train)``."""
    known = program(facts)
    found = []
    for training, other in _pairs(known, facts):
        statements = [p for p in known.nodes(ast.Assign, ast.AugAssign) if _changes(p.node, training)]
        made = {ast.unparse(p.node) for p in known.nodes(ast.Assign, ast.AugAssign)}
        for source, node in statements:
            text = re.sub(rf"\b{training}\b", other, source.of(node)).replace(".fit_transform(", ".transform(")
            level = re.search(rf"\b{other}\.(mean|std|min|max)\(", text)  # the training's own level is lost by then
            if ast.unparse(ast.parse(text)) not in made and level is None:
                found.append(lines.behind(source, node, [text]))
    found += _in_transforms(known)
    return known.edit(found) if len(found) == 1 else None


def add_missing_step(facts: Mapping[str, Any]) -> Edit | None:
    """Give the validation's transforms the last step of the training's, which it lacks."""
    known = program(facts)
    found = _in_transforms(known)
    return known.edit(found) if len(found) == 1 else None


def _in_transforms(known: Code) -> list[Change]:
    """``Compose([..., Normalize(...)])`` of the training, and one of the validation that ends before the last of its steps."""
    if len(list(known.calls(*LAST_STEPS))) != 1:
        return []
    made = _transforms(known)
    found = []
    for name, training in made.items():
        others = [made[o] for word in OTHERS if (o := name.replace("train", word)) in made and o != name]
        last = training.node.elts[-1] if training.node.elts else None
        if len(others) != 1 or last is None or known.called(Piece(training.source, last)) not in LAST_STEPS:
            continue
        source, elements = others[0].source, others[0].node.elts
        has_tensors = TO_TENSOR in {known.called(Piece(source, e)) for e in elements}
        if training.source is source and has_tensors and _are_known_at(known, others[0], last):
            end = source.span(elements[-1])[1]
            found.append(Change(source, end, end, f"{source.between(elements[-1])}{source.of(last)}"))
    return found


def _transforms(known: Code) -> dict[str, Piece]:
    """The lists of steps that variables hold: ``train_transform = Compose([...])``."""
    made = {}
    for place in known.nodes(ast.Assign):
        value, target = place.node.value, place.node.targets[0]
        given = value.args[0] if isinstance(value, ast.Call) and value.args else None
        if (
            isinstance(target, ast.Name)
            and isinstance(given, ast.List)
            and known.called(Piece(place.source, value)) == "Compose"
        ):
            made[target.id] = Piece(place.source, given)
    return made


def _are_known_at(known: Code, place: Piece, node: ast.AST) -> bool:
    """Whether no variable in a node gets a value behind a place of the same file."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    stored = [p.node for p in known.nodes(ast.Name) if p.source is place.source and isinstance(p.node.ctx, ast.Store)]
    return not names & {n.id for n in stored if n.lineno > place.node.lineno}


def _pairs(known: Code, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The names of the training inputs, and of the validation inputs: as the training gets them, or by the words in names."""
    data = flow(known, of_torch(facts))
    if data is not None and len(data.x) > 1:
        both = data.x[0].node, data.x[1].node
        if all(isinstance(n, ast.Name) for n in both):
            return [(both[0].id, both[1].id)]
    names = {place.node.id for place in known.nodes(ast.Name) if isinstance(place.node.ctx, ast.Store)}
    return sorted(
        (n, o) for n in names for word in OTHERS if (o := n.replace("train", word)) in names and o != n and n[:1] in "xX"
    )


def _changes(node: ast.Assign | ast.AugAssign, name: str) -> bool:
    """Whether a statement gives a variable a value that is made of its own."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    mine = isinstance(target, ast.Name) and target.id == name
    return mine and (
        isinstance(node, ast.AugAssign) or any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node.value))
    )
