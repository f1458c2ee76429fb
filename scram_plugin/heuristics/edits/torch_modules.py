"""Fixes of a model made of PyTorch modules, as edits of the user's own lines (see `statement.py`).

Heuristics give a fix in Keras's terms; here it becomes a change of modules, or of calls of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.statement import Edit, Statement, called, calls, statements
from scram_plugin.heuristics.edits.torch_loop import Change, argument, changed, prefix

ACTIVATIONS = {
    "relu": "ReLU()",
    "sigmoid": "Sigmoid()",
    "tanh": "Tanh()",
    "softmax": "Softmax(dim=-1)",
    "log_softmax": "LogSoftmax(dim=-1)",
}
FUNCTIONS = {"relu": "torch.relu", "sigmoid": "torch.sigmoid", "tanh": "torch.tanh"}
CLASSES = {module.partition("(")[0] for module in ACTIVATIONS.values()}
WEIGHTS = {"kernel_initializer": "weight", "bias_initializer": "bias"}


def module_call(facts: Mapping[str, Any], path: str) -> tuple[Statement, ast.Call] | None:
    """The call that made a module, by its path: ``self.fc1 = nn.Linear(...)`` for ``fc1``, an element of the only list of a
    `Sequential` for ``2``, and of the `Sequential` that ``self.features`` holds for ``features.2``."""
    *owners, last = path.split(".")
    if not last.isdigit():
        found = [
            (s, s.tree.value)
            for s in statements(facts, "model")
            if isinstance(s.tree, ast.Assign) and isinstance(s.tree.value, ast.Call) and _attribute(s.tree) == last
        ]
        return found[0] if len(found) == 1 and len(owners) == 0 else None
    wholes = _sequentials(facts)
    if owners:
        wholes = [w for w in wholes if isinstance(w[0].tree, ast.Assign) and _attribute(w[0].tree) == owners[-1]]
    if len(wholes) != 1 or any(isinstance(e, ast.Starred) for e in wholes[0][1]) or int(last) >= len(wholes[0][1]):
        return None
    element = wholes[0][1][int(last)]
    return (wholes[0][0], element) if isinstance(element, ast.Call) else None


def _sequentials(facts: Mapping[str, Any]) -> list[tuple[Statement, list[ast.expr]]]:
    return [(s, call.args) for s in statements(facts, "model") for call in calls(s, "Sequential") if call.args]


def _attribute(node: ast.Assign) -> str | None:
    """``fc1`` of ``self.fc1 = ...``"""
    target = node.targets[0]
    return target.attr if isinstance(target, ast.Attribute) and len(node.targets) == 1 else None


def set_in_layers(
    facts: Mapping[str, Any], paths: Sequence[str], name: str, value: str | None, normalized: bool = False
) -> Edit | None:
    """Set what Keras calls `name` in layers; `normalized`: with a batch normalisation before an activation, for deep nets."""
    if name == "activation":
        return _set_activation(facts, paths, None if value is None else value.strip('"'), normalized)
    if name in WEIGHTS:
        return _start_as_usual(facts, paths, WEIGHTS[name])
    if name == "rate" and value is not None:
        return changed([argument(found, "p", value, 0) for path in paths if (found := module_call(facts, path))])
    return None


def _set_activation(facts: Mapping[str, Any], paths: Sequence[str], value: str | None, normalized: bool) -> Edit | None:
    entries = {str(layer.get("path")): layer for layer in facts.get("model", {}).get("layers", [])}
    changes = [_activate(facts, entries.get(path, {}), path, value, normalized) for path in paths]
    return changed(changes)


def _activate(
    facts: Mapping[str, Any], entry: Mapping[str, Any], path: str, value: str | None, normalized: bool
) -> Change | None:
    now = str(entry.get("activation"))
    by = entry.get("activated_by") or (path if str(entry.get("class")) in CLASSES else None)
    made = module_call(facts, str(by)) if by else None
    if made is not None:  # another module in its place, or none
        statement, call = made
        if value is not None:
            owner, kernel = prefix(statement, call), entry.get("kernel") or []
            norm = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d"}.get(len(kernel)) if normalized else None
            before = f"{owner}{norm}({kernel[-1]}), " if norm else ""
            return statement, (*statement.span(call), f"{before}{owner}{ACTIVATIONS[value]}")
        return _removed(facts, statement, call)
    if by is None and now == "None" and value is not None:
        made = module_call(facts, path)
        if made is not None and path.rpartition(".")[2].isdigit():
            return _behind(facts, *made, ACTIVATIONS[value])
        return _wrapped(facts, path, FUNCTIONS.get(value))
    return _unwrapped(facts, path, now, value) if by is None else None


def _elements(facts: Mapping[str, Any], statement: Statement, call: ast.Call) -> list[ast.expr]:
    return next((e for s, e in _sequentials(facts) if s.line == statement.line and any(_same(x, call) for x in e)), [])


def _same(one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes, of separately parsed trees, are at the same place."""
    places = [(getattr(n, "lineno", 0), getattr(n, "col_offset", 0), getattr(n, "end_col_offset", 0)) for n in (one, other)]
    return places[0] == places[1]


