"""Scaled values that a program makes whole numbers of: between 0 and 1 nearly all of them become 0."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to, follow
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in, targets_of
from scram_plugin.heuristics.edits.uncalled import WrongLine
from scram_plugin.heuristics.limits import BYTE

WHOLE = re.compile(r"^(np\.|numpy\.|torch\.|tf\.)?u?int\d*$|^torch\.long$|^torch\.short$|\w\.dtype$")  # source: NumPy, PyTorch
CASTS = ("astype", "to", "type", "cast")  # methods and functions that are given a type; source: NumPy, PyTorch, TensorFlow
MAKES = ("tensor", "array", "asarray", "as_tensor")  # functions with an argument `dtype`; source: NumPy, PyTorch
INTEGERS = ("long", "int", "short")  # methods of tensors; source: PyTorch
TIME = re.compile(r"t|ts|time|times|timesteps?")  # source: usual names
STEPS = re.compile(r"T|steps|(n_|num_)?timesteps")  # of a diffusion; source: usual names
CUTS = ("clamp", "clip")  # source: PyTorch, NumPy
SCALES = ("transform", "fit_transform", "normalize", "minmax_scale", "scale")  # source: scikit-learn
# names of inputs, and of functions that prepare them; source: usual names
INPUTS = re.compile(r"^x|image|img|pix|pic|spec|feat|input|data|clip|audio|signal|seq|scale", re.I)
CODES = re.compile(r"one_hot|bincount|\beye|[Ee]mbed|scatter|add\.at")  # take whole numbers; source: NumPy, PyTorch
DRAWN = re.compile(r"bernoulli|binomial|rand|one_hot", re.I)  # source: NumPy, PyTorch
PLACES = re.compile(r"arange|linspace|range\(|len\(")  # numbers of places, not values; source: Python, NumPy
COUNTS = re.compile(r"enc|vect|count|binari|discret|hash", re.I)  # names of what makes codes and counts; source: scikit-learn
ON_PURPOSE = re.compile(r"round|rint\b|floor|ceil|digitize|argm|bucketize|trunc", re.I)  # functions; source: NumPy, PyTorch
# names of what is counted; source: usual names
NUMBERED = re.compile(r"bins?\b|bucket|token|index|idx|level|code|class|label|target|\bys?\b|y_", re.I)


def truncated_values(facts: Mapping[str, Any]) -> WrongLine | None:
    """The first cast of scaled values to whole numbers, with the edit to real ones; None without one."""
    known = program(facts)
    return next(itertools.chain(_casts(known), _divided(known)), None)


def lost_values(facts: Mapping[str, Any]) -> WrongLine | None:
    """The first line that makes nearly all values the same, whatever they are; None without one."""
    known = program(facts)
    return next(itertools.chain(_times(known), _cut_first(known)), None)


def _times(known: Code) -> Iterator[WrongLine]:
    """``t // steps`` in a program that runs a diffusion: the time of every example becomes 0."""
    bounds = {c.source.of(a).rpartition(".")[2] for c in known.calls("randint") for a in c.node.args}
    for source, node in known.nodes(ast.BinOp) if any(known.calls("cumprod")) else ():
        left = node.left.value if isinstance(node.left, ast.Subscript) else node.left
        steps = source.of(node.right).rpartition(".")[2]
        is_time = isinstance(node.op, ast.FloorDiv) and isinstance(left, ast.Name) and TIME.fullmatch(left.id)
        if not is_time or not STEPS.fullmatch(steps) or steps not in bounds:
            continue
        name = source.of(left)
        loops = [n for n in source.nodes if isinstance(n, ast.For) and source.of(n.target) == name]
        rests = [
            n for n in source.nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mod) and source.of(n.left) == name
        ]
        if not loops and not rests:
            yield WrongLine(source.of(node), node.lineno, known.edit([_true_division(source, node)]))


def _cut_first(known: Code) -> Iterator[WrongLine]:
    """``x = x.clamp(0, 1) / 255``: all pixels but the darkest become 1 / 255."""
    for source, node in known.nodes(ast.Assign):
        value, call = node.value, getattr(node.value, "left", None)
        divides = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div) and getattr(value.right, "value", None) == BYTE
        if not divides or not isinstance(call, ast.Call) or known.called(Piece(source, call)) not in CUTS:
            continue
        ends = [getattr(a, "value", None) for a in call.args[-2:]]
        owned = call.args[0] if len(call.args) > len(ends) else getattr(call.func, "value", None)
        if ends == [0, 1] and owned is not None and source.of(owned) == source.of(node.targets[0]):
            yield WrongLine(source.of(value), node.lineno, None)


def _true_division(source: SourceFile, node: ast.BinOp) -> Change | None:
    start, end = source.span(node.left)[1], source.span(node.right)[0]
    between = source.text[start:end]
    return Change(source, start, end, between.replace("//", "/")) if between.count("//") == 1 else None


def _divided(known: Code) -> Iterator[WrongLine]:
    """``x // 255``, of pixels."""
    for source, node in known.nodes(ast.BinOp):
        if isinstance(node.op, ast.FloorDiv) and isinstance(node.right, ast.Constant) and node.right.value == BYTE:
            yield WrongLine(source.of(node), node.lineno, known.edit([_true_division(source, node)]))


