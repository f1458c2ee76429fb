"""Layers of a functional Keras model whose outputs the program never uses: the model does not have them."""

from __future__ import annotations

import ast
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
    """Give the output that nothing reads to the only later layer that takes what it was made of, and passed it by."""
    known = program(facts)
    layers = {p.node.targets[0].id: p for p in known.nodes(ast.Assign) if _is_of_layer(p.node)}
    made, at = layers.get(name), name
    earlier: list[str] = []
    while at in layers and at not in earlier:
        given = layers[at].node.value.args
        earlier.append(at)
        at = given[0].id if len(given) == 1 and isinstance(given[0], ast.Name) else ""
    places = [
        place
        for place in known.nodes(ast.Name)
        if made is not None and place.source is made.source and place.node.lineno > made.node.end_lineno
        if place.node.id in (*earlier[1:], at) and isinstance(place.node.ctx, ast.Load) and not _is_of_model(known, place)
    ]
    return known.edit([replaced(places[0], name)]) if len(places) == 1 else None


def _is_of_layer(node: ast.Assign) -> bool:
    """``hidden = Dense(8)(x)``."""
    made = node.value
    single = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    return single and isinstance(made, ast.Call) and isinstance(made.func, ast.Call)


def _is_of_model(known: Code, place: Piece) -> bool:
    """Whether a tensor is named as an input of the model, or the like."""
    calls = [n for n in place.source.around(place.node) if isinstance(n, ast.Call)]
    return not calls or known.called(Piece(place.source, calls[0])) == "Model"


def _unused(known: Code) -> Iterator[tuple[str, str, int]]:
    read = {p.node.id for p in known.nodes(ast.Name) if not isinstance(p.node.ctx, ast.Store)}
    read |= {p.node.attr for p in known.nodes(ast.Attribute)}  # of a module, perhaps
    for place in known.nodes(ast.Assign):
        if not _is_of_layer(place.node) or (name := place.node.targets[0].id) in read:
            continue
        layer = known.full_name(Piece(place.source, place.node.value.func.func))
        if ".layers." in layer and "keras" in layer:
            yield name, layer.rpartition(".")[2], place.node.lineno
