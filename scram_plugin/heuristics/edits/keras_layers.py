"""Fixes of single layers, of the loss and of the data, as edits of the user's own lines (see `statement.py`)."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.statement import Edit, Statement, called, calls, statements

# Positional arguments of layers: class -> names in order.
_PLACES = {
    "Dense": ("units", "activation"),
    "Dropout": ("rate",),
    "SpatialDropout1D": ("rate",),
    "SpatialDropout2D": ("rate",),
    "Activation": ("activation",),
}
_DATA = ("x", "y")  # the positions of the data in `fit`, and in its `validation_data`


def layer_call(facts: Mapping[str, Any], path: str) -> tuple[Statement, ast.Call] | None:
    """The call in the program that made a layer; None where that is not certain (a loop, a function called twice).

    The call has the layer's name, or is the n-th of exactly as many calls of its class as there are such layers.
    """
    layers = facts.get("model", {}).get("layers", [])
    kind = next((str(layer["class"]) for layer in layers if layer.get("path") == path), None)
    if kind is None:
        return None
    found = [(statement, call) for statement in statements(facts, "model") for call in calls(statement, kind)]
    found.sort(key=lambda entry: (entry[0].line, entry[1].lineno, entry[1].col_offset))
    for statement, call in found:
        given = next((k.value for k in call.keywords if k.arg == "name"), None)
        if isinstance(given, ast.Constant) and given.value == path:
            return statement, call
    of_kind = [layer["path"] for layer in layers if layer["class"] == kind]
    return found[of_kind.index(path)] if len(found) == len(of_kind) else None


def set_in_layers(facts: Mapping[str, Any], paths: Sequence[str], name: str, value: str | None, **others: str) -> Edit | None:
    """Set an argument of these layers to `value` (as code; None removes it), and `others` as well.

    All of them if their statements follow one another, else only the first: an edit changes one place.
    """
    found = [layer_call(facts, path) for path in paths]
    if not found or any(entry is None for entry in found):
        return None
    whole = [entry for entry in found if entry is not None]
    settings = {name: value, **others}
    lines = [statement.line for statement, _ in whole]
    together, starts = _together(facts, min(lines), max(lines))
    if together is None:
        whole, together, starts = whole[:1], whole[0][0], {lines[0]: 0}
    changes = [
        (start + starts[statement.line], end + starts[statement.line], new)
        for statement, call in whole
        for key, to in settings.items()
        for start, end, new in _set(statement, call, key, to)
    ]
    return together.edit(changes) if changes else None


def _together(facts: Mapping[str, Any], first: int, last: int) -> tuple[Statement | None, dict[int, int]]:
    """The statements of a model from line `first` to `last` as one, with where each begins; None if a line is not known."""
    text, starts, file, at = "", {}, "", first
    for statement in sorted(statements(facts, "model"), key=lambda s: s.line):
        if first <= statement.line <= last:
            if statement.line != at:
                return None, {}
            starts[statement.line], file = len(text), statement.file
            text += statement.text + "\n"
            at += statement.text.count("\n") + 1
    return (Statement(file, "model", first, text, ast.Pass()), starts) if starts else (None, {})


def remove_layer(facts: Mapping[str, Any], path: str) -> Edit | None:
    """Remove a layer that is not the first from the list of a Sequential."""
    found = layer_call(facts, path)
    if found is None:
        return None
    statement, call = found
    for whole in calls(statement, "Sequential"):
        for argument in whole.args:
            if isinstance(argument, ast.List) and call in argument.elts[1:]:
                before = argument.elts[argument.elts.index(call) - 1]
                return statement.edit([(statement.span(before)[1], statement.span(call)[1], "")])
    return None


def _set(statement: Statement, call: ast.Call, name: str, value: str | None) -> list[tuple[int, int, str]]:
    keyword = next((k for k in call.keywords if k.arg == name), None)
    places = _PLACES.get(called(call), ())
    by_place = places.index(name) if name in places and places.index(name) < len(call.args) else None
    if keyword is not None:
        start, end = statement.span(keyword)
        if value is not None:
            return [(start, end, f"{name}={value}")]
        return [_without(statement, call, start, end)]
    if by_place is not None:
        start, end = statement.span(call.args[by_place])
        return [(start, end, value)] if value is not None else [_without(statement, call, start, end)]
    if value is None:
        return []
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    if not arguments:
        _, end = statement.span(call)
        return [(end - 1, end - 1, f"{name}={value}")]
    end = max(statement.span(argument)[1] for argument in arguments)
    return [(end, end, f", {name}={value}")]


def _without(statement: Statement, call: ast.Call, start: int, end: int) -> tuple[int, int, str]:
    """The change that removes an argument, with the comma before it, or after it if it is the first."""
    others: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    before = [e for argument in others if (e := statement.span(argument)[1]) <= start]
    if before:
        return max(before), end, ""
    after = [s for argument in others if (s := statement.span(argument)[0]) >= end]
    return (start, min(after), "") if after else (start, end, "")


def set_loss(facts: Mapping[str, Any], loss: str) -> Edit | None:
    """Give `compile` another loss, named as text."""
    return _set_in_call(facts, "compile", "loss", json.dumps(loss), place=1)


def set_from_logits(facts: Mapping[str, Any], value: bool) -> Edit | None:
    """Set the flag where the loss is created, if there is one such place."""
    loss = str(facts.get("loss", {}).get("class"))
    found = [(s, c) for role in ("compile", "model", "optimizer") for s in statements(facts, role) for c in calls(s, loss)]
    if len(found) != 1:
        return None
    statement, call = found[0]
    return statement.edit(_set(statement, call, "from_logits", str(value)))


def set_in_optimizer(facts: Mapping[str, Any], optimizer: str, name: str, value: str) -> Edit | None:
    """Set an argument of the optimizer where it is created, if there is one such place."""
    roles = ("compile", "model", "optimizer", "fit")
    found = [(s, c) for role in roles for s in statements(facts, role) for c in calls(s, optimizer)]
    return found[0][0].edit(_set(*found[0], name, value)) if len(found) == 1 else None


def set_in_fit(facts: Mapping[str, Any], name: str, value: str | None) -> Edit | None:
    """Set an argument of `fit` (``shuffle``); None removes it."""
    return _set_in_call(facts, "fit", name, value)


def wrap_in_fit(facts: Mapping[str, Any], name: str, template: str) -> Edit | None:
    """Replace the inputs ("x") or targets ("y") given to `fit` by ``template.format(data, training data)``.

    Those in its `validation_data` as well: both must be changed in the same way.
    """
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            given = _given(call, name)
            if given is not None:
                others = [elements[_DATA.index(name)]] if (elements := _validation(call)) else []
                own = statement.source(given)
                return statement.edit(
                    [(*statement.span(node), template.format(statement.source(node), own)) for node in (given, *others)]
                )
    return None


def keep_rows(facts: Mapping[str, Any], condition: str) -> Edit | None:
    """Keep only the examples given to `fit` for which ``condition.format(targets)`` holds.

    Only if inputs and targets are plain variables.
    """
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            x, y = _given(call, "x"), _given(call, "y")
            if isinstance(x, ast.Name) and isinstance(y, ast.Name):
                kept = condition.format(y.id)
                return statement.edit([(*statement.span(node), f"{node.id}[{kept}]") for node in (x, y)])
    return None


def _given(call: ast.Call, name: str) -> ast.expr | None:
    """The inputs ("x") or targets ("y") in a call of `fit`."""
    given = next((k.value for k in call.keywords if k.arg == name), None)
    place = _DATA.index(name)
    if given is None and len(call.args) > place and not any(isinstance(a, ast.Starred) for a in call.args):
        given = call.args[place]
    return given


def _validation(call: ast.Call) -> list[ast.expr] | None:
    """The elements of ``validation_data=(x, y)`` in a call of `fit`."""
    given = next((k.value for k in call.keywords if k.arg == "validation_data"), None)
    return given.elts if isinstance(given, ast.Tuple) and len(given.elts) >= 2 else None


def set_trainable(facts: Mapping[str, Any]) -> Edit | None:
    """Set to True what one statement alone sets to False: ``layer.trainable = False``."""
    found = [(s, s.tree) for s in statements(facts, "trainable") if isinstance(s.tree, ast.Assign)]
    if len(found) != 1:
        return None
    statement, tree = found[0]
    if not isinstance(tree.value, ast.Constant) or tree.value.value is not False:
        return None
    return statement.edit([(*statement.span(tree.value), "True")])


def wrap_validation(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the inputs in ``validation_data=(x, y)`` of `fit` by ``template.format(inputs)``."""
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            if elements := _validation(call):
                return statement.edit([(*statement.span(elements[0]), template.format(statement.source(elements[0])))])
    return None


def _set_in_call(facts: Mapping[str, Any], role: str, name: str, value: str | None, place: int | None = None) -> Edit | None:
    """Set (or with None remove) an argument of `compile` or `fit`; `place` is its position if it is given without a name."""
    for statement in statements(facts, role):
        for call in calls(statement, role):
            if place is not None and value is not None and len(call.args) > place:
                return statement.edit([(*statement.span(call.args[place]), value)])
            changes = _set(statement, call, name, value)
            return statement.edit(changes) if changes else None
    return None
