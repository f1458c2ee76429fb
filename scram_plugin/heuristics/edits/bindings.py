"""What a name in the user's program stands for: ``SGD(lr)`` where ``lr = 0.01`` stands above, a default, a setting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from scram_plugin.heuristics.edits.program import Code, Piece, imported
from scram_plugin.heuristics.edits.source import Function, Scope, SourceFile

DEEPEST = 12  # names that stand for names, one after the other; source: deeper than any program that people write
LARGEST_EXPONENT = 64  # of numbers that are written as powers; source: beyond 2 ** 64 no setting is given
HOLDERS = ("SimpleNamespace", "Namespace", "dict", "EasyDict", "edict", "AttrDict", "DotDict", "OmegaConf", "ConfigDict")


def follow(program: Code, place: Piece, depth: int = DEEPEST) -> Piece:
    """The expression that gives a name its value, through assignments, parameters, attributes and settings; the place itself
    where that is not certain."""
    found = _value(program, place, depth) if depth else None
    return follow(program, found, depth - 1) if found is not None else place


def number(program: Code, place: Piece) -> float | None:
    """The number that an expression is; None if it is not known."""
    return _number(follow(program, place).node)


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.Constant):
        known = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return float(node.value) if known else None  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left), _number(node.right)
        if left is None or right is None:
            return None
        try:
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, ast.Div):
                return left / right
            if isinstance(node.op, ast.Pow) and abs(right) <= LARGEST_EXPONENT:
                return float(left**right)
        except (ArithmeticError, TypeError):
            return None
    return None


def bound_to(program: Code, place: Piece) -> list[Piece]:
    """The expressions that a name is assigned, in the scope where it gets its values; empty for a parameter, or an import."""
    source, node = place
    if not isinstance(node, ast.Name):
        return []
    for scope in _scopes(source, node):
        if found := _bindings(source, scope).get(node.id):
            return [Piece(source, value) for value in found if value is not None]
    return []


def unpacked(program: Code, place: Piece) -> Piece | None:
    """The part that a variable gets of what a function of the program returns: ``train, test = load()``."""
    source, node = place
    if not isinstance(node, ast.Name):
        return None
    for scope in _scopes(source, node):
        for statement in ast.walk(scope):
            target = statement.targets[0] if isinstance(statement, ast.Assign) and source.scope(statement) is scope else None
            names = [getattr(e, "id", "") for e in target.elts] if isinstance(target, ast.Tuple) else []
            if node.id in names and isinstance(statement.value, ast.Call):  # type: ignore[attr-defined]
                return _returned(program, Piece(source, statement.value), names.index(node.id))  # type: ignore[attr-defined]
    return None


def _returned(program: Code, call: Piece, at: int) -> Piece | None:
    """An element of the tuple that the only function of this name returns at its only end."""
    found = functions(program, call)
    if len(found) != 1:
        return None
    source, function = found[0]
    ends = returns(source, function)
    value = ends[0].value if len(ends) == 1 else None
    return Piece(source, value.elts[at]) if isinstance(value, ast.Tuple) and at < len(value.elts) else None


def returns(source: SourceFile, function: Function) -> list[ast.Return]:
    """The ends of a function that it gives itself: none of a function within it."""
    return [n for n in ast.walk(function) if isinstance(n, ast.Return) and source.scope(n) is function]


def functions(program: Code, place: Piece) -> list[tuple[SourceFile, Function]]:
    """The functions of the program that a call may run: by its name; of a class, its `__init__`."""
    found: list[tuple[SourceFile, Function]] = []
    for source, node in program.definitions(program.called(place)):
        if isinstance(node, ast.ClassDef):
            found += [(source, f) for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
        else:
            found.append((source, node))
    return found


def class_of(program: Code, name: str) -> tuple[SourceFile, ast.ClassDef] | None:
    """The class with this name; None if there is none, or more than one."""
    found = [(source, node) for source, node in program.definitions(name) if isinstance(node, ast.ClassDef)]
    return found[0] if len(found) == 1 else None


def given(program: Code, call: Piece, function: Function, name: str, method: bool) -> Piece | None:
    """The argument of a call for a parameter of `function`; None where the call leaves it out."""
    parameters = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][1 if method else 0 :]
    for keyword in call.node.keywords:
        if keyword.arg == name:
            return Piece(call.source, keyword.value)
    if any(isinstance(a, ast.Starred) for a in call.node.args) or name not in parameters:
        return None
    at = parameters.index(name)
    return Piece(call.source, call.node.args[at]) if at < len(call.node.args) else None


def _value(program: Code, place: Piece, depth: int) -> Piece | None:
    source, node = place
    if isinstance(node, ast.Name):
        return _of_name(program, source, node)
    if isinstance(node, ast.Attribute):
        return _of_attribute(program, source, node, depth)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return _entry(program, follow(program, Piece(source, node.value), depth - 1), node.slice.value)
    return None


def _of_name(program: Code, source: SourceFile, node: ast.Name) -> Piece | None:
    for scope in _scopes(source, node):
        found = _bindings(source, scope).get(node.id)
        if found is None:
            continue
        if len(found) == 1 and found[0] is not None:
            return Piece(source, found[0])
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) and found == [None] and node.id in _parameters(scope):
            return _argument(program, source, scope, node.id)
        return None
    module, _, name = imported(source).get(node.id, "").rpartition(".")
    other = _module(program, module)
    bound = _bindings(other, other.tree).get(name, []) if other is not None else []
    return Piece(other, bound[0]) if other is not None and len(bound) == 1 and bound[0] is not None else None


def _module(program: Code, name: str) -> SourceFile | None:
    """The file of the program that a module's name stands for."""
    last = name.lstrip(".").rpartition(".")[2]
    found = [s for s in program.sources if s.file.replace("\\", "/").rpartition("/")[2] == f"{last}.py"]
    return found[0] if last and len(found) == 1 else None


