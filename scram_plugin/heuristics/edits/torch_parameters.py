"""Parameters that a PyTorch program does not train by mistake."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import class_of
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in


def register_layers(facts: Mapping[str, Any]) -> Edit | None:
    """Put layers that lie in a plain list into a `ModuleList`, or those of a dictionary into a `ModuleDict`."""
    known = program(facts)
    found = []
    for place in known.nodes(ast.Assign):
        source, node = place
        target, value = node.targets[0], node.value
        of_self = isinstance(target, ast.Attribute) and source.of(target.value) == "self"
        if (
            of_self
            and isinstance(value, ast.List | ast.ListComp | ast.Dict)
            and _holds_modules(known, Piece(source, value), source.of(target))
        ):
            kind = "ModuleDict" if isinstance(value, ast.Dict) else "ModuleList"
            text, imports = written(source, f"torch.nn.{kind}", _module(known, source))
            empty = isinstance(value, ast.List) and not value.elts
            found.append([replaced(Piece(source, value), f"{text}({'' if empty else source.of(value)})"), *imports])
    return known.edit(found[0]) if len(found) == 1 else None


def _holds_modules(known: Code, place: Piece, target: str) -> bool:
    """Whether a list holds calls of modules, or gets them by `append`."""
    source = place.source
    inside = [Piece(source, n) for n in ast.walk(place.node) if isinstance(n, ast.Call)]
    appended = [c for c in known.calls("append") if c.source is source and source.of(c.node.func) == f"{target}.append"]
    inside += [Piece(source, n) for c in appended for a in c.node.args for n in ast.walk(a) if isinstance(n, ast.Call)]
    return any(known.full_name(Piece(source, c.node.func)).startswith("torch.nn.") or _is_own(known, c) for c in inside)


def _is_own(known: Code, call: Piece) -> bool:
    """Whether a call makes a module whose class is one of the program's."""
    found = class_of(known, known.called(call))
    return found is not None and any(known.full_name(Piece(found[0], base)) == "torch.nn.Module" for base in found[1].bases)


def _module(known: Code, source: SourceFile) -> Piece | None:
    """A module that the file makes, whose way of writing is taken over."""
    calls = (p for p in known.nodes(ast.Call) if p.source is source)
    return next((p for p in calls if known.full_name(Piece(source, p.node.func)).startswith("torch.nn.")), None)


def train_all_parameters(facts: Mapping[str, Any]) -> Edit | None:
    """Give the optimizer the parameters of the whole model, where it has those of a part."""
    known = program(facts)
    found = []
    for call in known.calls(str(facts.get("optimizer", {}).get("class"))):
        given = argument(known, call, "params", 0)
        if given is None:
            continue
        node = given.node
        part = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        if part is not None and node.func.attr == "parameters" and (whole := _whole_model(known, given.source, part)):
            found.append(replaced(given, f"{whole}.parameters()"))
    return known.edit(found) if len(found) == 1 else None


def _whole_model(known: Code, source: SourceFile, part: ast.expr) -> str | None:
    """What a part belongs to: ``model`` of ``model.fc[1]``; in a module's own method, ``self`` of ``self.fc``."""
    owner = part
    while isinstance(owner, ast.Attribute | ast.Subscript):
        of_self = isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id == "self"
        if of_self and not _is_module(source.enclosing_class(part)):
            break  # `self.model` of a trainer
        owner = owner.value
    return source.of(owner) if owner is not part else None


def _is_module(owner: ast.ClassDef | None) -> bool:
    """Whether a class has the methods of a module, of PyTorch or of Lightning."""
    methods = {f.name for f in owner.body if isinstance(f, ast.FunctionDef)} if owner is not None else set()
    return bool(methods & {"forward", "training_step"})


def make_optimizer_last(facts: Mapping[str, Any]) -> Edit | None:
    """Make the optimizer behind the last statement that makes the model, or puts another layer into it."""
    known = program(facts)
    found = []
    for call in known.calls(str(facts.get("optimizer", {}).get("class"))):
        source, statement = call.source, call.source.statement(call.node)
        given, rows = argument(known, call, "params", 0), source.rows(statement)
        if given is None or rows is None or not isinstance(statement, ast.Assign):
            continue
        names, own = set(names_in(given.node)), set(names_in(statement.targets[0]))
        # further on, something may use the optimizer
        behind = lines.following(source, statement)
        ends = next((at for at, other in enumerate(behind) if not isinstance(other, ast.Assign)), len(behind))
        block = [other for other in behind[:ends] if isinstance(other, ast.Assign)]
        made = [
            at
            for at, other in enumerate(block)
            if names.intersection(names_in(other.targets[0])) and isinstance(other.value, ast.Call)
        ]
        if not made or any(own.intersection(names_in(other)) for other in block[: made[-1] + 1]):
            continue
        end = source.rows(block[made[-1]])
        moved = Change(source, end[1], end[1], source.text[slice(*rows)]) if end is not None else None
        found.append([lines.removed(source, statement), moved])
    return known.edit(found[0]) if len(found) == 1 else None


def keep_graph(facts: Mapping[str, Any]) -> Edit | None:
    """Remove the only `detach` or `.data` within a model's method."""
    known = program(facts)
    found = []
    for place in known.nodes(ast.Call, ast.Attribute):
        source, node = place
        inside = source.enclosing_class(node) is not None
        if (
            inside
            and isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "detach"
            and not node.args
        ):
            found.append(replaced(place, source.of(node.func.value)))
        elif inside and isinstance(node, ast.Attribute) and node.attr == "data" and isinstance(node.ctx, ast.Load):
            found.append(replaced(place, source.of(node.value)))
    return known.edit(found) if len(found) == 1 else None
