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

# functions that return what they make and change nothing -> arguments by place, at most: the next one may be where the result
# goes, or say that it is in place; source: PyTorch, NumPy, Keras
PURE: dict[str, dict[str, int]] = {
    "torch.nn.functional": {
        **dict.fromkeys(("relu", "gelu", "elu", "silu", "leaky_relu", "tanh", "sigmoid"), 1),
        **dict.fromkeys(("softmax", "log_softmax", "dropout", "normalize", "max_pool2d", "avg_pool2d", "one_hot"), 2),
    },
    "torch": {
        **dict.fromkeys(("relu", "tanh", "sigmoid"), 1),
        **dict.fromkeys(("softmax", "cat", "concat", "stack", "flatten", "reshape", "squeeze", "unsqueeze", "flip"), 2),
        **dict.fromkeys(("transpose", "permute", "clamp"), 3),
    },
    "numpy": {
        **dict.fromkeys(("expand_dims", "squeeze", "concatenate", "stack", "vstack", "hstack", "reshape", "transpose"), 2),
        **dict.fromkeys(("append", "clip", "delete"), 3),
    },
    "keras.ops": dict.fromkeys(("relu", "softmax", "concatenate", "reshape", "transpose", "log", "exp"), 2),
    "tensorflow": dict.fromkeys(("concat", "reshape", "transpose", "cast", "stack", "nn.relu", "nn.softmax"), 2),
}
# methods of tensors that return what they make; source: PyTorch
METHODS = ("masked_fill", "unsqueeze", "squeeze", "view", "reshape", "permute", "transpose", "clamp", "softmax", "log_softmax")
# methods that sum up what other nodes or positions give; source: PyTorch
SUMS = ("index_add", "scatter_add", "index_reduce", "scatter_reduce")
# layers whose call does nothing but compute its result; source: PyTorch, Keras
LAYERS = re.compile(
    r"(Linear|Dense|Conv\w+|Embedding|Dropout|Flatten|Activation|(Leaky|P)?ReLU|GELU|ELU|SiLU|Tanh|Sigmoid|Softmax)$"
)
FORWARD = ("forward", "call")  # methods of a model; source: PyTorch, Keras
# by these a result is used elsewhere: hooks, and losses that a layer adds; source: PyTorch, Keras
ELSEWHERE = ("register_forward_hook", "add_loss", "add_metric")
PRINTED = re.compile(r"^# ?%%", re.M)  # begins a cell of a notebook that is kept as a script: a result may be shown


