"""Finds the statements of a PyTorch program that make the model, its optimizer, its loss and its data, and the loop.

No other statement is of use for a fix, so no other one is recorded.
"""

from __future__ import annotations

import ast
import re

from scram_plugin.redaction import is_secret_name
from scram_plugin.training.call_site import reached

SIMPLE = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return
OPTIMIZERS = "Adam|AdamW|SGD|RMSprop|NAdam|RAdam|Adagrad|Adadelta|Adamax|LBFGS|Rprop|ASGD|SparseAdam|Adafactor|Muon"


def roles(tree: ast.Module, line: int) -> list[tuple[ast.stmt, str]]:
    """Statements and their roles: ``model`` (makes or calls layers), ``initialize`` (sets weights), ``trainable``,
    ``optimizer``, ``loss``, ``data`` (loaders, and assignments of what flows into one of these), ``step`` (of the training
    loop), ``forward`` (returns)."""
    found: list[tuple[ast.stmt, str]] = []
    assignments = []
    for node in reached(tree, line):
        if isinstance(node, SIMPLE):
            if role := _role(node):
                found.append((node, role))
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and not any(map(is_secret_name, _assigned(node))):
                assignments.append(node)
    wanted = {name for node, _ in found for name in _used(node)}
    while flowing := [node for node in assignments if _assigned(node) & wanted]:
        found += [(node, "data") for node in flowing]
        wanted |= {name for node in flowing for name in _used(node)}
        assignments = [node for node in assignments if node not in flowing]
    return sorted(found, key=lambda entry: entry[0].lineno)


def _assigned(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> set[str]:
    """The variables and attributes that a statement gives a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {name for target in targets for name in _used(target)}


def _used(node: ast.AST) -> set[str]:
    """The names in a statement, of variables and of attributes (``hidden`` of ``self.hidden``)."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return (names | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}) - {"self"}


def _role(node: ast.stmt) -> str | None:
    text = ast.unparse(node)
    for role, pattern in (
        ("optimizer", rf"\b({OPTIMIZERS})\("),
        ("initialize", r"\binit\.\w+\(|\.(weight|bias)(\.data)?\.\w+_\("),
        ("trainable", r"requires_grad\b|requires_grad_\("),
        (
            "loss",
            r"\b\w*Loss\(|\b(cross_entropy|nll_loss|mse_loss|l1_loss|binary_cross_entropy\w*|smooth_l1_loss|huber_loss)\(",
        ),
        ("step", r"\.(backward|step|zero_grad)\(|\bclip_grad_(norm|value)_\("),
        ("model", r"\bnn\.[A-Z]\w*\(|\b(Sequential|Linear|Conv[123]d|LSTM|GRU|Embedding|ReLU|Dropout)\("),
        ("data", r"\b(DataLoader|TensorDataset)\("),
    ):
        if re.search(pattern, text):
            return role
    return "forward" if isinstance(node, ast.Return) else None
