"""Targets that were not brought into the new order of their inputs."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.data import grouped
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import in_loop, says_validation
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

ORDERS = ("permutation", "randperm")  # that give a new order; source: NumPy, PyTorch
TOGETHER = ("train_test_split", "fit", "TensorDataset", "from_tensor_slices")  # inputs and targets stand side by side in them
TARGETS = ("target", "targets", "labels")  # attributes of a data set; source: scikit-learn, torchvision
# what makes an array or a tensor of another one, example by example; source: NumPy, PyTorch, Keras
METHODS = ("astype", "long", "float", "to", "copy")
CONVERSIONS = ("tensor", "as_tensor", "from_numpy", "array", "asarray", "to_categorical", "LongTensor")
SHUFFLE = "sklearn.utils.shuffle"


def order_targets(facts: Mapping[str, Any]) -> Edit | None:
    """Bring the targets into the order that the inputs alone were brought into; None where both were, or it is not sure."""
    known = program(facts)
    changes = [*_by_index(known), *_by_shuffle(known)]
    return known.edit(changes) if len(changes) == 1 else None


def is_new_order(known: Code, place: Piece) -> bool:
    """Whether an expression is an order that was drawn, or the variable of one."""
    made = bound_to(known, place) if isinstance(place.node, ast.Name) else [place]
    return bool(made) and all(known.called(m) in ORDERS for m in made)


def _by_index(known: Code) -> Iterator[Change | None]:
    """``X = X[order]`` without ``y = y[order]``: the order is used once."""
    for made in known.nodes(ast.Assign):
        order, source = made.node.targets[0], made.source
        if (
            not isinstance(order, ast.Name)
            or known.called(Piece(source, made.node.value)) not in ORDERS
            or in_loop(source, made.node)
        ):
            continue
        uses = [p for p in known.nodes(ast.Name) if p.node.id == order.id and isinstance(p.node.ctx, ast.Load)]
        used = source.parent(uses[0].node) if len(uses) == 1 and uses[0].source is source else None
        statement = source.statement(used) if isinstance(used, ast.Subscript) else None
        if not isinstance(used, ast.Subscript) or used.slice is not uses[0].node or not isinstance(statement, ast.Assign):
            continue
        if in_loop(source, statement):
            continue
        inputs = used.value
        if isinstance(inputs, ast.Name) and statement.value is used and source.of(statement.targets[0]) == inputs.id:
            partner = _partner(known, inputs.id, Piece(source, statement))
            if partner is not None:
                yield lines.behind(source, statement, [f"{partner} = {partner}[{order.id}]"])
        else:
            targets = _targets_beside(known, Piece(source, used), statement)
            if targets is not None and targets.node.lineno > made.node.lineno:
                yield Change(source, *source.span(targets.node), f"{grouped(targets.text)}[{order.id}]")


def _by_shuffle(known: Code) -> Iterator[Change | None]:
    """``X = shuffle(X)``, of scikit-learn."""
    for call in known.calls("shuffle"):
        source, given, statement = call.source, call.node.args, call.source.parent(call.node)
        if len(given) != 1 or not isinstance(given[0], ast.Name) or not isinstance(statement, ast.Assign):
            continue
        if in_loop(source, call.node) or known.full_name(Piece(source, call.node.func)) != SHUFFLE:
            continue
        name, start = given[0].id, source.span(statement)[0]
        partner = _partner(known, name, Piece(source, statement))
        if partner is not None and source.of(statement.targets[0]) == name:
            (head, first), end = (source.span(call.node)[0], source.span(given[0])[1]), source.span(statement)[1]
            text = f"{source.text[head:first]}, {partner}{source.text[first:end]}"
            yield Change(source, start, end, f"{name}, {partner} = {text}")


def _partner(known: Code, inputs: str, at: Piece) -> str | None:
    """The variable of the targets that stand beside these inputs where they are split, or trained on; None if it is not
    sure, or has no value yet in that scope."""
    found = set()
    for place in known.calls(*TOGETHER):
        given = [*place.node.args]
        if len(given) == 1 and isinstance(given[0], ast.Tuple):  # ``from_tensor_slices((x, y))``
            given = given[0].elts
        named = {k.arg: k.value for k in place.node.keywords}
        pair = [named.get("x", given[0] if given else None), named.get("y", given[1] if len(given) > 1 else None)]
        names = [_variable(node) if node is not None else "" for node in pair]
        if names[0] == inputs:
            found.add(names[1])
    for place in known.nodes(ast.Tuple):  # ``X_train, y_train = X[:800], y[:800]``
        names = [_variable(node) if isinstance(node, ast.Subscript) else "" for node in place.node.elts]
        found |= {b for a, b in itertools.pairwise(names) if a == inputs and b}
    found -= {"", inputs}
    partner = found.pop() if len(found) == 1 else None
    if partner is None or says_validation(partner) != says_validation(inputs):
        return None
    scope = at.source.scope(at.node)
    stored = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == partner and isinstance(n.ctx, ast.Store)]
    return partner if stored and min(n.lineno for n in stored) <= at.node.lineno else None


def _variable(node: ast.AST) -> str:
    """The name of a variable, or of that which a part is taken of."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _targets_beside(known: Code, inputs: Piece, statement: ast.stmt) -> Piece | None:
    """The only value that is assigned the targets of the data set whose inputs were ordered: ``digits.target``."""
    owners = {n.value.id for n in ast.walk(inputs.node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    found = []
    for made in known.nodes(ast.Assign):
        values = made.node.value.elts if isinstance(made.node.value, ast.Tuple) else [made.node.value]
        for value in values if made.source is inputs.source else ():
            owner = _owner_of_targets(value)
            beside = made.node is statement and len(values) > 1
            found += [Piece(made.source, value)] if owner and (owner in owners or beside) else []
    return found[0] if len(found) == 1 else None


def _owner_of_targets(node: ast.AST) -> str:
    """``digits`` of ``digits.target``, ``torch.tensor(digits.target)`` and ``digits.target.astype(int)``."""
    while isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute) and name in METHODS:
            node = node.func.value
        elif node.args and name in CONVERSIONS:
            node = node.args[0]
        else:
            return ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in TARGETS:
        return node.value.id
    return ""