def dropped_results(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Statements that compute a value and keep it nowhere, each with the edit that keeps it, where that is sure."""
    known = program(facts)
    for statement in known.nodes(ast.Expr) if not any(known.calls(*ELSEWHERE)) else ():
        source, call = statement.source, statement.node.value
        if isinstance(call, ast.Call) and not _is_tried(source, statement.node) and not _says_in_place(call):
            place = Piece(source, call)
            if _is_pure(known, place) or _is_method(known, place) or _is_layer(known, place):
                yield WrongLine(source.of(call), call.lineno, _kept(known, source, call))


def _is_tried(source: SourceFile, statement: ast.stmt) -> bool:
    """Whether the statement stands where its result may be shown, or is only tried or timed."""
    if isinstance(source.scope(statement), ast.Module) and (
        source.is_notebook or not source.file.endswith(".py") or PRINTED.search(source.text)
    ):
        return True
    outer = source.parent(statement)
    alone = isinstance(outer, ast.For | ast.While) and outer.body == [statement]
    return alone or any(isinstance(n, ast.Try | ast.With) for n in source.around(statement))


def _says_in_place(call: ast.Call) -> bool:
    named = any(k.arg in ("out", "inplace", "copy") or k.arg is None for k in call.keywords)
    return named or any(isinstance(a, ast.Starred) or (isinstance(a, ast.Constant) and a.value is True) for a in call.args)


def _is_pure(known: Code, place: Piece) -> bool:
    name = known.full_name(Piece(place.source, place.node.func))
    for module, functions in PURE.items():
        if name.startswith(f"{module}."):
            return 0 < len(place.node.args) <= functions.get(name[len(module) + 1 :], 0)
    return False


def _is_method(known: Code, place: Piece) -> bool:
    """A method of a tensor, in a method of a model: of what it is given, or of a result."""
    source, call = place
    function: Any = source.scope(call)
    owned = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.attr in METHODS
    if not owned or getattr(function, "name", "") not in FORWARD or not call.args:
        return False
    name = call.func.value.id
    given = name in [a.arg for a in function.args.args[1:]]
    return given or any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(function))


def _is_layer(known: Code, place: Piece) -> bool:
    """``self.act(x)`` in `forward`: a layer of PyTorch or Keras that is made in `__init__`."""
    source, call = place
    function, owner = source.scope(call), source.enclosing_class(call)
    if owner is None or getattr(function, "name", "") not in FORWARD or not isinstance(call.func, ast.Attribute):
        return False
    text = source.of(call.func)
    made = [n.value for n in ast.walk(owner) if isinstance(n, ast.Assign) and source.of(n.targets[0]) == text]
    if len(made) != 1 or not isinstance(made[0], ast.Call) or _says_in_place(made[0]):
        return False
    name = known.full_name(Piece(source, made[0].func))
    return (name.startswith("torch.nn.") or ".layers." in name) and bool(LAYERS.search(name))


def _kept(known: Code, source: SourceFile, call: ast.Call) -> Edit | None:
    """``x = F.relu(x)``."""
    given: ast.AST | None = call.args[0] if call.args else None
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in METHODS
        and not known.full_name(Piece(source, call.func)).startswith(tuple(PURE))
    ):
        given = call.func.value
    if not isinstance(given, ast.Name):
        return None
    start = source.span(call)[0]
    return known.edit([Change(source, start, start, f"{given.id} = ")])


def unread_values(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Variables of `forward` that are made by a layer or a function of tensors, and that nothing reads."""
    known = program(facts)
    for place in known.nodes(ast.FunctionDef) if not any(known.calls(*ELSEWHERE)) else ():
        source, function = place
        if function.name not in FORWARD or not isinstance(source.scope(function), ast.ClassDef):
            continue
        nodes = list(ast.walk(function))
        inner = any(isinstance(n, (*FUNCTIONS, ast.Global, ast.Nonlocal)) and n is not function for n in nodes)
        if inner or any(isinstance(n, ast.Call) and known.called(Piece(source, n)) in LOOKS_UP for n in nodes):
            continue
        changed = {id(n.target) for n in nodes if isinstance(n, ast.AugAssign)}  # read, too
        names = [n for n in nodes if isinstance(n, ast.Name) and (isinstance(n.ctx, ast.Load | ast.Del) or id(n) in changed)]
        for statement in (n for n in nodes if isinstance(n, ast.Assign)):
            target = statement.targets[0]
            if len(statement.targets) > 1 or not isinstance(target, ast.Name) or not _computes(known, source, statement.value):
                continue
            if target.id.startswith("_") or re.search(r"mask|len|shape|size", target.id):
                continue
            around = [n for n in source.around(statement) if isinstance(n, ast.For | ast.While)]
            start = (around[-1] if around else statement).lineno
            own = set() if around else {id(n) for n in ast.walk(statement)}
            if not [n for n in names if n.id == target.id and n.lineno >= start and id(n) not in own]:
                yield WrongLine(source.of(target), statement.lineno, None)


def _computes(known: Code, source: SourceFile, value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return any(_computes(known, source, v) for v in (value.left, value.right))
    place = Piece(source, value)
    if not isinstance(value, ast.Call):
        return False
    owner = value.func.value if isinstance(value.func, ast.Attribute) and value.func.attr in SUMS else None
    sums = owner is not None and not source.of(owner).startswith("self.") and not _says_in_place(value)
    return sums or _is_pure(known, place) or _is_layer(known, place)
