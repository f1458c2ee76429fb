"""Fixes as edits of the user's own lines, made from the statements that the training side recorded.

`facts["source"]` is ``{"file": str, "statements": [{"role", "line", "text"}, ...]}``; roles are ``import``, ``model``
(defines or extends the model), ``compile``, ``fit`` and others (see `training/call_site.py`). Nothing here runs or imports the
user's code: it is parsed.
Every function returns None where it does not know how to edit that program safely.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """Replace the lines `before`, which begin at `line` (from 1) of `file`, by the lines `after`."""

    file: str
    line: int
    before: str
    after: str


@dataclass(frozen=True)
class Statement:
    """One recorded statement: its role, first line in the file, text as written, and its syntax tree."""

    file: str
    role: str
    line: int
    text: str
    tree: ast.stmt

    def edit(self, changes: list[tuple[int, int, str]]) -> Edit | None:
        """The edit that makes `changes` (start, end, new text; offsets in `text`), narrowed to the lines that change.

        None if the result would not be Python, or is what is there already.
        """
        after = self.text
        for start, end, new in sorted(changes, reverse=True):
            after = after[:start] + new + after[end:]
        try:
            ast.parse(f"if True:\n{after}" if after[0] in " \t" else after)
        except SyntaxError:
            return None
        if after == self.text:
            return None
        old, new_lines = self.text.splitlines(), after.splitlines()
        head = 0
        while head < min(len(old), len(new_lines)) - 1 and old[head] == new_lines[head]:
            head += 1
        tail = 0
        while tail < min(len(old), len(new_lines)) - head - 1 and old[-1 - tail] == new_lines[-1 - tail]:
            tail += 1
        before, changed = old[head : len(old) - tail], new_lines[head : len(new_lines) - tail]
        return Edit(self.file, self.line + head, "\n".join(before), "\n".join(changed))

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip(" \t"))]

    def offset(self, line: int, column: int) -> int:
        """The offset in `text` of a position of the tree (lines from 1, columns in UTF-8 bytes)."""
        lines = self.text.splitlines(keepends=True)
        indent = len(self.indent) if line == 1 else 0  # the tree's first line has none
        return sum(map(len, lines[: line - 1])) + indent + _characters(lines[line - 1][indent:], column)

    def span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def source(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]


def _characters(line: str, column: int) -> int:
    return len(line.encode()[:column].decode(errors="ignore"))


def statements(facts: Mapping[str, Any], role: str) -> Iterator[Statement]:
    """The recorded statements of one role, those that parse."""
    source = facts.get("source") or {}
    for entry in source.get("statements", ()):
        try:
            if entry["role"] != role:
                continue
            text, line, file = str(entry["text"]), int(entry["line"]), str(source["file"])
            # only the first line can carry indentation that Python would refuse; continuation lines are free
            tree = ast.parse(text.lstrip(" \t")).body
        except (SyntaxError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
            continue
        if len(tree) == 1:
            yield Statement(file, role, line, text, tree[0])


def called(node: ast.AST) -> str:
    """The last name of what a call calls: ``Adam`` for ``keras.optimizers.Adam(...)``; "" if it is no call of a name."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def calls(statement: Statement, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(statement.tree):
        if isinstance(node, ast.Call) and called(node) == name:
            yield node


def set_learning_rate(facts: Mapping[str, Any], optimizer: str, now: float, value: float) -> Edit | None:
    """Set the learning rate where the optimiser is made: where its literal is `now`, else where there is one place only."""
    places = []
    for role in ("compile", "model", "optimizer", "fit"):
        for statement in statements(facts, role):
            for call in calls(statement, optimizer):
                rate = next((k.value for k in call.keywords if k.arg in ("learning_rate", "lr")), None)
                rate = rate or (call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None)
                if rate is not None:
                    places.append((statement, rate))
    exact = [(s, r) for s, r in places if isinstance(r, ast.Constant) and _same(r.value, now)]
    if not exact and (len(places) != 1 or isinstance(places[0][1], ast.Constant)):
        return None
    statement, rate = (exact or places)[0]
    return statement.edit([(*statement.span(rate), f"{value:g}")])


def _same(literal: Any, value: float) -> bool:
    """Equal as float32, which is what an optimiser keeps."""
    return isinstance(literal, int | float) and abs(literal - value) <= 1e-6 * abs(value)


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

    Only where the inputs are a variable that has its last value before the statement that begins the model.
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
    """Put a layer (``Rescaling(1.0 / 255)``) in front of all others: in a Sequential's list, or behind the Input.

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
    """A layer as it is written in the program; a name in small letters is a variable that holds one."""
    return layer if layer.islower() else f"{prefix}{layer}"


def _before_first_added(facts: Mapping[str, Any], layer: str) -> tuple[Statement, tuple[int, int, str]] | None:
    """Behind the Input of a Sequential to which layers are added: `model.add(keras.Input(...))`, `model.add(...)`."""
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
    """Put a Dropout behind each hidden Dense layer of a Sequential's list."""
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
    """Add a callback of Keras (``EarlyStopping(...)``) to the call of fit."""
    name = keras_name(facts)
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            given = next((k.value for k in call.keywords if k.arg == "callbacks"), None)
            if name is not None and isinstance(given, ast.List) and given.elts:
                _, end = statement.span(given.elts[-1])
                return statement.edit([(end, end, f", {name}.callbacks.{callback}")])
    return None
