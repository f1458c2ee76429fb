"""Targets that were not brought into the new order of their inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.data import grouped
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

ORDERS = ("permutation", "randperm", "argsort", "sample")  # that give a new order; source: NumPy, PyTorch, random
TOGETHER = ("train_test_split", "fit", "TensorDataset", "from_tensor_slices")  # inputs and targets stand side by side in them
TARGETS = ("target", "targets", "labels", "y")  # attributes of a data set; source: scikit-learn, torchvision


def order_targets(facts: Mapping[str, Any]) -> Edit | None:
    """Bring the targets into the order that the inputs alone were brought into; None where both were, or it is not sure."""
    known = program(facts)
    changes = [c for c in (*_by_index(known), *_by_shuffle(known)) if c is not None]
    return known.edit(changes) if len(changes) == 1 else None


def _by_index(known: Code) -> Iterator[Change | None]:
    """``X = X[order]`` without ``y = y[order]``."""
    for made in known.nodes(ast.Assign):
        order = made.node.targets[0]
        if not isinstance(order, ast.Name) or known.called(Piece(made.source, made.node.value)) not in ORDERS:
            continue
        used = [
            p
            for p in known.nodes(ast.Subscript)
            if p.source is made.source and isinstance(p.node.slice, ast.Name) and p.node.slice.id == order.id
        ]
        if len(used) != 1:
            continue
        inputs = used[0].node.value
        statement = used[0].source.statement(used[0].node)
        partner = _partner(known, inputs.id, statement) if isinstance(inputs, ast.Name) else None
        if partner is not None:
            yield lines.behind(made.source, statement, [f"{partner} = {partner}[{order.id}]"])
        else:
            targets = _targets_beside(known, used[0])
            yield None if targets is None else _changed(targets, f"{grouped(targets.text)}[{order.id}]")


def _by_shuffle(known: Code) -> Iterator[Change | None]:
    """``X = shuffle(X)``."""
    for call in known.calls("shuffle"):
        statement = call.source.parent(call.node)
        given = call.node.args
        if len(given) != 1 or not isinstance(given[0], ast.Name) or not isinstance(statement, ast.Assign):
            continue
        name = given[0].id
        partner = _partner(known, name, statement)
        if partner is None or call.source.of(statement.targets[0]) != name:
            continue
        text = call.text.replace(f"({name}", f"({name}, {partner}", 1)
        yield Change(call.source, *call.source.span(statement), f"{name}, {partner} = {text}")


def _partner(known: Code, inputs: str, at: ast.stmt) -> str | None:
    """The variable of the targets that stand beside these inputs where they are split, or trained on; None if it has no value
    yet at a statement."""
    found = set()
    for place in known.nodes(ast.Call, ast.Tuple):
        if isinstance(place.node, ast.Call) and known.called(place) not in TOGETHER:
            continue
        given = place.node.args if isinstance(place.node, ast.Call) else place.node.elts
        names = [_variable(node) for node in given]
        if inputs in names[:-1]:
            found.add(names[names.index(inputs) + 1])
    stored = [p.node for p in known.nodes(ast.Name) if isinstance(p.node.ctx, ast.Store)]
    later = {n.id for n in stored} - {n.id for n in stored if n.lineno <= at.lineno}
    found -= {"", inputs}
    return found.pop() if len(found) == 1 and not found & later else None


def _variable(node: ast.AST) -> str:
    """The name of a variable, or of that which a part is taken of."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _targets_beside(known: Code, inputs: Piece) -> Piece | None:
    """The only value that is assigned the targets of a data set whose inputs were ordered: ``digits.target``."""
    owners = {n.value.id for n in ast.walk(inputs.node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    beside = inputs.source.parent(inputs.node)
    found = []
    for made in known.nodes(ast.Assign):
        if known.called(Piece(made.source, made.node.value)) in ORDERS:
            continue
        values = made.node.value.elts if isinstance(made.node.value, ast.Tuple) else [made.node.value]
        for value in values:
            told = [n for n in ast.walk(value) if isinstance(n, ast.Attribute) and n.attr in TARGETS]
            mine = any(isinstance(n.value, ast.Name) and n.value.id in owners for n in told)
            if told and made.source is inputs.source and (mine or made.node.value is beside):
                found.append(Piece(made.source, value))
    return found[0] if len(found) == 1 else None


def _changed(place: Piece, new: str) -> Change:
    return Change(place.source, *place.source.span(place.node), new)
