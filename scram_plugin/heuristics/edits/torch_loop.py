"""Fixes of a PyTorch training loop: its optimizer, its loss, and the tensors that its data sets are made of."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.statement import Edit, Statement, called, calls, statements

# Keras's name of a loss -> class of `torch.nn`, function of `torch.nn.functional`
LOSSES = {
    "binary_crossentropy": ("BCELoss", "binary_cross_entropy"),
    "binary_crossentropy_with_logits": ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
    "sparse_categorical_crossentropy": ("CrossEntropyLoss", "cross_entropy"),
    "categorical_crossentropy": ("CrossEntropyLoss", "cross_entropy"),
}
FUNCTIONS = {function for _, function in LOSSES.values()} | {"nll_loss", "mse_loss", "l1_loss"}
CLIP = re.compile(r"\bclip_grad_(norm|value)_\(")
Change = tuple[Statement, tuple[int, int, str]]


def changed(changes: Sequence[Change | None]) -> Edit | None:
    """One edit of all changes that are in the statement of the first one."""
    whole = [change for change in changes if change is not None]
    if not whole or len(whole) < len(changes):
        return None
    statement = whole[0][0]
    return statement.edit([change for of, change in whole if of.line == statement.line])


def argument(found: tuple[Statement, ast.Call], name: str, value: str, place: int | None = None) -> Change:
    """Set an argument of a call: by its name, or at its position `place`."""
    statement, call = found
    keyword = next((k for k in call.keywords if k.arg == name), None)
    if keyword is not None:
        return statement, (*statement.span(keyword.value), value)
    if place is not None and place < len(call.args):
        return statement, (*statement.span(call.args[place]), value)
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    end = max((statement.span(a)[1] for a in arguments), default=statement.span(call)[1] - 1)
    return statement, (end, end, f"{', ' if arguments else ''}{name}={value}")


def prefix(statement: Statement, call: ast.Call) -> str:
    """``nn.``, as the program writes it."""
    return statement.source(call.func.value) + "." if isinstance(call.func, ast.Attribute) else ""


def set_in_optimizer(facts: Mapping[str, Any], name: str, value: str) -> Edit | None:
    """Set an argument of the optimizer where it is created, if there is one such place."""
    kind = str(facts.get("optimizer", {}).get("class"))
    found = [(s, c) for s in statements(facts, "optimizer") for c in calls(s, kind)]
    return changed([argument(found[0], name, value)]) if len(found) == 1 else None


def clip_gradients(facts: Mapping[str, Any], norm: str) -> Edit | None:
    """Clip between ``backward()`` and ``step()``."""
    model = _model_name(facts)
    found = [s for s in statements(facts, "step") if re.fullmatch(r"\s*\w+\.step\(\)", s.text)]
    if len(found) != 1 or model is None:
        return None
    statement = found[0]
    return statement.edit([(0, 0, f"{statement.indent}torch.nn.utils.clip_grad_norm_({model}.parameters(), {norm})\n")])


def _model_name(facts: Mapping[str, Any]) -> str | None:
    """The variable in ``optimizer = Adam(model.parameters())``."""
    names = {m for s in statements(facts, "optimizer") for m in re.findall(r"(\w+)\.parameters\(\)", s.text)}
    return names.pop() if len(names) == 1 else None


def clear_gradients(facts: Mapping[str, Any]) -> Edit | None:
    """Put ``optimizer.zero_grad()`` in front of ``loss.backward()``."""
    steps = {m for s in statements(facts, "step") for m in re.findall(r"^\s*(\w+)\.step\(", s.text)}
    found = [s for s in statements(facts, "step") if re.search(r"\.backward\(", s.text)]
    if len(found) != 1 or len(steps) != 1:
        return None
    statement = found[0]
    return statement.edit([(0, 0, f"{statement.indent}{steps.pop()}.zero_grad()\n")])


def set_loss(facts: Mapping[str, Any], loss: str) -> Edit | None:
    """Replace the loss, if there is only one, by another, given by Keras's name."""
    kind, function = LOSSES.get(loss, (loss, ""))
    found = []
    for statement in statements(facts, "loss"):
        for node in ast.walk(statement.tree):
            if isinstance(node, ast.Call) and (re.fullmatch(r"\w*Loss", called(node)) or called(node) in FUNCTIONS):
                found.append((statement, node))
    if len(found) != 1:
        return None
    statement, call = found[0]
    start, end = statement.span(call.func)
    if called(call).endswith("Loss"):
        return statement.edit([(*statement.span(call), f"{prefix(statement, call)}{kind}()")])
    return statement.edit([(start, end, f"{prefix(statement, call)}{function}")]) if function else None


def set_class_weight(facts: Mapping[str, Any], weights: Sequence[float]) -> Edit | None:
    found = [(s, c) for s in statements(facts, "loss") for c in calls(s, "CrossEntropyLoss")]
    return changed([argument(found[0], "weight", f"torch.tensor({list(weights)})", 0)]) if len(found) == 1 else None


