"""Fixes of Keras programs, as edits of the user's own lines: the inputs, dropout, callbacks."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits.statement import Edit, Statement, called, calls, statements


def keras_name(facts: Mapping[str, Any]) -> str | None:
    """How the program names Keras, by its imports: ``keras``, ``tf.keras``, or None."""
    found = None
    for statement in statements(facts, "import"):
        if isinstance(statement.tree, ast.Import):
            for alias in statement.tree.names:
                if alias.name == "keras":
                    return alias.asname or "keras"
                if alias.name == "tensorflow":
                    found = f"{alias.asname or 'tensorflow'}.keras"
        elif isinstance(statement.tree, ast.ImportFrom) and statement.tree.module == "tensorflow":
            for alias in statement.tree.names:
                if alias.name == "keras":
                    return alias.asname or "keras"
    return found


def numpy_name(facts: Mapping[str, Any]) -> str | None:
    """How the program names NumPy, by its imports; None if it does not import it as a whole."""
    for statement in statements(facts, "import"):
        for alias in statement.tree.names if isinstance(statement.tree, ast.Import) else ():
            if alias.name == "numpy":
                return alias.asname or "numpy"
    return None


def _layers_prefix(facts: Mapping[str, Any], statement: Statement, nodes: list[ast.expr]) -> str | None:
    """What to write in front of a layer's class: as the user does (``layers.``), else by the imports."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            before = statement.source(node.func.value)
            if before.split(".")[-1] in ("layers", "L"):
                return before + "."
    name = keras_name(facts)
    return f"{name}.layers." if name else None


def _fitted_name(facts: Mapping[str, Any]) -> str | None:
    """The variable on which `fit` is called."""
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                return call.func.value.id
    return None


def _sequential(facts: Mapping[str, Any]) -> tuple[Statement, list[ast.expr]] | None:
    """The list of layers of the Sequential that is fitted; None if there is none, or it is not clear which."""
    found: list[tuple[Statement, list[ast.expr]]] = []
    for statement in statements(facts, "model"):
        for call in calls(statement, "Sequential"):
            for argument in [*call.args, *(k.value for k in call.keywords if k.arg == "layers")]:
                if isinstance(argument, ast.List) and argument.elts:
                    found.append((statement, argument.elts))
    if len(found) > 1:
        name = _fitted_name(facts)
        found = [(s, layers) for s, layers in found if isinstance(s.tree, ast.Assign) and _targets(s.tree) == [name]]
    return found[0] if len(found) == 1 else None


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _insert_before(statement: Statement, element: ast.expr, new: str) -> tuple[int, int, str]:
    """The change that puts `new` in front of a list's element: on a line of its own where the element has one."""
    start, _ = statement.span(element)
    line_start = statement.text.rfind("\n", 0, start) + 1
    lead = statement.text[line_start:start]
    return (start, start, f"{new},\n{lead}" if line_start and not lead.strip() else f"{new}, ")


def insert_normalization(facts: Mapping[str, Any]) -> Edit | None:
    """Put a Normalization that has seen the inputs in front of all other layers.

    Only if the inputs are a variable that gets its last value before the statement that begins the model.
    """
    keras, place = keras_name(facts), _first_layer(facts, "normalization", None)
    fits = [call for statement in statements(facts, "fit") for call in calls(statement, "fit")]
    given = next((k.value for call in fits for k in call.keywords if k.arg == "x"), None)
    given = given or (fits[0].args[0] if fits and fits[0].args else None)
    if keras is None or place is None or not isinstance(given, ast.Name):
        return None
    statement, change = place
    if not (lines := [s.line for s in statements(facts, "data")]) or max(lines) > statement.line:
        return None
    indent = statement.indent
    made = f"{indent}normalization = {keras}.layers.Normalization()\n{indent}normalization.adapt({given.id})\n"
    return statement.edit([(0, 0, made), change])


def insert_first_layer(facts: Mapping[str, Any], layer: str, input_name: str | None = None) -> Edit | None:
    """Put a layer (``Rescaling(1.0 / 255)``) in front of all others: in a Sequential's list, or after the Input.

    `input_name` says which of several inputs is meant.
    """
    place = _first_layer(facts, layer, input_name)
    return place[0].edit([place[1]]) if place is not None else None


