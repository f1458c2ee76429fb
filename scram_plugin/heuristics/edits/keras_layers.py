"""Layers of a Keras model: their arguments, layers that go, and layers that come."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import argument, replaced, set_argument, set_number, takes, without_argument
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.model import all_layers, in_model, layer_calls, made
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile

ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax")
INPUTS = ("Input", "InputLayer")
NUMBERS = ("rate", "momentum")  # arguments that a program may give as a setting


def set_in_layers(facts: Mapping[str, Any], paths: Sequence[str], name: str, value: str | None, **others: str) -> Edit | None:
    """Set an argument of these layers to `value` (as code; None removes it), and `others` where they take them.

    None where a call makes other layers, too.
    """
    known = program(facts)
    made_by = layer_calls(known, facts)
    if not set(paths) <= made_by.keys():
        return None
    calls = list(dict.fromkeys(made_by[path] for path in paths))
    if any(call in calls and path not in paths for path, call in made_by.items()):
        return None
    changes: list[Change | None] = []
    for call in calls:
        if name == "activation" and known.called(call) in ACTIVATION_LAYERS:
            changes += _other_activation(known, call, value)
            continue
        changes += _set(known, call, name, value)
        for other, to in others.items():
            if takes(known, call, other):
                changes += _set(known, call, other, to)
    return known.edit(changes)


def _set(known: Code, call: Piece, name: str, value: str | None) -> list[Change | None]:
    if value is not None:
        return [(set_number if name in NUMBERS else set_argument)(known, call, name, value)]
    return [without_argument(known, call, name)] if argument(known, call, name) is not None else []


def _other_activation(known: Code, call: Piece, value: str | None) -> list[Change | None]:
    """Another activation in the place of a layer that is one; None removes it."""
    if value is None:
        return [_without(known, call)]
    if known.called(call) == "Activation":
        return [set_argument(known, call, "activation", value)]
    text, imports = written(call.source, "keras.layers.Activation", call)
    return [replaced(call, f"{text}({value})"), *imports]


def remove_layer(facts: Mapping[str, Any], path: str) -> Edit | None:
    """Remove a layer that is not the first of its model."""
    known = program(facts)
    call = layer_calls(known, facts).get(path)
    return known.edit([_without(known, call)]) if call is not None else None


def _without(known: Code, call: Piece) -> Change | None:
    """Take a layer out: of a list, an `add`, or a call on a tensor."""
    source, node = call
    outer = source.parent(node)
    if isinstance(outer, ast.List | ast.Tuple):
        at = outer.elts.index(node)
        return Change(source, source.span(outer.elts[at - 1])[1], source.span(node)[1], "") if at else None
    if isinstance(outer, ast.Call) and outer.func is node and len(outer.args) == 1 and not outer.keywords:
        return lines.without_call(source, outer)
    if isinstance(outer, ast.Call) and known.called(Piece(source, outer)) == "add":
        return lines.removed(source, source.statement(outer))
    used = _use(known, call)
    return lines.without_call(source, used.node) if used is not None else None


def _use(known: Code, call: Piece) -> Piece | None:
    """The only call of the attribute that holds a layer: ``self.dropout(x)`` of ``self.dropout = Dropout(0.5)``."""
    statement = call.source.parent(call.node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Attribute):
        return None
    found = [
        p for p in known.calls(target.attr) if p.source is call.source and p.source.of(p.node.func) == call.source.of(target)
    ]
    return found[0] if len(found) == 1 and found[0].node.args else None


def add_dropout(facts: Mapping[str, Any], rate: float) -> Edit | None:
    """Put a Dropout behind each hidden Dense layer that has none."""
    known = program(facts)
    changes: list[Change] = []
    for call in in_model(known, "Dense"):
        text, imports = written(call.source, "keras.layers.Dropout", call)
        change = _behind(known, call, f"{text}({rate:g})")
        if change is not None:
            changes += [change, *imports]
    return known.edit(changes or list(_in_call(known, facts, rate)))


def _in_call(known: Code, facts: Mapping[str, Any], rate: float) -> Iterator[Change]:
    """In a subclassed model: an attribute beside each hidden Dense layer, and its call around that of the layer."""
    layers = [layer for layer in all_layers(facts.get("model", {}).get("layers", [])) if layer.get("kernel")]
    made_by = layer_calls(known, facts)
    for layer in layers[:-1]:
        call = made_by.get(str(layer.get("path")))
        used = _use(known, call) if call is not None and layer.get("class") == "Dense" else None
        if call is None or used is None:
            continue
        statement: Any = call.source.parent(call.node)
        name = f"{call.source.of(statement.targets[0])}_dropout"
        text, imports = written(call.source, "keras.layers.Dropout", call)
        held = lines.behind(call.source, statement, [f"{name} = {text}({rate:g})"])
        if held is not None:
            yield from (held, replaced(used, f"{name}({used.text})"), *imports)


def _behind(known: Code, call: Piece, new: str) -> Change | None:
    """Put a layer behind a hidden one: in a list, an `add`, or a chain of calls; None behind the last, or before a Dropout."""
    source, node = call
    outer = source.parent(node)
    if isinstance(outer, ast.List | ast.Tuple):
        at = outer.elts.index(node)
        if at + 1 == len(outer.elts) or known.called(Piece(source, outer.elts[at + 1])) == "Dropout":
            return None
        return in_front(source, outer.elts[at + 1], new)
    statement = source.statement(node)
    following = next(iter(lines.following(source, statement)), None)
    if following is None:
        return None
    if isinstance(outer, ast.Call) and known.called(Piece(source, outer)) == "add" and isinstance(outer.func, ast.Attribute):
        owner = source.of(outer.func.value)
        after = source.of(following)
        if not after.startswith(f"{owner}.add(") or "Dropout(" in after:
            return None
        return lines.behind(source, statement, [f"{owner}.add({new})"])
    if isinstance(outer, ast.Call) and outer.func is node and isinstance(statement, ast.Assign) and statement.value is outer:
        name = source.of(statement.targets[0])
        after = source.of(following)
        used = isinstance(following, ast.Assign) and f"({name})" in after and "Dropout(" not in after and "Model(" not in after
        return lines.behind(source, statement, [f"{name} = {new}({name})"]) if used else None
    return None


def beside(known: Code, source: SourceFile) -> Piece | None:
    """A layer of Keras in a file, whose way of writing is taken over."""
    calls = (p for p in known.nodes(ast.Call) if p.source is source)
    return next((p for p in calls if known.full_name(Piece(source, p.node.func)).startswith("keras.layers.")), None)


def in_front(source: SourceFile, element: ast.expr, new: str) -> Change:
    """Put `new` in front of a list's element: on a line of its own where the element has one."""
    start, _ = source.span(element)
    return Change(source, start, start, f"{new}{source.between(element)}")