def _loader_of(facts: Mapping[str, Any], training: bool) -> tuple[Statement, ast.Call] | None:
    """The call of `DataLoader` for the training data, or else for the validation data, told apart by the name of the variable
    that it is assigned to."""
    found = [(s, c) for s in statements(facts, "data") for c in calls(s, "DataLoader")]
    words = r"val|valid|test|eval|dev"
    of_validation = [f for f in found if re.search(words, f[0].text.split("(")[0], re.I)]
    chosen = [f for f in found if f not in of_validation] if training else of_validation
    return chosen[0] if len(chosen) == 1 else None


def shuffle(facts: Mapping[str, Any]) -> Edit | None:
    found = _loader_of(facts, training=True)
    return changed([argument(found, "shuffle", "True", 2)]) if found else None


def _tensors(facts: Mapping[str, Any], training: bool) -> list[tuple[Statement, ast.expr]]:
    """The tensors in the `TensorDataset` of the training or validation data."""
    loader = _loader_of(facts, training)
    names = {n.id for a in loader[1].args for n in ast.walk(a) if isinstance(n, ast.Name)} if loader else set()
    for statement in statements(facts, "data"):
        mine = loader is not None and statement.line == loader[0].line
        assigned = isinstance(statement.tree, ast.Assign) and any(getattr(t, "id", "") in names for t in statement.tree.targets)
        for call in calls(statement, "TensorDataset"):
            if mine or assigned:
                return [(statement, argument) for argument in call.args]
    return []


def _split(facts: Mapping[str, Any], name: str) -> tuple[Statement, str] | None:
    """The statement ``x_train, x_val = x[:n], x[n:]`` that makes `name`, and the variable that it splits."""
    for statement in statements(facts, "data"):
        tree = statement.tree
        if not isinstance(tree, ast.Assign) or not isinstance(tree.targets[0], ast.Tuple):
            continue
        targets = [getattr(t, "id", "") for t in tree.targets[0].elts]
        parts = tree.value.elts if isinstance(tree.value, ast.Tuple) else []
        whole = {ast.unparse(p.value) for p in parts if isinstance(p, ast.Subscript)}
        if name in targets and len(parts) == len(targets) and len(whole) == 1 and (variable := whole.pop()).isidentifier():
            return statement, variable
    return None


def change_data(facts: Mapping[str, Any], which: str, template: str) -> Edit | None:
    """Change the inputs ("x") or targets ("y") of training and validation, by a statement before the two are split.

    `template` is filled with the variable: ``{0} / 255``.
    """
    tensors = _tensors(facts, training=True)
    given = tensors[0 if which == "x" else -1][1] if len(tensors) > 1 else None
    divided = _split(facts, given.id) if isinstance(given, ast.Name) else None
    if divided is None:
        return None
    statement, variable = divided
    return statement.edit([(0, 0, f"{statement.indent}{variable} = {template.format(variable, variable)}\n")])


def normalize_features(facts: Mapping[str, Any]) -> Edit | None:
    """Scale the features of both by the mean and standard deviation of the training data."""
    tensors, others = _tensors(facts, training=True), _tensors(facts, training=False)
    if len(tensors) < 2 or not others or not isinstance(tensors[0][1], ast.Name) or not isinstance(others[0][1], ast.Name):
        return None
    training, validation = tensors[0][1].id, others[0][1].id
    divided = _split(facts, training)
    if divided is None or _split(facts, validation) is None:
        return None
    statement = divided[0]
    indent, end = statement.indent, len(statement.text)
    made = (
        f"\n{indent}mean, spread = {training}.mean(dim=0), {training}.std(dim=0)"
        f"\n{indent}{training}, {validation} = ({training} - mean) / spread, ({validation} - mean) / spread"
    )
    return statement.edit([(end, end, made)])


def keep_finite_targets(facts: Mapping[str, Any]) -> Edit | None:
    """Leave out the examples whose target is missing."""
    tensors = _tensors(facts, training=True)
    if len(tensors) < 2:
        return None
    (statement, x), (_, y) = tensors[0], tensors[-1]
    if not isinstance(x, ast.Name) or not isinstance(y, ast.Name):
        return None
    kept = f"torch.isfinite({y.id}).reshape(len({y.id}), -1).all(dim=1)"
    return statement.edit([(*statement.span(node), f"{node.id}[{kept}]") for node in (x, y)])


def change_training(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the inputs of the training only."""
    return _change_inputs(_tensors(facts, training=True), template)


def change_validation(facts: Mapping[str, Any], template: str) -> Edit | None:
    return _change_inputs(_tensors(facts, training=False), template)


def _change_inputs(tensors: list[tuple[Statement, ast.expr]], template: str) -> Edit | None:
    if not tensors:
        return None
    statement, node = tensors[0]
    return statement.edit([(*statement.span(node), template.format(statement.source(node)))])


def clip_before_step(facts: Mapping[str, Any]) -> Edit | None:
    """Move a clipping of gradients that follows ``step()`` in front of it, where the two lines are next to each other."""
    lines = list(statements(facts, "step"))
    for step, clip in itertools.pairwise(lines):
        if re.fullmatch(r"\s*\w+\.step\(\)", step.text) and CLIP.search(clip.text) and clip.line == step.line + 1:
            return Edit(step.file, step.line, f"{step.text}\n{clip.text}", f"{clip.text}\n{step.text}")
    return None