def _scopes(source: SourceFile, node: ast.AST) -> Iterator[Scope]:
    """The scopes in which a name is looked up: functions from the innermost outwards, then the module."""
    scope = source.scope(node)
    if isinstance(scope, ast.ClassDef):
        yield scope
    while not isinstance(scope, ast.Module):
        if not isinstance(scope, ast.ClassDef):
            yield scope
        scope = source.scope(scope)
    yield source.tree


@lru_cache(maxsize=1024)
def _bindings(source: SourceFile, scope: Scope) -> dict[str, list[ast.expr | None]]:
    """Name -> the expressions that it is assigned in a scope; None stands for a value that no expression gives as a whole."""
    found: dict[str, list[ast.expr | None]] = {}

    def bind(target: ast.AST, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Starred):
            bind(target.value, None)
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            for i, part in enumerate(target.elts):
                bind(part, value.elts[i] if same else None)  # type: ignore[union-attr]

    if not isinstance(scope, ast.Module | ast.ClassDef):
        for name in _parameters(scope):
            found[name] = [None]
    waiting: list[ast.AST] = list(reversed(scope.body)) if isinstance(scope.body, list) else [scope.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
        elif (isinstance(node, ast.AnnAssign) and node.value is not None) or isinstance(node, ast.NamedExpr):
            bind(node.target, node.value)
        elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor | ast.comprehension):
            bind(node.target, None)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            bind(node.optional_vars, None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(None)
        elif not isinstance(node, ast.Lambda):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return found


def _parameters(function: Function | ast.Lambda) -> list[str]:
    a = function.args
    return [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x))]


def _default(function: Function, name: str) -> ast.expr | None:
    a = function.args
    named = [p.arg for p in (*a.posonlyargs, *a.args)]
    defaults = dict(zip(reversed(named), reversed(a.defaults), strict=False))
    defaults |= {p.arg: d for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None}
    return defaults.get(name)