def _first_layer(facts: Mapping[str, Any], layer: str, input_name: str | None) -> tuple[Statement, tuple[int, int, str]] | None:
    """The statement and its change that put a layer in front (see `_named`)."""
    found = _sequential(facts)
    if found is not None and input_name is None:
        statement, elements = found
        layers = [e for e in elements if called(e) not in ("Input", "InputLayer")]
        prefix = _layers_prefix(facts, statement, layers)
        # a first layer that carries input_shape must stay first
        shaped = isinstance(layers[0], ast.Call) and any(k.arg == "input_shape" for k in layers[0].keywords) if layers else True
        if prefix is None or shaped:
            return None
        return statement, _insert_before(statement, layers[0], _named(prefix, layer))
    return _before_first_added(facts, layer) or _behind_input(facts, layer, input_name)


def _named(prefix: str, layer: str) -> str:
    """A layer as it is written in the program; a lower-case name is a variable that holds a layer."""
    return layer if layer.islower() else f"{prefix}{layer}"


def _before_first_added(facts: Mapping[str, Any], layer: str) -> tuple[Statement, tuple[int, int, str]] | None:
    """After the Input of a Sequential to which layers are added: `model.add(keras.Input(...))`, `model.add(...)`."""
    behind = None
    for statement in statements(facts, "model"):
        call = statement.tree.value if isinstance(statement.tree, ast.Expr) else None
        if called(call or statement.tree) != "add" or not isinstance(call, ast.Call) or len(call.args) != 1:
            continue
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if called(call.args[0]) in ("Input", "InputLayer"):
            behind = owner if behind is None else ""
        elif behind == owner:
            prefix = _layers_prefix(facts, statement, [call.args[0]])
            added = f"{statement.indent}{owner}.add({_named(prefix, layer)})\n" if prefix is not None else ""
            return (statement, (0, 0, added)) if added else None
    return None


def _behind_input(
    facts: Mapping[str, Any], layer: str, input_name: str | None
) -> tuple[Statement, tuple[int, int, str]] | None:
    variables = []
    for statement in statements(facts, "model"):
        tree = statement.tree
        if isinstance(tree, ast.Assign) and isinstance(tree.value, ast.Call) and called(tree.value) == "Input":
            given = next((k.value for k in tree.value.keywords if k.arg == "name"), None)
            if input_name is None or (isinstance(given, ast.Constant) and given.value == input_name):
                variables += _targets(tree)
    if len(variables) != 1:
        return None
    for statement in statements(facts, "model"):
        for node in ast.walk(statement.tree):  # layers.Dense(8)(inputs)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and len(node.args) == 1:
                argument, prefix = node.args[0], _layers_prefix(facts, statement, [node.func])
                if isinstance(argument, ast.Name) and argument.id == variables[0] and prefix:
                    return statement, (*statement.span(argument), f"{_named(prefix, layer)}({argument.id})")
    return None


def add_dropout(facts: Mapping[str, Any], rate: float) -> Edit | None:
    """Put a Dropout after each hidden Dense layer of a Sequential's list."""
    found = _sequential(facts)
    if found is None:
        return None
    statement, elements = found
    prefix = _layers_prefix(facts, statement, elements)
    changes = []
    for this, following in itertools.pairwise(elements):
        if prefix is not None and called(this) == "Dense" and called(following) != "Dropout":
            changes.append(_insert_before(statement, following, f"{prefix}Dropout({rate:g})"))
    return statement.edit(changes) if changes else None


def add_callback(facts: Mapping[str, Any], callback: str) -> Edit | None:
    """Add a Keras callback (``EarlyStopping(...)``) to the call of fit."""
    name = keras_name(facts)
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            given = next((k.value for k in call.keywords if k.arg == "callbacks"), None)
            if name is not None and isinstance(given, ast.List) and given.elts:
                _, end = statement.span(given.elts[-1])
                return statement.edit([(end, end, f", {name}.callbacks.{callback}")])
    return None