def _casts(known: Code) -> Iterator[WrongLine]:
    for call in known.nodes(ast.Call):
        source, node = call
        found = _cast(known, call)
        if found is None:
            continue
        value, kind = found
        if isinstance(kind, ast.expr) and source.of(kind).endswith(".dtype") and not _is_own_type(known, call, value, kind):
            continue
        targets = " ".join(source.of(target) for target in targets_of(source.statement(node)))
        if _is_in_model(source, node) or PLACES.search(value.text) or not _is_input(source, value, targets):
            continue
        if not NUMBERED.search(targets) and not ON_PURPOSE.search(source.of(node)) and _is_scaled(known, value):
            change = None
            if isinstance(kind, ast.expr):
                real = "torch.float32" if source.of(kind).startswith("torch.") else '"float32"'
                change = Change(source, *source.span(kind), real)
            elif isinstance(node.func, ast.Attribute) and source.of(node).endswith(method := f"{node.func.attr}()"):
                end = source.span(node)[1]
                change = Change(source, end - len(method), end, "float()")
            yield WrongLine(source.of(node), node.lineno, known.edit([change]))


def _is_input(source: SourceFile, value: Piece, targets: str) -> bool:
    """Whether the result is called as inputs are, or as what it is made of; choices of 0 or 1 are whole on purpose."""
    names = names_in(value.node)
    named = INPUTS.search(targets) if targets else any(map(INPUTS.search, names))
    chosen = any(isinstance(n, ast.Compare) for n in ast.walk(value.node)) or DRAWN.search(value.text)
    used = [n for n in source.nodes if isinstance(n, ast.Subscript) and targets in names_in(n.slice)] if targets else []
    around = " ".join(source.of(n.func) for n in source.around(value.node) if isinstance(n, ast.Call))
    return bool(named or targets in names) and not chosen and not used and not CODES.search(around)


def _is_in_model(source: SourceFile, node: ast.AST) -> bool:
    """Whether a line is one of a layer or a model, which keeps the type of what it is given."""
    owner = source.enclosing_class(node)
    return owner is not None and any(isinstance(f, ast.FunctionDef) and f.name in ("forward", "call") for f in owner.body)


def _is_own_type(known: Code, call: Piece, value: Piece, kind: ast.expr) -> bool:
    """``(x / 255).astype(x.dtype)``, of NumPy: of arrays of bytes it makes bytes again."""
    owner = kind.value if isinstance(kind, ast.Attribute) and kind.attr == "dtype" else None
    divided = value.node.left if isinstance(value.node, ast.BinOp) and isinstance(value.node.op, ast.Div) else None
    divided = divided.value if isinstance(divided, ast.Subscript) else divided
    same = isinstance(owner, ast.Name) and isinstance(divided, ast.Name) and owner.id == divided.id
    return same and known.called(call) == "astype" and isinstance(value.node.right, ast.Constant)


def _cast(known: Code, call: Piece) -> tuple[Piece, ast.expr | None] | None:
    """What a call makes whole numbers of, and the type that it is given; None for other calls."""
    source, node = call
    called, owner = known.called(call), node.func.value if isinstance(node.func, ast.Attribute) else None
    types = [*(k.value for k in node.keywords if k.arg == "dtype"), *node.args]
    kinds = [k for k in types if WHOLE.search(_type(source, k))]
    if owner is not None and called in INTEGERS and not types:
        return Piece(source, owner), None
    if not kinds:
        return None
    if called in MAKES and node.args and kinds[0] is not node.args[0]:
        return Piece(source, node.args[0]), kinds[0]
    if called in CASTS and owner is not None:
        first = node.args[0] if node.args and node.args[0] is not kinds[0] else owner  # ``tf.cast(x, "uint8")``
        return Piece(source, first), kinds[0]
    return None


def _type(source: SourceFile, node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else source.of(node)


def _is_scaled(known: Code, value: Piece) -> bool:
    """Whether an expression, or what its variable stands for, divides or is that of a scaler."""
    bound = bound_to(known, value) if isinstance(value.node, ast.Name) else []
    before = [b for b in bound if b.source is value.source and b.node.lineno <= value.node.lineno]
    for source, node in [value, *before[-1:]]:
        if ON_PURPOSE.search(source.of(node)) or _is_multiplied(node):
            continue
        inner = list(ast.walk(node))
        divides = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) for n in inner)
        calls = [n for n in inner if isinstance(n, ast.Call) and known.called(Piece(source, n)) in SCALES]
        if divides or any(not COUNTS.search(_scaler(known, source, n)) for n in calls):
            return True
    return False


def _scaler(known: Code, source: SourceFile, call: ast.Call) -> str:
    """What transforms, as it was made: ``StandardScaler()``."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return f"{source.of(owner)} {follow(known, Piece(source, owner)).text}"


def _is_multiplied(node: ast.AST) -> bool:
    """``x / x.max() * 255``: whole numbers of a wide range."""
    return any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) for n in ast.walk(node))
