"""Modules of a PyTorch model: other activations, other arguments, modules that go and that come.

Heuristics give a fix in Keras's terms; here it becomes a change of modules, or of calls of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import replaced, set_argument, set_number
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import in_loop
from scram_plugin.heuristics.edits.forward import attribute, consumer, uses
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, imported, program
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.torch_weights import start_as_usual

ACTIVATIONS = {
    "relu": "ReLU()",
    "sigmoid": "Sigmoid()",
    "tanh": "Tanh()",
    "softmax": "Softmax(dim=-1)",
    "log_softmax": "LogSoftmax(dim=-1)",
}
FUNCTIONS = ("relu", "sigmoid", "tanh")
CLASSES = {module.partition("(")[0] for module in ACTIVATIONS.values()}
WEIGHTS = {"kernel_initializer": "weight", "bias_initializer": "bias"}
HIDDEN_ACTIVATIONS = ("ReLU", "GELU", "Tanh", "SiLU", "LeakyReLU", "ELU")
NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d"}  # dimensions of the weights -> the normalisation behind them


def module_call(known: Code, path: str) -> Piece | None:
    """The call that made a module, by its path: ``self.fc1 = nn.Linear(...)`` for ``fc1``, an element of the only list of a
    `Sequential` for ``2``, and of the `Sequential` in ``self.features`` for ``features.2``; None where it is not sure."""
    *owners, last = path.split(".")
    if not last.isdigit():
        found = [Piece(p.source, p.node.value) for p in known.nodes(ast.Assign) if attribute(p.node) == last]
        found = [p for p in found if isinstance(p.node, ast.Call)]
        return found[0] if len(found) == 1 else None
    wholes = _sequentials(known)
    if owners:
        wholes = [
            (p, e) for p, e in wholes if isinstance(a := p.source.parent(p.node), ast.Assign) and attribute(a) == owners[-1]
        ]
    if len(wholes) != 1 or any(isinstance(e, ast.Starred) for e in wholes[0][1]) or int(last) >= len(wholes[0][1]):
        return None
    place, elements = wholes[0]
    element = elements[int(last)]
    return Piece(place.source, element) if isinstance(element, ast.Call) else None


def _sequentials(known: Code) -> list[tuple[Piece, list[ast.expr]]]:
    """The calls of `Sequential`, with the modules that they get: also by one list that is named above."""
    found = []
    for call in known.calls("Sequential"):
        arguments = call.node.args
        if len(arguments) == 1 and isinstance(arguments[0], ast.Starred):
            whole = follow(known, Piece(call.source, arguments[0].value))
            if isinstance(whole.node, ast.List) and whole.source is call.source:
                found.append((call, [*whole.node.elts, *_appended(known, call, call.source.of(arguments[0].value))]))
        elif arguments:
            found.append((call, arguments))
    return found


def _appended(known: Code, call: Piece, name: str) -> list[ast.expr]:
    """The modules that a list gets by ``layers.append(...)``; in a loop, it is not certain which."""
    scope = call.source.scope(call.node)
    calls = [c for c in known.calls("append") if c.source is call.source and call.source.of(c.node.func) == f"{name}.append"]
    calls = [c for c in calls if call.source.scope(c.node) is scope and len(c.node.args) == 1]
    if any(in_loop(call.source, c.node) for c in calls):
        return [ast.Starred(ast.Name(name))]
    return [c.node.args[0] for c in calls]


def set_in_layers(
    facts: Mapping[str, Any], paths: Sequence[str], name: str, value: str | None, normalized: bool = False
) -> Edit | None:
    """Set what Keras calls `name` in layers; `normalized`: with a batch normalisation before an activation, for deep nets."""
    known = program(facts)
    if name == "activation":
        entries = {str(layer.get("path")): layer for layer in facts.get("model", {}).get("layers", [])}
        to = None if value is None else value.strip('"')
        changes = [change for path in paths for change in _activate(known, facts, entries.get(path, {}), path, to, normalized)]
        return known.edit(changes) if changes else None
    if name in WEIGHTS:
        return start_as_usual(known, paths, WEIGHTS[name])
    arguments = {"rate": ("p", 0), "momentum": ("momentum", 2), "mask_zero": None}.get(name)
    if arguments is None or value is None:
        return None
    calls = [module_call(known, path) for path in paths]
    if any(call is None for call in calls):
        return _in_model_config(known, value) if name == "rate" else None
    to_ = f"{1 - float(value):g}" if name == "momentum" else value  # PyTorch counts the share of the new batch
    return known.edit([set_number(known, call, arguments[0], to_, arguments[1]) for call in calls if call is not None])


def _activate(
    known: Code, facts: Mapping[str, Any], entry: Mapping[str, Any], path: str, value: str | None, normalized: bool
) -> list[Change | None]:
    now = str(entry.get("activation"))
    by = entry.get("activated_by") or (path if str(entry.get("class")) in CLASSES else None)
    made = module_call(known, str(by)) if by else None
    if made is not None:  # another module in its place, or none
        if value is None:
            return [_removed(known, made)]
        text, imports = written(made.source, f"torch.nn.{ACTIVATIONS[value].partition('(')[0]}", made)
        arguments = ACTIVATIONS[value].partition("(")[2]
        kernel = entry.get("kernel") or []
        norm = NORMS.get(len(kernel)) if normalized and _elements(known, made) else None
        new = f"{text}({arguments}"
        if norm is None:
            return [replaced(made, new), *imports]
        name, more = written(made.source, f"torch.nn.{norm}", made)
        norm = f"{name}({kernel[-1]})"
        if _is_appended(made):  # one element at a time
            owner: Any = made.source.parent(made.node)
            line = f"{made.source.of(owner.func)}({norm})"
            return [lines.before(made.source, made.source.statement(made.node), [line]), replaced(made, new), *imports, *more]
        return [replaced(made, f"{norm}, {new}"), *imports, *more]
    if by is not None:
        return [None]
    if now == "None" and value is not None:
        made = module_call(known, path)
        if made is not None and _elements(known, made):
            text, imports = written(made.source, f"torch.nn.{ACTIVATIONS[value].partition('(')[0]}", made)
            return [_behind(made, f"{text}({ACTIVATIONS[value].partition('(')[2]}"), *imports]
        return _wrapped(known, path, value)
    return _unwrapped(known, path, now, value)


def _elements(known: Code, call: Piece) -> list[ast.expr]:
    """The modules of the `Sequential` that a call is an element of; empty if it is in none."""
    return next((e for p, e in _sequentials(known) if p.source is call.source and any(x is call.node for x in e)), [])


def _is_appended(call: Piece) -> bool:
    outer = call.source.parent(call.node)
    return isinstance(outer, ast.Call) and isinstance(outer.func, ast.Attribute) and outer.func.attr == "append"


def _behind(call: Piece, new: str) -> Change | None:
    """Put a module after an element of a `Sequential`, on a line of its own if the element has one."""
    source = call.source
    if _is_appended(call):
        owner: Any = source.parent(call.node)
        return lines.behind(source, source.statement(call.node), [f"{source.of(owner.func)}({new})"])
    end = source.span(call.node)[1]
    return Change(source, end, end, f"{source.between(call.node)}{new}")


def _removed(known: Code, call: Piece) -> Change | None:
    """Remove an element that is not the first from a `Sequential`."""
    elements, source = _elements(known, call), call.source
    if _is_appended(call):
        return lines.removed(source, source.statement(call.node))
    at = next((i for i, e in enumerate(elements) if e is call.node), 0)
    return Change(source, source.span(elements[at - 1])[1], source.span(call.node)[1], "") if at else None


def _function(source: SourceFile, name: str) -> tuple[str, list[Change]]:
    """An activation as a function: of PyTorch as a whole, if the file imports that."""
    whole = "torch" in imported(source).values()
    return written(source, f"torch.{name}" if whole else f"torch.nn.functional.{name}")


def _wrapped(known: Code, path: str, function: str) -> list[Change | None]:
    """``torch.relu(self.fc1(x))`` in place of ``self.fc1(x)``."""
    found = uses(known, path.rpartition(".")[2])
    if len(found) != 1 or function not in FUNCTIONS:
        return [None]
    text, imports = _function(found[0].source, function)
    return [replaced(found[0], f"{text}({found[0].text})"), *imports]


def _unwrapped(known: Code, path: str, now: str, value: str | None) -> list[Change | None]:
    """Another function in place of the one that a module's output goes through, in the same line or in one below; None: without
    one."""
    found = uses(known, path.rpartition(".")[2])
    if len(found) != 1:
        return [None]
    outer = _function_around(known, found[0], now)
    if outer is None:
        return [None]
    source, node = outer
    given = found[0].node, consumer(found[0])
    if isinstance(node.func, ast.Attribute) and any(n in given for n in ast.walk(node.func.value)):
        inner = source.of(node.func.value)  # a method of the tensor: `self.fc1(x).relu()`
    elif node.args and any(n in given for n in ast.walk(node.args[0])):
        inner = source.of(node.args[0])
    else:
        return [None]
    if value is None:
        return [replaced(outer, inner)]
    if value == "log_softmax" and now == "softmax":  # it takes the same arguments
        func = source.of(node.func)
        return [Change(source, *source.span(node.func), re.sub(r"\w+$", value, func))]
    if value not in FUNCTIONS:
        return [None]
    text, imports = _function(source, value)
    return [replaced(outer, f"{text}({inner})"), *imports]


def _function_around(known: Code, call: Piece, name: str) -> Piece | None:
    """The call of a function or method with this name that takes what a module gives."""
    source = call.source
    for node in source.around(call.node):
        if isinstance(node, ast.stmt):
            break
        place = Piece(source, node)
        if isinstance(node, ast.Call) and known.called(place) == name:
            return place
    used = consumer(call)
    outer = source.parent(used) if used is not None else None
    outer = source.parent(outer) if isinstance(outer, ast.Attribute) else outer
    if isinstance(outer, ast.Call) and known.called(Piece(source, outer)) == name:
        return Piece(source, outer)
    return None


def remove_layer(facts: Mapping[str, Any], path: str) -> Edit | None:
    known = program(facts)
    made = module_call(known, path)
    if made is not None and _elements(known, made):
        return known.edit([_removed(known, made)])
    found = uses(known, path.rpartition(".")[2])
    if len(found) > 1:  # it is the last one that is told of
        found = [p for p in found if isinstance(p.source.statement(p.node), ast.Return)]
    if len(found) != 1 or len(found[0].node.args) != 1:
        return None
    return known.edit([lines.without_call(found[0].source, found[0].node)])


def put_batch_first(facts: Mapping[str, Any], path: str) -> Edit | None:
    known = program(facts)
    made = module_call(known, path)
    return known.edit([set_argument(known, made, "batch_first", "True")]) if made is not None else None


def add_dropout(facts: Mapping[str, Any], rate: float) -> Edit | None:
    """Put a Dropout after each hidden activation that follows a linear layer: in a `Sequential`, or in `forward`."""
    known = program(facts)
    changes: list[Change | None] = []
    for whole, elements in _sequentials(known):
        kinds = [known.called(Piece(whole.source, e)) for e in elements]
        for i, element in enumerate(elements[1:-1], 1):
            if kinds[i - 1] == "Linear" and kinds[i] in HIDDEN_ACTIVATIONS and kinds[i + 1] != "Dropout":
                text, imports = written(whole.source, "torch.nn.Dropout", Piece(whole.source, element))
                changes += [_behind(Piece(whole.source, element), f"{text}({rate:g})"), *imports]
    return known.edit(changes) if changes else known.edit(list(_in_forward(known, facts, rate)))


def _in_forward(known: Code, facts: Mapping[str, Any], rate: float) -> Iterator[Change]:
    """``F.dropout(F.relu(self.fc1(x)), 0.5, self.training)`` in place of what is inside, for linear layers."""
    for layer in facts.get("model", {}).get("layers", []):
        path, now = str(layer.get("path")), str(layer.get("activation"))
        by = str(layer.get("activated_by") or "")
        if layer.get("class") != "Linear" or now not in ("relu", "tanh", "gelu", "silu"):
            continue
        found = uses(known, (by or path).rpartition(".")[2])
        outer = (found[0] if by else _function_around(known, found[0], now)) if len(found) == 1 else None
        if outer is not None and outer.source.enclosing_class(outer.node) is not None:
            text, imports = written(outer.source, "torch.nn.functional.dropout")
            yield replaced(outer, f"{text}({outer.text}, {rate:g}, self.training)")
            yield from imports


def _in_model_config(known: Code, value: str) -> Edit | None:
    """The dropout of the hidden layers in the configuration of a model of the transformers library."""
    found = [Piece(p.source, k.value) for p in known.nodes(ast.Call) for k in p.node.keywords if k.arg == "hidden_dropout_prob"]
    return known.edit([replaced(found[0], value)]) if len(found) == 1 else None