def first_layer(known: Code, layer: str, arguments: str, input_name: str | None = None) -> list[Change] | None:
    """Put a layer (``Rescaling``, ``1.0 / 255``) in front of all others; `input_name` says which of several inputs is meant.

    A lower-case `layer` is a variable that holds a layer. None where the model is not made by a list, by `add`, or
    from an Input.
    """
    start = made(known)
    if start is not None and known.called(start) == "Sequential" and input_name is None:
        given = follow(known, Piece(start.source, start.node.args[0])) if start.node.args else argument(known, start, "layers")
        if given is not None and isinstance(given.node, ast.List) and given.node.elts:
            return _first_of_list(known, given, layer, arguments)
        if given is None or isinstance(given.node, ast.List):
            return _first_added(known, start, layer, arguments)
    return _behind_input(known, layer, arguments, input_name)


def _text(source: SourceFile, layer: str, arguments: str, near: Piece | None) -> tuple[str, list[Change]]:
    if layer.islower():
        return layer, []
    text, imports = written(source, f"keras.layers.{layer}", near)
    return f"{text}({arguments})", imports


def _moved_shape(known: Code, call: Piece, new: str) -> tuple[str, list[Change]]:
    """The first layer may say the shape of the inputs: then the new first layer says it."""
    for name in ("input_shape", "batch_input_shape", "input_dim"):
        keyword = next((k for k in call.node.keywords if k.arg == name), None)
        if keyword is None or (name == "input_dim" and known.called(call) == "Embedding"):
            continue
        removed = without_argument(known, call, name)
        value = call.source.of(keyword.value)
        given = f"input_shape=({value},)" if name == "input_dim" else f"{name}={value}"
        if new.endswith(")") and removed is not None:
            return f"{new[:-1]}{'' if new.endswith('()') else ', '}{given})", [removed]
        return "", []
    return new, []


