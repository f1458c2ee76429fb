"""Targets that get an order, a draw or a part of their own: repeated, split, collated or mixed apart from the inputs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.draws import DRAWS, NEXT_STATEMENTS
from scram_plugin.heuristics.edits.lines import following
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.orders import SEEDS
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.taken_before import SUMS_UP
from scram_plugin.heuristics.edits.target_names import LABELS, OF_PICTURES, is_label

# of examples: what is called a target, a mask or stars may be another domain, a picture or a thing; source: usual names
OF_EXAMPLES = re.compile(r"^(ys?|labels?|y_(all|data)|(all|data)_labels)$", re.I)
COLLATES = re.compile(r"collate|pad|batch", re.I)  # names of functions that put a batch together; source: PyTorch
RESTORES = re.compile(r"argsort|inverse|restore|unsort", re.I)  # the old order; source: usual names
PICTURES = re.compile(r"im(g|age)|picture|photo|^x|frame", re.I)  # source: usual names
MOVES = re.compile(r"flip|rot|transpose|crop|affine|::-1", re.I)  # pixels; source: NumPy, torchvision
SELECTS = re.compile(r"isfinite|isnan|nonzero")  # what selects examples; source: NumPy, PyTorch


def targets_anew(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first place where a program does so; None without one."""
    known = program(facts)
    ways = (_repeated(known), _split(known), _collated(known), _flipped(known), _cut(known))
    return next(itertools.chain(*ways), None)


def _repeated(known: Code) -> Iterator[Mispaired]:
    """``repeat(x, k, axis=0)`` beside ``tile(y, k)``."""
    tiled = [c for c in known.calls("tile") if len(c.node.args) == PAIR]
    repeated = [c for c in known.calls("repeat") if len(c.node.args) == PAIR and c.node.keywords]
    for one, other in itertools.product(repeated, tiled):
        (x, times), (y, same) = one.node.args, other.node.args
        names = one.source.of(x), other.source.of(y)
        near = one.source is other.source and one.source.scope(one.node) is other.source.scope(other.node)
        axis = [one.source.of(k) for k in one.node.keywords]
        both = [c for c in (*tiled, *repeated) if c.source.of(c.node.args[0]) in names]  # as all pairs are made
        if (
            not near
            or axis != ["axis=0"]
            or not OF_EXAMPLES.search(names[1])
            or len(both) > PAIR
            or one.node.lineno == other.node.lineno
        ):
            continue
        if one.source.of(times) == other.source.of(same) and isinstance(x, ast.Name) and not LABELS.search(names[0]):
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
        near = one.source is other.source and following(one.source, one.source.statement(one.node))[:1] == [
            other.source.statement(other.node)
        ]
        numbers = all(seed in ("", "None") or seed.isdecimal() for seed in seeds)
        if not near or not numbers:
            continue
        if apart and settings[0].get("shuffle") != "False" and OF_EXAMPLES.search(names[1]) and not LABELS.search(names[0]):
            said = f"Lines {one.node.lineno} and {other.node.lineno} split them at random, each for itself."
            yield Mispaired("draws", other.node.lineno, *names, said)


def _collated(known: Code) -> Iterator[Mispaired]:
    """A function that makes the inputs of ``sorted(batch)`` and the labels of ``batch``, and returns both."""
    for source, function in known.nodes(ast.FunctionDef):
        if not COLLATES.search(function.name) or RESTORES.search(source.of(function)):
            continue
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
                lists = [n for n in ast.walk(one) if isinstance(n, ast.ListComp)]
                loops = [source.of(n.generators[0].iter) for n in lists if not SUMS_UP.search(source.of(one))]
                made |= {name: set(loops) for name in names}
            labels = [n for n, of in made.items() if n in returned and batch in of and target.id not in of and is_label(n)]
            inputs = [n for n, of in made.items() if target.id in of and not LABELS.search(n)]
            if labels and inputs:
                said = f"Line {statement.lineno} sorts the examples of a batch, and `{labels[0]}` are taken in the old order."
                yield Mispaired("orders", statement.lineno, inputs[0], labels[0], said)


def _flipped(known: Code) -> Iterator[Mispaired]:
    """``if random() < 0.5: image = flip(image)`` and then the same, drawn anew, for the mask."""
    for source, one in known.nodes(ast.If):
        name = _changes(one)
        for other in following(source, one)[:NEXT_STATEMENTS] if name else ():
            target = _changes(other) if isinstance(other, ast.If) else ""
            if isinstance(other, ast.Expr) and SEEDS.search(source.of(other)):
                break
            if not target or target == name or not PICTURES.search(name) or not OF_PICTURES.search(target):
                continue
            again = any(DRAWS.search(source.of(n.func)) for n in ast.walk(other.test) if isinstance(n, ast.Call))  # type: ignore[attr-defined]
            alike = re.sub(rf"\b{re.escape(name)}\b", target, source.of(one.body[0])) == source.of(other.body[0])  # type: ignore[attr-defined]
            if again and alike and MOVES.search(source.of(other.body[0])):  # type: ignore[attr-defined]
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
        name = _selected(known, Piece(source, node))
        for other in following(source, node)[:NEXT_STATEMENTS] if name else ():
            target = other.targets[0] if isinstance(other, ast.Assign) else None
            text = f"{target.id}[:len({name})]" if isinstance(target, ast.Name) else ""
            if isinstance(target, ast.Name) and source.of(other.value) == text and OF_EXAMPLES.search(target.id):  # type: ignore[attr-defined]
                said = f"Line {node.lineno} selects from `{name}`, and line {other.lineno} takes the first of `{target.id}`."
                yield Mispaired("cut", other.lineno, name, target.id, said)


def _selected(known: Code, place: Piece) -> str:
    """``x`` of ``x = x[keep]``, where `keep` was made by a comparison; "" for others."""
    target, value = place.node.targets[0], place.node.value
    own = isinstance(target, ast.Name) and isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name)
    same = own and value.value.id == target.id and isinstance(value.slice, ast.Name)
    made = bound_to(known, Piece(place.source, value.slice)) if same else []
    of_examples = bool(made) and all(isinstance(m.node, ast.Compare) or SELECTS.search(m.text) for m in made)
    return target.id if isinstance(target, ast.Name) and of_examples else ""
