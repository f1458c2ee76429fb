"""The part of a program that makes the model which is trained."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to, class_of, follow, functions, number
from scram_plugin.heuristics.edits.program import Code, Piece
from scram_plugin.heuristics.edits.source import FUNCTIONS_AND_CLASSES, SourceFile

# arguments that the log holds as settings of a layer -> their place in the call; source: the pages of Keras and PyTorch
SIZES = {"units": 0, "filters": 0, "rate": 0, "input_dim": 0, "output_dim": 1, "in_features": 0}


def fits(program: Code) -> list[Piece]:
    """The calls of the method `fit`: the one that the log tells of, if its line is known, or else all."""
    found = [p for p in program.calls("fit") if isinstance(p.node.func, ast.Attribute)]  # others are the program's own
    main = program.main
    here = [p for p in found if p.source is main and p.node.lineno <= program.line <= (p.node.end_lineno or p.node.lineno)]
    return here or found


@lru_cache(maxsize=8)
def made(program: Code) -> Piece | None:
    """The call that makes the fitted model: ``Sequential(...)``, ``Model(inputs, outputs)``, or of a class of the program."""
    owners = [Piece(p.source, p.node.func.value) for p in fits(program)]
    found = [place for owner in owners[:1] if (place := _constructor(program, owner, 8)) is not None]
    wholes = list(program.calls("Sequential")) if not owners else []  # a log without the call of `fit`
    return found[0] if found else wholes[0] if len(wholes) == 1 else None


def _constructor(program: Code, place: Piece, depth: int) -> Piece | None:
    """The call that makes what an expression is, through names and functions of the program."""
    place = follow(program, place)
    if isinstance(place.node, ast.Name):
        bound = bound_to(program, place)
        place = bound[0] if bound else place
    if not isinstance(place.node, ast.Call) or not depth:
        return None
    if program.called(place) in ("Sequential", "Model") or class_of(program, program.called(place)) is not None:
        return place
    for source, function in functions(program, place):
        returned = [
            n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None and source.scope(n) is function
        ]
        if returned:
            return _constructor(program, Piece(source, returned[-1].value), depth - 1)
    return place if program.called(place)[:1].isupper() else None


@lru_cache(maxsize=8)
def region(program: Code) -> list[tuple[SourceFile, ast.AST]] | None:
    """The scopes that make the fitted model: its function, class or module, and the functions and classes that they call.

    None if the model is not found."""
    start = made(program)
    if start is None:
        return None
    own = class_of(program, program.called(start))
    first: tuple[SourceFile, ast.AST] = own if own is not None else (start.source, start.source.scope(start.node))
    found, waiting = [first], [first]
    while waiting:
        source, scope = waiting.pop()
        for node in within(scope):
            if isinstance(node, ast.Call) and not isinstance(scope, ast.Module):
                name = program.called(Piece(source, node))
                inner = class_of(program, name)
                for other in [*functions(program, Piece(source, node)), *([inner] if inner else [])]:
                    if not any(other[1] is known[1] for known in found):
                        found.append(other)
                        waiting.append(other)
    return found


def within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the functions and classes in it, but with the methods of a class."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTIONS_AND_CLASSES) or isinstance(scope, ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


@lru_cache(maxsize=64)
def in_model(program: Code, *names: str) -> list[Piece]:
    """The calls with these names that make parts of the fitted model; all of the program where the model is not found."""
    found = list(program.calls(*names))
    around = region(program)
    if around is None:
        return found
    scopes = [scope for _, scope in around]
    inside = [p for p in found if any(above is scope for above in _scopes_around(p) for scope in scopes)]
    start = made(program)
    if start is not None and program.called(start) == "Sequential" and inside:
        inside = [p for p in inside if not _of_another(program, p, start)]
    return inside or found


def _scopes_around(place: Piece) -> Iterator[ast.AST]:
    scope: Any = place.source.scope(place.node)
    yield scope
    if not isinstance(scope, ast.Module):
        owner = place.source.scope(scope)
        if isinstance(owner, ast.ClassDef):
            yield owner


def _of_another(program: Code, place: Piece, start: Piece) -> bool:
    """Whether a layer belongs to another Sequential that stands beside the fitted one."""
    calls = [n for n in itertools.chain((place.node,), place.source.around(place.node)) if isinstance(n, ast.Call)]
    wholes = [n for n in calls if program.called(Piece(place.source, n)) == "Sequential"]
    if wholes:
        inner_to_start = any(n is start.node for n in wholes)
        return (
            not inner_to_start
            and place.source.scope(wholes[-1]) is start.source.scope(start.node)
            and not _is_used(place, wholes[-1])
        )
    added = next((n for n in calls if isinstance(n.func, ast.Attribute) and n.func.attr == "add"), None)
    if added is None or place.source is not start.source:
        return False
    owner, mine = ast.unparse(added.func.value), _variable(start)  # type: ignore[attr-defined]
    return (
        mine is not None
        and owner != mine
        and place.source.scope(added) is start.source.scope(start.node)
        and owner in _models(program, start)
    )


def _is_used(place: Piece, whole: ast.Call) -> bool:
    """Whether a Sequential is a part of another layer's arguments or called at once."""
    return not isinstance(place.source.parent(whole), ast.Assign)


