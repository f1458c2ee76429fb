"""Keras's `fit` as the user called it: its frame, and the statements that define, compile and fit the model."""

from __future__ import annotations

import ast
import os
import re
from types import FrameType

import keras
import numpy as np

from scram_plugin.training.call_site import calls, reached
from scram_plugin.training.keras.kinds import of_keras


def fit_frame(start: FrameType | None) -> FrameType | None:
    """The frame of Keras's `fit` above `start`; None if something else calls the callback."""
    frame = start
    while frame is not None:
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            return frame
        frame = frame.f_back
    return None


def callbacks(fit: FrameType | None) -> list[keras.callbacks.Callback]:
    """All callbacks of this fit, in order."""
    return list(getattr(fit.f_locals.get("callbacks"), "callbacks", [])) if fit is not None else []


def watching(fit: FrameType | None) -> list[dict[str, str]]:
    """The callbacks of this fit that watch a metric: ``class``, ``monitor``, and ``mode``, "min" or "max", if it is known."""
    found = []
    for one in callbacks(fit):
        monitor, mode = getattr(one, "monitor", None), getattr(one, "mode", None)
        if mode not in ("min", "max"):  # some versions of Keras know it by the function alone
            compares = getattr(one, "monitor_op", None)
            mode = "min" if compares is np.less else "max" if compares is np.greater else None
        keeps = not isinstance(one, keras.callbacks.ModelCheckpoint) or getattr(one, "save_best_only", False)
        if isinstance(monitor, str) and mode is not None and keeps and of_keras(type(one)):
            found.append({"class": type(one).__name__, "monitor": monitor, "mode": mode})
    return found


def initial_epoch(fit: FrameType | None) -> int:
    """The epoch, counted from 0, that this fit starts with."""
    return int(fit.f_locals.get("initial_epoch") or 0) if fit is not None else 0


def tensorboard_writes_to(fit: FrameType | None, log_dir: str) -> bool:
    """Whether a `keras.callbacks.TensorBoard` of this fit has the same log directory, and so writes the same scalars."""
    here = os.path.abspath(log_dir)
    return any(isinstance(c, keras.callbacks.TensorBoard) and os.path.abspath(c.log_dir) == here for c in callbacks(fit))


def roles(tree: ast.Module, line: int) -> list[tuple[ast.stmt, str]]:
    """Statements and their roles: ``import`` (of Keras, TensorFlow or NumPy), ``model``, ``trainable`` (freezes layers),
    ``optimizer``, ``compile``, ``fit``, ``data`` (assigns the variable that is passed to `fit` as inputs)."""
    within = reached(tree, line)
    simple = [node for node in within if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return)]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    fit = next((n for n in simple if n.lineno <= line <= (n.end_lineno or n.lineno) and calls(n, "fit")), None)
    found: list[tuple[ast.stmt, str]] = [
        (node, "import") for node in imports if re.search("keras|tensorflow|numpy", ast.unparse(node))
    ]
    inputs = _inputs(fit)
    for node in simple:
        if node is fit:
            found.append((node, "fit"))
        elif calls(node, "compile"):
            found.append((node, "compile"))
        elif calls(node, "Sequential") or calls(node, "Model") or calls(node, "Input") or calls(node, "add") or _layer(node):
            found.append((node, "model"))
        elif isinstance(node, ast.Assign) and any(getattr(target, "attr", "") == "trainable" for target in node.targets):
            found.append((node, "trainable"))
        elif inputs and isinstance(node, ast.Assign) and inputs in _assigned(node):
            found.append((node, "data"))
        elif "optimizers" in ast.unparse(node) or any(calls(node, name) for name in ("Adam", "AdamW", "SGD", "RMSprop")):
            found.append((node, "optimizer"))
    return sorted(found, key=lambda entry: entry[0].lineno)


def _inputs(fit: ast.stmt | None) -> str:
    """The name of the variable that is passed to `fit` as inputs; "" if it is not a plain variable."""
    for node in ast.walk(fit) if fit is not None else ():
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "fit":
            given = next((k.value for k in node.keywords if k.arg == "x"), node.args[0] if node.args else None)
            return given.id if isinstance(given, ast.Name) else ""
    return ""


def _assigned(node: ast.Assign) -> set[str]:
    return {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _layer(node: ast.stmt) -> bool:
    """Whether the statement calls the result of a call, as in `x = layers.Dense(8)(x)`."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Call) and isinstance(n.func.func, ast.Attribute | ast.Name)
        for n in ast.walk(node)
    )
