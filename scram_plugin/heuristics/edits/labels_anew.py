"""Targets that get an order, a draw or a part of their own: repeated, split, collated or mixed apart from the inputs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.apart import is_new_order
from scram_plugin.heuristics.edits.draws import DRAWS, NEXT_STATEMENTS
from scram_plugin.heuristics.edits.lines import following
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.target_names import LABELS, OF_PICTURES, is_label


def targets_anew(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first place where a program does so; None without one."""
    known = program(facts)
    ways = (_repeated(known), _split(known), _collated(known), _partners(known), _flipped(known), _cut(known))
    return next(itertools.chain(*ways), None)


def _repeated(known: Code) -> Iterator[Mispaired]:
    """``repeat(x, k, axis=0)`` beside ``tile(y, k)``."""
    tiled = [c for c in known.calls("tile") if len(c.node.args) == PAIR]
    repeated = [c for c in known.calls("repeat") if len(c.node.args) == PAIR and c.node.keywords]
    for one, other in itertools.product(repeated, tiled):
        (x, times), (y, same) = one.node.args, other.node.args
        names = one.source.of(x), other.source.of(y)
        near = one.source is other.source and one.source.scope(one.node) is other.source.scope(other.node)
        if near and one.source.of(times) == other.source.of(same) and is_label(names[1]) and not LABELS.search(names[0]):
            said = f"Line {one.node.lineno} repeats each example, and line {other.node.lineno} the whole row of labels."
            yield Mispaired("orders", other.node.lineno, *names, said)


def _split(known: Code) -> Iterator[Mispaired]:
    """``train_test_split(x)`` and ``train_test_split(y)`` with other seeds."""
    calls = [c for c in known.calls("train_test_split") if len(c.node.args) == 1]
    for one, other in itertools.pairwise(calls):
        names = one.source.of(one.node.args[0]), other.source.of(other.node.args[0])
        settings = [{k.arg: c.source.of(k.value) for k in c.node.keywords} for c in (one, other)]
        seeds = [s.pop("random_state", "") for s in settings]
        apart = (seeds[0] != seeds[1] or not seeds[0]) and settings[0] == settings[1]
        if apart and settings[0].get("shuffle") != "False" and is_label(names[1]) and not LABELS.search(names[0]):
            said = f"Lines {one.node.lineno} and {other.node.lineno} split them at random, each for itself."
            yield Mispaired("draws", other.node.lineno, *names, said)


def _collated(known: Code) -> Iterator[Mispaired]:
    """A function that makes the inputs of ``sorted(batch)`` and the labels of ``batch``, and returns both."""
    for source, function in known.nodes(ast.FunctionDef):
        given = [one.arg for one in function.args.args]
        for statement in function.body:
            target, call = (statement.targets[0], statement.value) if isinstance(statement, ast.Assign) else (None, None)
            ordered = isinstance(call, ast.Call) and source.of(call.func) == "sorted" and bool(call.args)
            batch = source.of(call.args[0]) if ordered else ""  # type: ignore[union-attr]
            if not isinstance(target, ast.Name) or batch not in given or target.id == batch:
                continue
            last = function.body[-1]
            returned = {n.id for n in ast.walk(last) if isinstance(n, ast.Name)} if isinstance(last, ast.Return) else set[str]()
            made: dict[str, set[str]] = {}
            for one in function.body:
                names = [t.id for t in one.targets if isinstance(t, ast.Name)] if isinstance(one, ast.Assign) else []
                loops = [source.of(n.iter) for n in ast.walk(one) if isinstance(n, ast.comprehension)]
                made |= {name: set(loops) for name in names}
            labels = [n for n, of in made.items() if n in returned and batch in of and target.id not in of and is_label(n)]
            inputs = [n for n, of in made.items() if target.id in of and not LABELS.search(n)]
            if labels and inputs:
                said = f"Line {statement.lineno} sorts the examples of a batch, and `{labels[0]}` are taken in the old order."
                yield Mispaired("orders", statement.lineno, inputs[0], labels[0], said)


def _partners(known: Code) -> Iterator[Mispaired]:
    """``x[order]`` in a mixup beside ``y[randperm(len(y))]``, another order."""
    for source, function in known.nodes(ast.FunctionDef):
        moved: dict[str, str] = {}
        for node in ast.walk(function):
            if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
                continue
            if is_new_order(known, Piece(source, node.slice)):
                moved.setdefault(node.value.id, source.of(node.slice))
        labels = [n for n in moved if is_label(n)]
        inputs = [n for n in moved if not LABELS.search(n) and re.search("mix", source.of(function))]
        for one, other in itertools.product(inputs, labels):
            if moved[one] != moved[other]:
                said = f"`{one}` is mixed in the order `{moved[one]}`, and `{other}` in the order `{moved[other]}`."
                yield Mispaired("draws", function.lineno, one, other, said)


def _flipped(known: Code) -> Iterator[Mispaired]:
    """``if random() < 0.5: image = flip(image)`` and then the same, drawn anew, for the mask."""
    for source, one in known.nodes(ast.If):
        name = _changes(one)
        for other in following(source, one)[:NEXT_STATEMENTS] if name else ():
            target = _changes(other) if isinstance(other, ast.If) else ""
            if not target or target == name or LABELS.search(name) or not OF_PICTURES.search(target):
                continue
            again = any(DRAWS.search(source.of(n.func)) for n in ast.walk(other.test) if isinstance(n, ast.Call))  # type: ignore[attr-defined]
            alike = re.sub(rf"\b{re.escape(name)}\b", target, source.of(one.body[0])) == source.of(other.body[0])  # type: ignore[attr-defined]
            if again and alike:
                said = f"Line {other.lineno} draws anew whether `{target}` is changed as `{name}` is."
                yield Mispaired("draws", other.lineno, name, target, said)


def _changes(node: ast.If) -> str:
    """The variable that the only statement of a branch gives another value made of itself; "" for others."""
    statement = node.body[0] if len(node.body) == 1 and not node.orelse else None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    own = isinstance(target, ast.Name) and isinstance(statement, ast.Assign)
    uses = own and any(isinstance(n, ast.Name) and n.id == target.id for n in ast.walk(statement.value))  # type: ignore[union-attr]
    return target.id if isinstance(target, ast.Name) and uses else ""


def _cut(known: Code) -> Iterator[Mispaired]:
    """``x = x[keep]`` and ``y = y[:len(x)]``."""
    for source, node in known.nodes(ast.Assign):
        name = _selected(node)
        for other in following(source, node)[:NEXT_STATEMENTS] if name else ():
            target = other.targets[0] if isinstance(other, ast.Assign) else None
            text = f"{target.id}[:len({name})]" if isinstance(target, ast.Name) else ""
            if isinstance(target, ast.Name) and source.of(other.value) == text and is_label(target.id):  # type: ignore[attr-defined]
                said = f"Line {node.lineno} selects from `{name}`, and line {other.lineno} takes the first of `{target.id}`."
                yield Mispaired("cut", other.lineno, name, target.id, said)


def _selected(node: ast.Assign) -> str:
    """``x`` of ``x = x[keep]``, with a mask or places; "" for others."""
    target, value = node.targets[0], node.value
    own = isinstance(target, ast.Name) and isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name)
    same = own and value.value.id == target.id and isinstance(value.slice, ast.Name)  # type: ignore[attr-defined]
    return target.id if isinstance(target, ast.Name) and same else ""