def _first_of_list(known: Code, whole: Piece, layer: str, arguments: str) -> list[Change] | None:
    source = whole.source
    elements = [Piece(source, e) for e in whole.node.elts]
    first = next((e for e in elements if known.called(e) not in INPUTS), None)
    if first is None or not isinstance(first.node, ast.Call):
        return None
    new, imports = _text(source, layer, arguments, first)
    new, moved = _moved_shape(known, first, new)
    return [in_front(source, first.node, new), *moved, *imports] if new else None


def _first_added(known: Code, start: Piece, layer: str, arguments: str) -> list[Change] | None:
    """In front of the first layer that is added: behind the Input, if there is one."""
    source = start.source
    statement = source.statement(start.node)
    if not isinstance(statement, ast.Assign):
        return None
    owner = source.of(statement.targets[0])
    for call in known.calls("add"):
        added = Piece(call.source, call.node.args[0]) if len(call.node.args) == 1 else None
        mine = call.source is source and source.scope(call.node) is source.scope(start.node)
        if added is None or not mine or source.of(call.node.func.value) != owner or known.called(added) in INPUTS:
            continue
        new, imports = _text(source, layer, arguments, added)
        new, moved = _moved_shape(known, added, new)
        inserted = lines.before(source, source.statement(call.node), [f"{owner}.add({new})"])
        return [inserted, *moved, *imports] if new and inserted is not None else None
    return None


def _behind_input(known: Code, layer: str, arguments: str, input_name: str | None) -> list[Change] | None:
    """Where a functional model uses its Input: in each call, but not in `Model(inputs, ...)`."""
    found = []
    for call in in_model(known, "Input"):
        statement = call.source.statement(call.node)
        name = argument(known, call, "name")
        right = input_name is None or (
            name is not None and isinstance(name.node, ast.Constant) and name.node.value == input_name
        )
        if (
            right
            and isinstance(statement, ast.Assign)
            and statement.value is call.node
            and isinstance(statement.targets[0], ast.Name)
        ):
            found.append((call.source, statement, statement.targets[0].id))
    if len(found) != 1:
        return None
    source, statement, name_ = found[0]
    scope = source.scope(statement)
    uses = []
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and node.id == name_ and isinstance(node.ctx, ast.Load):
            outer = source.parent(node)
            whole = (
                outer
                if isinstance(outer, ast.Call)
                else source.parent(outer)
                if isinstance(outer, ast.List | ast.keyword)
                else None
            )
            if isinstance(whole, ast.Call) and known.called(Piece(source, whole)) in ("Model", "Functional"):
                continue
            uses.append(node)
    if not uses:
        return None
    near = next(
        (Piece(source, p.func) for n in uses if isinstance(p := source.parent(n), ast.Call) and isinstance(p.func, ast.Call)),
        None,
    )
    new, imports = _text(source, layer, arguments, near)
    if len(uses) == 1:
        return [Change(source, *source.span(uses[0]), f"{new}({name_})"), *imports]
    inserted = lines.behind(source, statement, [f"scaled = {new}({name_})"])
    changes = [Change(source, *source.span(n), "scaled") for n in uses]
    return [inserted, *changes, *imports] if inserted is not None and "scaled" not in source.text else None
