"""How the weights of a PyTorch model begin, and whether they are trained."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.arguments import replaced
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.forward import attribute
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Code, Piece, program

# what usual initialisations begin with; source: torch.nn.init
USUAL = ("kaiming", "xavier", "orthogonal", "trunc_normal", "eye", "dirac")
USUAL_RANGE = "0.02"  # spread of the weights of transformers; source: BertConfig of the transformers library


def start_as_usual(known: Code, paths: Sequence[str], which: str) -> Edit | None:
    """Let a statement that sets weights (or biases) set them as usual: the only unusual one, or that of a layer."""
    found = []
    for call in known.nodes(ast.Call):
        source, node = call
        owner = source.of(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        first = source.of(node.args[0]) if node.args else ""
        name = known.called(call)
        if known.full_name(Piece(source, node.func)).startswith("torch.nn.init.") and re.search(rf"\b{which}\b", first):
            if not name.startswith(USUAL):
                found.append((call, first))
        elif name.endswith("_") and re.search(rf"\.{which}(\.data)?$", owner):
            found.append((call, owner))
    last = [path.rpartition(".")[2] for path in paths]
    of_layer = [f for f in found if any(re.search(rf"(\.|\[){re.escape(name)}\b", f[1]) for name in last)]
    chosen = of_layer if len(found) > 1 else found
    if len(chosen) != 1:
        return _in_config(known, which)
    call, tensor = chosen[0]
    if which == "bias":
        text, imports = written(call.source, "torch.nn.init.zeros_", call)
        return known.edit([replaced(call, f"{text}({tensor})"), *imports])
    text, imports = written(call.source, "torch.nn.init.kaiming_uniform_", call)
    return known.edit([replaced(call, f'{text}({tensor}, nonlinearity="relu")'), *imports])


def _in_config(known: Code, which: str) -> Edit | None:
    """The spread of the weights in the configuration of a model of the transformers library."""
    found = [Piece(p.source, k.value) for p in known.nodes(ast.Call) for k in p.node.keywords if k.arg == "initializer_range"]
    return known.edit([replaced(found[0], USUAL_RANGE)]) if len(found) == 1 and which == "weight" else None


def set_trainable(facts: Mapping[str, Any], paths: Sequence[str] = ()) -> Edit | None:
    """Set to True what only one statement sets to False: ``p.requires_grad = False``, ``requires_grad_(False)``; or what
    several do, each for one of these layers."""
    known = program(facts)
    found = []
    for place in known.nodes(ast.Assign, ast.Call):
        node = place.node
        if isinstance(node, ast.Assign) and attribute(node) in ("requires_grad", "trainable"):
            found.append(Piece(place.source, node.value))
        elif isinstance(node, ast.Call) and known.called(place) == "requires_grad_" and node.args:
            found.append(Piece(place.source, node.args[0]))
    falses = [p for p in found if isinstance(p.node, ast.Constant) and p.node.value is False]
    if len(falses) > 1:
        named = [(p, path, owner) for p in falses for path in paths if (owner := _owner(p, path)) is not None]
        same = len({owner for _, _, owner in named}) == 1 and len({path for _, path, _ in named}) == len(named)
        return known.edit([replaced(p, "True") for p, _, _ in named]) if same else None
    return known.edit([replaced(falses[0], "True")]) if falses else None


def _owner(place: Piece, path: str) -> str | None:
    """The variable of the model whose layer a statement freezes: ``model`` of ``model.encoder[0].requires_grad_(False)``, for
    ``encoder.0``; None of another layer."""
    statement = place.source.of(place.source.statement(place.node))
    written_ = re.escape(re.sub(r"\.(\d+)\b", r"[\1]", f".{path}"))
    found = re.match(rf"(\w+){written_}(?:\.\w+)?\.(?:requires_grad_?|trainable)\b", statement)
    return found[1] if found is not None else None