def _behind(facts: Mapping[str, Any], statement: Statement, call: ast.Call, new: str) -> Change | None:
    """Put a module after an element of a `Sequential`, on a line of its own if the element has one."""
    start, end = statement.span(call)
    line = statement.text.rfind("\n", 0, start) + 1
    lead = statement.text[line:start]
    module = prefix(statement, call) + new
    return statement, (end, end, f",\n{lead}{module}" if line and not lead.strip() else f", {module}")


def _removed(facts: Mapping[str, Any], statement: Statement, call: ast.Call) -> Change | None:
    """Remove an element that is not the first from a `Sequential`."""
    elements = _elements(facts, statement, call)
    at = next((i for i, e in enumerate(elements) if _same(e, call)), 0)
    return (statement, (statement.span(elements[at - 1])[1], statement.span(call)[1], "")) if at else None


def _uses(facts: Mapping[str, Any], path: str) -> Iterator[tuple[Statement, ast.Call, list[ast.AST]]]:
    """Calls of ``self.<path>(...)`` in the forward pass, with the nodes around each, outermost first."""
    for role in ("data", "forward", "model"):
        for statement in statements(facts, role):
            waiting: list[tuple[ast.AST, list[ast.AST]]] = [(statement.tree, [])]
            while waiting:
                node, around = waiting.pop()
                if isinstance(node, ast.Call) and re.fullmatch(rf"\w+\.{re.escape(path)}", ast.unparse(node.func)):
                    yield statement, node, around
                waiting.extend((child, [*around, node]) for child in ast.iter_child_nodes(node))


def _wrapped(facts: Mapping[str, Any], path: str, function: str | None) -> Change | None:
    uses = list(_uses(facts, path))
    if len(uses) != 1 or function is None:
        return None
    statement, call, _ = uses[0]
    return statement, (*statement.span(call), f"{function}({statement.source(call)})")


def _unwrapped(facts: Mapping[str, Any], path: str, now: str, value: str | None) -> Change | None:
    uses = list(_uses(facts, path))
    if len(uses) != 1:
        return None
    statement, call, around = uses[0]
    outer = next((n for n in reversed(around) if isinstance(n, ast.Call) and called(n) == now), None)
    if outer is None or not outer.args or not _same(outer.args[0], call):
        return None
    if value == "log_softmax" and isinstance(outer.func, ast.Attribute | ast.Name):  # it takes the same arguments as softmax
        return statement, (*statement.span(outer.func), re.sub(r"\w+$", value, statement.source(outer.func)))
    inner = statement.source(call)
    return statement, (*statement.span(outer), f"{FUNCTIONS[value]}({inner})" if value in FUNCTIONS else inner)


def remove_layer(facts: Mapping[str, Any], path: str) -> Edit | None:
    made = module_call(facts, path)
    return changed([_removed(facts, *made)]) if made is not None else None


def put_batch_first(facts: Mapping[str, Any], path: str) -> Edit | None:
    made = module_call(facts, path)
    return changed([argument(made, "batch_first", "True")]) if made is not None else None


def add_dropout(facts: Mapping[str, Any], rate: float) -> Edit | None:
    """Put a Dropout after each hidden activation of a `Sequential` that follows a linear layer."""
    wholes = _sequentials(facts)
    if len(wholes) != 1:
        return None
    statement, elements = wholes[0]
    changes: list[Change | None] = []
    for i, element in enumerate(elements[1:-1], 1):
        linear = called(elements[i - 1]) == "Linear" and called(element) in ("ReLU", "GELU", "Tanh", "SiLU", "LeakyReLU")
        if linear and called(elements[i + 1]) != "Dropout" and isinstance(element, ast.Call):
            changes.append(_behind(facts, statement, element, f"Dropout({rate:g})"))
    return changed(changes)


def _start_as_usual(facts: Mapping[str, Any], paths: Sequence[str], which: str) -> Edit | None:
    """Change the statement that sets weights (or biases) to the usual initialisation."""
    found = [s for s in statements(facts, "initialize") if re.search(rf"\.{which}\b", s.text)]
    if len(found) != 1:
        return None
    statement = found[0]
    for node in ast.walk(statement.tree):
        if not isinstance(node, ast.Call):
            continue
        function = called(node)
        owner = statement.source(node.func.value) + "." if isinstance(node.func, ast.Attribute) else ""
        if "init" in owner and node.args:
            usual = 'kaiming_uniform_({}, nonlinearity="relu")' if which == "weight" else "zeros_({})"
            return statement.edit([(*statement.span(node), owner + usual.format(statement.source(node.args[0])))])
        if function.endswith("_") and isinstance(node.func, ast.Attribute) and which == "bias":
            return statement.edit([(*statement.span(node), f"{owner}zero_()")])
    return None


def set_trainable(facts: Mapping[str, Any]) -> Edit | None:
    """Set to True what one statement alone sets to False: ``p.requires_grad = False``, ``requires_grad_(False)``."""
    found = list(statements(facts, "trainable"))
    if len(found) != 1:
        return None
    statement = found[0]
    falses = [n for n in ast.walk(statement.tree) if isinstance(n, ast.Constant) and n.value is False]
    return statement.edit([(*statement.span(falses[0]), "True")]) if len(falses) == 1 else None
