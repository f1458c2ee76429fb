"""Where in the user's program a training was started, and the statements there that define, compile and fit the model."""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from types import FrameType
from typing import Any

import keras

MOST_TEXT = 20_000  # characters of source kept for one fit


def fit_frame(start: FrameType | None) -> FrameType | None:
    """The frame of Keras's `fit` above `start`; None if the callback is driven by something else."""
    frame = start
    while frame is not None:
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            return frame
        frame = frame.f_back
    return None


def callbacks(fit: FrameType | None) -> list[keras.callbacks.Callback]:
    """All callbacks of this fit, in their order."""
    return list(getattr(fit.f_locals.get("callbacks"), "callbacks", [])) if fit is not None else []


def initial_epoch(fit: FrameType | None) -> int:
    return int(fit.f_locals.get("initial_epoch") or 0) if fit is not None else 0


def tensorboard_writes_to(fit: FrameType | None, log_dir: str) -> bool:
    """Whether a `keras.callbacks.TensorBoard` of this fit has the same log directory, and so writes the same scalars."""
    here = os.path.abspath(log_dir)
    return any(isinstance(c, keras.callbacks.TensorBoard) and os.path.abspath(c.log_dir) == here for c in callbacks(fit))


def user_frame(start: FrameType | None) -> FrameType | None:
    """The first frame above `start` that is not of Keras, TensorFlow or SCRAM: the line that called `fit`."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    skipped = [own + os.sep]
    for name in ("keras", "tensorflow", "tf_keras"):
        module = sys.modules.get(name)
        if module is not None and getattr(module, "__file__", None):
            skipped.append(os.path.dirname(os.path.abspath(str(module.__file__))) + os.sep)
    frame = start
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(tuple(skipped)):
        frame = frame.f_back
    return frame


def source(frame: FrameType) -> dict[str, Any] | None:
    """``{"file", "line", "statements": [{"role", "line", "text"}]}`` of the program that called `fit` in `frame`.

    Roles: ``import`` (of Keras, TensorFlow or NumPy), ``model``, ``trainable`` (freezes layers), ``optimizer``, ``compile``,
    ``fit``, ``data`` (assigns the variable that `fit` is given as inputs).
    Only whole simple statements are taken.
    """
    file, line = frame.f_code.co_filename, frame.f_lineno
    linecache.checkcache(file)  # a console may have run an earlier version of the file
    lines = linecache.getlines(file, frame.f_globals)
    if not lines:
        return None
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):  # a notebook cell with magics, for one
        return {"file": _name(file), "line": line, "statements": []}
    statements, kept = [], 0
    for node, role in _roles(tree, line):
        end = node.end_lineno or node.lineno
        text = "".join(lines[node.lineno - 1 : end]).rstrip("\n")
        alone = not "".join(lines[node.lineno - 1 : node.lineno])[: node.col_offset].strip()
        kept += len(text)
        if alone and kept <= MOST_TEXT:
            statements.append({"role": role, "line": node.lineno, "text": text})
    return {"file": _name(file), "line": line, "statements": statements}


def _name(file: str) -> str:
    """The file as a person would name it: relative to the working directory where it lies below it."""
    if re.search(r"ipykernel_\d+.\d+\.py$|^<ipython-input", file):
        return "notebook cell"
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return file if relative.startswith("..") else relative


def _roles(tree: ast.Module, line: int) -> list[tuple[ast.stmt, str]]:
    within = _reached(tree, line)
    simple = [node for node in within if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return)]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    fit = next((n for n in simple if n.lineno <= line <= (n.end_lineno or n.lineno) and _calls(n, "fit")), None)
    found: list[tuple[ast.stmt, str]] = [
        (node, "import") for node in imports if re.search("keras|tensorflow|numpy", ast.unparse(node))
    ]
    inputs = _inputs(fit)
    for node in simple:
        if node is fit:
            found.append((node, "fit"))
        elif _calls(node, "compile"):
            found.append((node, "compile"))
        elif (
            _calls(node, "Sequential") or _calls(node, "Model") or _calls(node, "Input") or _calls(node, "add") or _layer(node)
        ):
            found.append((node, "model"))
        elif isinstance(node, ast.Assign) and any(getattr(target, "attr", "") == "trainable" for target in node.targets):
            found.append((node, "trainable"))
        elif inputs and isinstance(node, ast.Assign) and inputs in _assigned(node):
            found.append((node, "data"))
        elif "optimizers" in ast.unparse(node) or any(_calls(node, name) for name in ("Adam", "AdamW", "SGD", "RMSprop")):
            found.append((node, "optimizer"))
    return sorted(found, key=lambda entry: entry[0].lineno)


def _reached(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The statements that can have made this model: of the module, of the function that called `fit`, and of the functions
    of this file that those call. Another function of the same file may build another model."""
    functions = {f.name: f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)}
    around = [f for f in functions.values() if f.lineno <= line <= (f.end_lineno or f.lineno)]
    # where `fit` is called in a function, the module's own statements do not run again: only that function counts
    waiting: list[ast.AST] = [max(around, key=lambda f: f.lineno)] if around else [tree]
    seen: set[str] = set()
    reached: list[ast.stmt] = []
    while waiting:
        scope = waiting.pop()
        for node in _own(scope):
            if isinstance(node, ast.stmt):
                reached.append(node)
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name in functions and name not in seen:
                seen.add(name)
                waiting.append(functions[name])
    return reached


def _own(scope: ast.AST) -> list[ast.AST]:
    """All nodes of a scope, without the bodies of the functions defined in it."""
    found, waiting = [], list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node)
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(n, ast.Call) and (n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")) == name
        for n in ast.walk(node)
    )


def _inputs(fit: ast.stmt | None) -> str:
    """The variable that `fit` is given as inputs; "" if it is no plain variable."""
    for node in ast.walk(fit) if fit is not None else ():
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "fit":
            given = next((k.value for k in node.keywords if k.arg == "x"), node.args[0] if node.args else None)
            return given.id if isinstance(given, ast.Name) else ""
    return ""


def _assigned(node: ast.Assign) -> set[str]:
    return {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _layer(node: ast.stmt) -> bool:
    """`x = layers.Dense(8)(x)`: a call of a call of something from `layers`."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Call) and isinstance(n.func.func, ast.Attribute | ast.Name)
        for n in ast.walk(node)
    )