def _argument(program: Code, source: SourceFile, function: Function, name: str) -> Piece | None:
    """What a parameter stands for: the argument of the only call that gives it, or else the default."""
    owner = source.scope(function)
    method = isinstance(owner, ast.ClassDef)
    called = owner.name if isinstance(owner, ast.ClassDef) and function.name == "__init__" else function.name
    found = [given(program, call, function, name, method) for call in program.calls(called)]
    told = [place for place in found if place is not None]
    if len(found) > 1 and len(told) not in (0, len(found)):
        return None  # here an argument, there the default
    if not told:
        default = _default(function, name)
        return Piece(source, default) if default is not None else None
    return told[0] if len(told) == 1 else None


def _of_attribute(program: Code, source: SourceFile, node: ast.Attribute, depth: int) -> Piece | None:
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        return _of_self(source, node)
    if ast.unparse(node.value) == "self.hparams":  # Lightning's `save_hyperparameters`
        owner = source.enclosing_class(node)
        made = [f for f in owner.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"] if owner else []
        return _argument(program, source, made[0], node.attr) if made else None
    if isinstance(node.value, ast.Name) and (other := _module(program, imported(source).get(node.value.id, ""))) is not None:
        bound = _bindings(other, other.tree).get(node.attr, [])
        return Piece(other, bound[0]) if len(bound) == 1 and bound[0] is not None else None
    if isinstance(node.value, ast.Name) and (known := class_of(program, node.value.id)) is not None:
        return _of_class(*known, node.attr)
    holder = follow(program, Piece(source, node.value), depth - 1)
    return _entry(program, holder, node.attr) or _of_annotation(program, holder, node.attr)


def _of_annotation(program: Code, holder: Piece, name: str) -> Piece | None:
    """The default in the class that a parameter is annotated with: ``def build(config: Config)``."""
    source, node = holder
    scope = source.scope(node)
    if not isinstance(node, ast.Name) or isinstance(scope, ast.Module | ast.ClassDef):
        return None
    for parameter in (*scope.args.args, *scope.args.kwonlyargs):
        if parameter.arg == node.id and isinstance(parameter.annotation, ast.Name):
            known = class_of(program, parameter.annotation.id)
            return _of_class(*known, name) if known is not None else None
    return None


def _of_self(source: SourceFile, node: ast.Attribute) -> Piece | None:
    """``self.rate``: what the class gives this attribute, if that is said once."""
    owner = source.enclosing_class(node)
    if owner is None:
        return None
    found: list[ast.expr] = []
    for inner in ast.walk(owner):
        targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target] if isinstance(inner, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == node.attr and ast.unparse(target.value) == "self":
                found += [inner.value] if inner.value is not None else []  # type: ignore[attr-defined]
    if not found:
        return _of_class(source, owner, node.attr)
    return Piece(source, found[0]) if len(found) == 1 else None


def _of_class(source: SourceFile, owner: ast.ClassDef, name: str) -> Piece | None:
    bound = _bindings(source, owner).get(name, [])
    return Piece(source, bound[0]) if len(bound) == 1 and bound[0] is not None else None


def _entry(program: Code, holder: Piece, name: str) -> Piece | None:
    """A setting by its name in what holds settings: a dictionary, a namespace, a dataclass, parsed arguments."""
    source, node = holder
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == name:
                return Piece(source, value)
    if not isinstance(node, ast.Call):
        return None
    if program.called(holder) in ("parse_args", "parse_known_args"):
        return _parsed_argument(program, name)
    for keyword in node.keywords:
        if keyword.arg == name:
            return Piece(source, keyword.value)
    known = class_of(program, program.called(holder))
    if known is None or program.called(holder) in HOLDERS:
        return None
    return _of_class(*known, name)


def _parsed_argument(program: Code, name: str) -> Piece | None:
    """The default of ``parser.add_argument("--name", default=...)``."""
    found = []
    for call in program.calls("add_argument"):
        texts = [a.value for a in call.node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        given_ = next((k.value for k in call.node.keywords if k.arg == "default"), None)
        if given_ is not None and any(text.lstrip("-").replace("-", "_") == name for text in texts):
            found.append(Piece(call.source, given_))
    return found[0] if len(found) == 1 else None
