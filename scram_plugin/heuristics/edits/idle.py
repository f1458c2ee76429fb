"""Values that a program computes and never uses: a result that is dropped, a variable that nothing reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import FUNCTIONS, Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.uncalled import WrongLine
from scram_plugin.heuristics.edits.unused import LOOKS_UP

# functions that return what they make, and change nothing; source: PyTorch, NumPy
PURE = {
    "torch.nn.functional": (
        *("relu", "gelu", "elu", "silu", "leaky_relu", "tanh", "sigmoid", "softmax", "log_softmax", "dropout", "normalize"),
        *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "interpolate", "pad", "layer_norm", "batch_norm", "one_hot"),
    ),
    "torch": (
        *(
            "relu",
            "tanh",
            "sigmoid",
            "softmax",
            "cat",
            "concat",
            "stack",
            "flatten",
            "reshape",
            "transpose",
            "permute",
            "clamp",
        ),
        *("squeeze", "unsqueeze", "nan_to_num", "where", "flip", "roll", "log", "exp", "sqrt", "abs", "sum", "mean"),
    ),
    "numpy": (
        *("concatenate", "stack", "vstack", "hstack", "append", "reshape", "transpose", "clip", "nan_to_num", "where", "flip"),
        *("roll", "expand_dims", "squeeze", "log", "log1p", "exp", "sqrt", "abs", "random.permutation", "delete", "insert"),
    ),
    "keras.ops": ("relu", "softmax", "concatenate", "reshape", "transpose", "clip", "log", "exp"),
    "tensorflow": ("concat", "reshape", "transpose", "cast", "clip_by_value", "stack", "nn.relu", "nn.softmax"),
}
# methods that return what they make; source: PyTorch, NumPy
METHODS = (
    *("unsqueeze", "squeeze", "view", "reshape", "permute", "transpose", "clamp", "detach", "astype", "flatten", "contiguous"),
    *("masked_fill", "index_add", "scatter_add", "softmax", "log_softmax", "sigmoid", "relu", "tanh", "clip"),
)
# functions that make tensors of sizes; source: PyTorch
CREATES = ("ones", "zeros", "full", "arange", "rand", "randn", "ones_like", "zeros_like", "tensor", "linspace", "eye")
# what tells of a value, and computes none; source: PyTorch, Lightning
TELLS = (
    *("size", "dim", "len", "numel", "shape", "get_shape", "get_device", "is_contiguous", "float", "int", "str", "item"),
    *("time", "print", "log", "save_hyperparameters"),
)
FORWARD = ("forward", "call")  # methods of a model; source: PyTorch, Keras


def dropped_results(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Statements that compute a value and keep it nowhere, each with the edit that keeps it, where that is sure."""
    known = program(facts)
    for statement in known.nodes(ast.Expr):
        source, call = statement.source, statement.node.value
        if not isinstance(call, ast.Call) or isinstance(source.parent(statement.node), ast.Try | ast.With):
            continue
        if source.is_notebook and isinstance(source.scope(call), ast.Module):
            continue  # a notebook shows such a result
        if any(k.arg in ("out", "inplace") for k in call.keywords):
            continue
        if _is_pure(known, Piece(source, call)) or _is_layer(known, Piece(source, call)):
            yield WrongLine(source.of(call), call.lineno, _kept(known, source, call))


def _is_pure(known: Code, place: Piece) -> bool:
    name, call = known.full_name(Piece(place.source, place.node.func)), place.node
    for module, functions in PURE.items():
        if name.startswith(f"{module}.") and name[len(module) + 1 :] in functions:
            return True
    if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name | ast.Attribute | ast.Subscript):
        return False
    method = call.func.attr
    return method in METHODS and bool(call.args or method in ("detach", "flatten", "contiguous", "squeeze"))


def _is_layer(known: Code, place: Piece) -> bool:
    """``self.act(x)`` in `forward`: a layer of PyTorch or Keras that is made in `__init__`."""
    source, call = place
    function, owner = source.scope(call), source.enclosing_class(call)
    if owner is None or getattr(function, "name", "") not in FORWARD or not isinstance(call.func, ast.Attribute):
        return False
    text = source.of(call.func)
    for node in ast.walk(owner):
        if isinstance(node, ast.Assign) and source.of(node.targets[0]) == text and isinstance(node.value, ast.Call):
            made = Piece(source, node.value)
            full = known.full_name(Piece(source, node.value.func))
            return full.startswith("torch.nn.") or (".layers." in full and known.called(made)[:1].isupper())
    return False


def _kept(known: Code, source: SourceFile, call: ast.Call) -> Edit | None:
    """``x = F.relu(x)``."""
    given = call.args[0] if call.args else None
    if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and not isinstance(given, ast.Name):
        given = call.func.value
    if not isinstance(given, ast.Name):
        return None
    start = source.span(call)[0]
    return known.edit([Change(source, start, start, f"{given.id} = ")])


def unread_values(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Variables of `forward` that are made by a layer or a function of tensors, and that nothing reads."""
    known = program(facts)
    for place in known.nodes(ast.FunctionDef):
        source, function = place
        if function.name not in FORWARD or not isinstance(source.scope(function), ast.ClassDef):
            continue
        nodes = list(ast.walk(function))
        inner = [n for n in nodes if isinstance(n, FUNCTIONS) and n is not function]
        looks = [n for n in nodes if isinstance(n, ast.Call) and known.called(Piece(source, n)) in LOOKS_UP]
        if inner or looks:
            continue
        names = [n for n in nodes if isinstance(n, ast.Name)]
        for statement in (n for n in nodes if isinstance(n, ast.Assign)):
            target = statement.targets[0]
            if len(statement.targets) > 1 or not isinstance(target, ast.Name) or target.id.startswith("_"):
                continue
            if not _computes(known, source, statement.value) or re.search(r"mask|len|shape|size", target.id):
                continue
            around = [n for n in source.around(statement) if isinstance(n, ast.For | ast.While)]
            start = around[-1].lineno if around else statement.lineno
            later = [
                n
                for n in names
                if n.id == target.id
                and isinstance(n.ctx, ast.Load | ast.Del)
                and n.lineno >= start
                and not (statement.lineno <= n.lineno <= (statement.end_lineno or 0) and not around)
            ]
            if not later:
                yield WrongLine(source.of(target), statement.lineno, None)


def _computes(known: Code, source: SourceFile, value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        name = known.full_name(Piece(source, value.func))
        of_self = isinstance(value.func, ast.Attribute) and source.of(value.func.value) == "self"
        of_tensors = name.startswith(("torch.", "keras.ops.", "tensorflow."))
        called = known.called(Piece(source, value))
        return bool(value.args) and called not in (*TELLS, *CREATES) and (of_self or of_tensors)
    if isinstance(value, ast.BinOp):
        return any(_computes(known, source, v) for v in (value.left, value.right))
    return False
