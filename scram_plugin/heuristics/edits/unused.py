"""Layers of a functional Keras model whose outputs the program never uses: the model does not have them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import replaced
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece, program

LOOKS_UP = ("locals", "globals", "vars", "eval", "exec")  # with these, a program may use a name that it does not write


def unused_outputs(facts: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Name of the variable, class of the layer, and line of ``hidden = Dense(8)(x)`` where `hidden` is never read."""
    known = program(facts)
    return list(_unused(known)) if known.whole and not any(known.calls(*LOOKS_UP)) else []


def use_output(facts: Mapping[str, Any], name: str) -> Edit | None:
    """Give the output that nothing reads to the only later layer that joins several, and took what it was made of instead.

    A layer that takes a single input may be another branch: then it is not sure what was meant.
    """
    known = program(facts)
    tensors = _tensors(known)
    made = tensors.get(name)
    if made is None or not _is_of_layer(known, made):
        return None
    earlier, at = [], _given(made)
    while at is not None and at in tensors and at not in earlier:
        earlier.append(at)
        at = _given(tensors[at])
    places = [
        place
        for place in known.nodes(ast.Name)
        if place.node.id in earlier and place.node.lineno > made.node.end_lineno and _is_joined(known, place)
        if place.source is made.source and place.source.scope(place.node) is made.source.scope(made.node)
    ]
    return known.edit([replaced(places[0], name)]) if len(places) == 1 else None


def _unused(known: Code) -> Iterator[tuple[str, str, int]]:
    read = {p.node.id for p in known.nodes(ast.Name) if not isinstance(p.node.ctx, ast.Store)}
    read |= {p.node.attr for p in known.nodes(ast.Attribute)}  # of a module, perhaps
    read |= {alias.name for p in known.nodes(ast.ImportFrom) for alias in p.node.names}
    tensors = _tensors(known)
    for name, place in tensors.items():
        if name in read or name.startswith("_") or not _is_of_layer(known, place) or _given(place) not in tensors:
            continue
        scope = place.source.scope(place.node)
        if isinstance(scope, ast.Module) or getattr(scope, "name", None) in read:  # a function that nothing calls makes nothing
            yield name, known.full_name(Piece(place.source, place.node.value.func.func)).rpartition(".")[2], place.node.lineno


def _tensors(known: Code) -> dict[str, Piece]:
    """The names that are assigned once, an input of a model or the output of a layer, and where."""
    counts = Counter(p.node.id for p in known.nodes(ast.Name) if isinstance(p.node.ctx, ast.Store))
    single = [p for p in known.nodes(ast.Assign) if len(p.node.targets) == 1 and isinstance(p.node.targets[0], ast.Name)]
    return {
        p.node.targets[0].id: p
        for p in single
        if counts[p.node.targets[0].id] == 1 and (_is_of_layer(known, p) or _makes_input(known, p))
    }


def _is_of_layer(known: Code, place: Piece) -> bool:
    """``hidden = Dense(8)(x)``."""
    made = place.node.value
    return isinstance(made, ast.Call) and isinstance(made.func, ast.Call) and _of_keras(known, place, made.func.func)


def _makes_input(known: Code, place: Piece) -> bool:
    made = place.node.value
    return isinstance(made, ast.Call) and known.called(Piece(place.source, made)) == "Input"


def _given(place: Piece) -> str | None:
    """The name of the only tensor that a layer takes; None for an input of the model, and for several."""
    given = place.node.value.args
    of_layer = isinstance(place.node.value.func, ast.Call)
    return given[0].id if of_layer and len(given) == 1 and isinstance(given[0], ast.Name) else None


def _is_joined(known: Code, place: Piece) -> bool:
    """Whether a tensor is one of several that a layer takes: ``concatenate([a, b])``, ``Concatenate()([a, b])``."""
    among = place.source.parent(place.node)
    call = place.source.parent(among) if isinstance(among, ast.List | ast.Tuple) else None
    if not isinstance(call, ast.Call) or among not in call.args:
        return False
    return _of_keras(known, place, call.func.func if isinstance(call.func, ast.Call) else call.func)


def _of_keras(known: Code, place: Piece, function: ast.expr) -> bool:
    name = known.full_name(Piece(place.source, function))
    return ".layers." in name and "keras" in name
