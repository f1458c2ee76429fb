"""Finds the statements of a PyTorch program that make the model, its optimizer, its loss and its data."""

from __future__ import annotations

import ast
import re

from scram_plugin.training.call_site import reached

SIMPLE = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return
OPTIMIZERS = "Adam|AdamW|SGD|RMSprop|NAdam|RAdam|Adagrad|Adadelta|Adamax|LBFGS|Rprop|ASGD|SparseAdam|Adafactor|Muon"


def roles(tree: ast.Module, line: int) -> list[tuple[ast.stmt, str]]:
    """Statements and their roles: ``import``, ``model`` (makes or calls layers), ``initialize`` (sets weights), ``trainable``,
    ``optimizer``, ``loss``, ``data`` (loaders, other assignments), ``step`` (of the training loop), ``forward`` (returns)."""
    found: list[tuple[ast.stmt, str]] = [
        (node, "import") for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    for node in reached(tree, line):
        if isinstance(node, SIMPLE) and (role := _role(node)):
            found.append((node, role))
    return sorted(found, key=lambda entry: entry[0].lineno)


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
        ("step", r"\.(backward|step|zero_grad)\("),
        ("model", r"\bnn\.[A-Z]\w*\(|\b(Sequential|Linear|Conv[123]d|LSTM|GRU|Embedding|ReLU|Dropout)\("),
        ("data", r"\b(DataLoader|TensorDataset)\("),
    ):
        if re.search(pattern, text):
            return role
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return "data"
    return "forward" if isinstance(node, ast.Return) else None