def _variable(start: Piece) -> str | None:
    parent = start.source.parent(start.node)
    return ast.unparse(parent.targets[0]) if isinstance(parent, ast.Assign) and len(parent.targets) == 1 else None


def _models(program: Code, start: Piece) -> set[str]:
    """The variables of this scope that hold a Sequential."""
    scope = start.source.scope(start.node)
    found = set()
    for place in program.calls("Sequential"):
        if place.source is start.source and place.source.scope(place.node) is scope and (name := _variable(place)):
            found.add(name)
    return found


def layer_calls(program: Code, facts: Mapping[str, Any]) -> dict[str, Piece]:
    """Path of a layer -> the call that makes it, for those of which that is certain; in a loop, a call makes several."""
    layers = list(all_layers(facts.get("model", {}).get("layers", [])))
    found: dict[str, Piece] = {}
    for kind in {str(layer.get("class")) for layer in layers}:
        same = sorted((layer for layer in layers if layer.get("class") == kind), key=_number_in_name)
        calls = in_model(program, kind)
        given = [name for call in calls if (name := _name(call)) is not None]
        for layer in same:
            if given.count(str(layer.get("name"))) == 1:
                found[str(layer.get("path"))] = next(call for call in calls if _name(call) == layer.get("name"))
        left = [layer for layer in same if str(layer.get("path")) not in found]
        open_ = [call for call in calls if call not in found.values()]
        for layer in left:
            call = _matched(program, open_, left, layer)
            if call is not None:
                found[str(layer.get("path"))] = call
    return found


def _matched(
    program: Code, calls: Sequence[Piece], layers: Sequence[Mapping[str, Any]], mine: Mapping[str, Any]
) -> Piece | None:
    """The calls and the layers of a class in their order, if there are as many and their sizes agree; or the only call that
    agrees; or the only one that gives the sizes that this layer alone has, where other calls leave them open."""
    if len(calls) == len(layers) and all(_agree(program, c, layer) for c, layer in zip(calls, layers, strict=True)):
        return calls[next(i for i, layer in enumerate(layers) if layer is mine)]
    possible = [c for c in calls if _agree(program, c, mine)]
    if len(possible) == 1:
        return possible[0]
    given = [c for c in possible if _sizes(program, c).keys() & (mine.get("settings") or {}).keys()]
    alone = len(given) == 1 and sum(_agree(program, given[0], layer) for layer in layers) == 1
    return given[0] if alone else None


def all_layers(layers: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for layer in layers:
        yield layer
        yield from all_layers(layer.get("layers") or ())


def _name(call: Piece) -> str | None:
    given = next((k.value for k in call.node.keywords if k.arg == "name"), None)
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None


def _number_in_name(layer: Mapping[str, Any]) -> int:
    """The place of a layer in the order of their making, which Keras counts in their names: ``dense``, ``dense_1``."""
    last = str(layer.get("name")).rpartition("_")[2]
    return int(last) if last.isdigit() else 0


def _sizes(program: Code, call: Piece) -> dict[str, float]:
    """The sizes that a call gives as numbers."""
    found: dict[str, float] = {}
    for name, at in SIZES.items():
        node = next((k.value for k in call.node.keywords if k.arg == name), None)
        kind = program.called(call)
        positional = {
            "Dense": "units",
            "LSTM": "units",
            "GRU": "units",
            "SimpleRNN": "units",
            "Dropout": "rate",
            "Embedding": "input_dim",
        }
        own = positional.get(kind) or ("filters" if kind.startswith("Conv") else None)
        if node is None and own == name and at < len(call.node.args) and not isinstance(call.node.args[at], ast.Starred):
            node = call.node.args[at]
        value = number(program, Piece(call.source, node)) if node is not None else None
        if value is not None:
            found[name] = value
    return found


def _agree(program: Code, call: Piece, layer: Mapping[str, Any]) -> bool:
    """Whether the sizes in a call, or the name of an activation, are those of a layer, as far as both are known."""
    settings = layer.get("settings") or {}
    given = call.node.args[0] if program.called(call) == "Activation" and call.node.args else None
    if isinstance(given, ast.Constant) and given.value != layer.get("activation"):
        return False
    return all(settings[name] == value for name, value in _sizes(program, call).items() if name in settings)
