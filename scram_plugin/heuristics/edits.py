"""Fixes as edits of the user's own lines, made from the statements that the training side recorded.

`facts["source"]` is ``{"file": str, "statements": [{"role", "line", "text"}, ...]}``; roles are ``import``, ``model``
(defines or extends the model), ``compile`` and ``fit``. Nothing here runs or imports the user's code: it is parsed.
Every function returns None where it does not know how to edit that program safely.
"""

from __future__ import annotations

import ast
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

    def edit(self, changes: list[tuple[int, int, str]]) -> Edit:
        """The edit that makes `changes` (start, end, new text; offsets in `text`), narrowed to the lines that change."""
        after = self.text
        for start, end, new in sorted(changes, reverse=True):
            after = after[:start] + new + after[end:]
        old, new_lines = self.text.splitlines(), after.splitlines()
        head = 0
        while head < min(len(old), len(new_lines)) - 1 and old[head] == new_lines[head]:
            head += 1
        tail = 0
        while tail < min(len(old), len(new_lines)) - head - 1 and old[-1 - tail] == new_lines[-1 - tail]:
            tail += 1
        before, changed = old[head : len(old) - tail], new_lines[head : len(new_lines) - tail]
        return Edit(self.file, self.line + head, "\n".join(before), "\n".join(changed))

    def offset(self, line: int, column: int) -> int:
        """The offset in `text` of a position of the tree (lines from 1, columns in UTF-8 bytes)."""
        lines = self.text.splitlines(keepends=True)
        indent = len(self.text) - len(self.text.lstrip(" \t")) if line == 1 else 0  # the tree's first line has none
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


def _prefix(statement: Statement, node: ast.Call) -> str | None:
    """What stands before a layer's class where the user writes it: ``layers.`` for ``layers.Dense(...)``."""
    if isinstance(node.func, ast.Attribute):
        return statement.source(node.func.value) + "."
    return None


def _layer_list(statement: Statement) -> ast.List | None:
    for call in calls(statement, "Sequential"):
        for argument in [*call.args, *(k.value for k in call.keywords if k.arg == "layers")]:
            if isinstance(argument, ast.List) and argument.elts:
                return argument
    return None


def _insert_before(statement: Statement, element: ast.expr, new: str) -> tuple[int, int, str]:
    """The change that puts `new` in front of a list's element: on a line of its own where the element has one."""
    start, _ = statement.span(element)
    line_start = statement.text.rfind("\n", 0, start) + 1
    lead = statement.text[line_start:start]
    return (start, start, f"{new},\n{lead}" if line_start and not lead.strip() else f"{new}, ")


def insert_first_layer(facts: Mapping[str, Any], layer: str) -> Edit | None:
    """Put a layer (``Rescaling(1.0 / 255)``) in front of all others: in a Sequential's list, or behind the Input."""
    for statement in statements(facts, "model"):
        elements = _layer_list(statement)
        if elements is not None:
            layers = [e for e in elements.elts if called(e) not in ("Input", "InputLayer")]
            typed = [e for e in layers if isinstance(e, ast.Call) and _prefix(statement, e) is not None]
            # a first layer that carries input_shape must stay first
            if not typed or any(k.arg == "input_shape" for e in typed[:1] for k in e.keywords):
                continue
            prefix = _prefix(statement, typed[0])
            return statement.edit([_insert_before(statement, layers[0], f"{prefix}{layer}")])
    inputs = ""
    for statement in statements(facts, "model"):
        tree = statement.tree
        if isinstance(tree, ast.Assign) and called(tree.value) == "Input" and isinstance(tree.targets[0], ast.Name):
            inputs = tree.targets[0].id
            continue
        for node in ast.walk(tree):  # Dense(8)(inputs)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and len(node.args) == 1:
                argument, prefix = node.args[0], _prefix(statement, node.func)
                if inputs and isinstance(argument, ast.Name) and argument.id == inputs and prefix:
                    return statement.edit([(*statement.span(argument), f"{prefix}{layer}({inputs})")])
    return None


def add_dropout(facts: Mapping[str, Any], rate: float) -> Edit | None:
    """Put a Dropout behind each hidden Dense layer of a Sequential's list."""
    for statement in statements(facts, "model"):
        elements = _layer_list(statement)
        if elements is None:
            continue
        changes = []
        for this, following in zip(elements.elts, elements.elts[1:], strict=False):
            if called(this) == "Dense" and called(following) != "Dropout" and isinstance(this, ast.Call):
                prefix = _prefix(statement, this)
                if prefix is not None:
                    changes.append(_insert_before(statement, following, f"{prefix}Dropout({rate:g})"))
        if changes:
            return statement.edit(changes)
    return None


def add_callback(facts: Mapping[str, Any], callback: str) -> Edit | None:
    """Add a callback (an expression) to the call of fit."""
    for statement in statements(facts, "fit"):
        for call in calls(statement, "fit"):
            given = next((k.value for k in call.keywords if k.arg == "callbacks"), None)
            if isinstance(given, ast.List):
                _, end = statement.span(given)
                return statement.edit([(end - 1, end - 1, f", {callback}" if given.elts else callback)])
    return None
