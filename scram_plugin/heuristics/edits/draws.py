"""Inputs and targets for which a program draws at random once each, where it has to draw once for both."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.apart import TOGETHER
from scram_plugin.heuristics.edits.bindings import class_of, follow, functions
from scram_plugin.heuristics.edits.lines import following
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.orders import SEEDS
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.target_names import LABELS, NOT_LABELS, OF_PICTURES, OF_SETS

DRAWS = re.compile(r"rand|choice|integers|uniform|normal\b|(?<![a-z])(?<!grid_)sample\b", re.I)  # in the names of functions
# what stands beside an example in an item: ``y``, ``labels``; not a target, which may be another domain
OF_ITEMS = re.compile(r"(^|[_.])(ys?|labels?|tags?|classes|ratings|stars)(_|$)", re.I)
NEXT_STATEMENTS = 3  # statements from that of the inputs to that of the targets; by definition


def separate_draws(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first pair of inputs and targets with a draw for each; None without one."""
    known = program(facts)
    adversarial = (facts.get("loop") or {}).get("optimizers", 1) > 1  # such nets learn from sets that are not paired
    zips = () if adversarial else _in_zips(known)
    return next(itertools.chain(_in_statements(known), _at_once(known), _permuted(known), zips), None)


def _in_statements(known: Code) -> Iterator[Mispaired]:
    """``image = rot90(image, draw())`` and ``mask = rot90(mask, draw())``; ``shuffle(texts)`` and ``shuffle(labels)``."""
    for place in known.nodes(ast.Assign, ast.Expr):
        source, name = place.source, _changed(place)
        for other in following(source, place.node)[:NEXT_STATEMENTS] if name else ():
            if not isinstance(other, ast.Assign | ast.Expr):
                continue
            if SEEDS.search(source.of(other)):
                break
            target = _changed(Piece(source, other))
            named = LABELS if isinstance(other, ast.Expr) else OF_PICTURES
            if not target or target == name or not named.search(target) or LABELS.search(name):
                continue
            if isinstance(other, ast.Expr) and not _joined(known, name, target):
                continue
            alike = re.sub(rf"\b{re.escape(name)}\b", target, place.text) == source.of(other)
            if alike and _draws(known, source, other.value):
                lines = f"In lines {place.node.lineno} and {other.lineno}"
                yield Mispaired("draws", other.lineno, name, target, f"{lines} the program draws at random for each of them.")


def _at_once(known: Code) -> Iterator[Mispaired]:
    """``image, mask = turn(image), turn(mask)``, also in what a function returns, where `turn` draws."""
    for place in known.nodes(ast.Tuple):
        source, parts = place.source, place.node.elts
        if len(parts) != PAIR or not all(isinstance(p, ast.Call) and p.args for p in parts):
            continue
        (one, other), (name, target) = parts, (source.of(p.args[0]) for p in parts)
        if not OF_PICTURES.search(target) or LABELS.search(name) or not isinstance(one.args[0], ast.Name | ast.Attribute):
            continue
        alike = re.sub(rf"\b{re.escape(name)}\b", target, source.of(one)) == source.of(other)
        if alike and _draws(known, source, other):
            said = f"In line {one.lineno} the program draws at random for each of them."
            yield Mispaired("draws", one.lineno, name, target, said)


def _permuted(known: Code) -> Iterator[Mispaired]:
    """``self.x = scale(rng.permutation(x))`` and ``self.y = rng.permutation(y)``, of which an item takes the same place."""
    for place in known.nodes(ast.Assign):
        source, one = place.source, _permutation(place.node)
        for other in following(source, place.node)[:NEXT_STATEMENTS] if one is not None else ():
            if SEEDS.search(source.of(other)):
                break
            target = _permutation(other)
            if not isinstance(other, ast.Assign) or one is None or target is None:
                continue
            name, labels = source.of(one.args[0]), source.of(target.args[0])
            made = [source.of(statement.targets[0]) for statement in (place.node, other)]
            same = source.of(one.func) == source.of(target.func) and not NOT_LABELS.search(" ".join(made))
            if same and OF_ITEMS.search(labels) and not LABELS.search(name) and _beside(known, source, *made):
                said = (
                    f"In lines {place.node.lineno} and {other.lineno} the program draws a separate order for each of the two."
                )
                yield Mispaired("draws", other.lineno, name, labels, said)


def _beside(known: Code, source: SourceFile, inputs: str, targets: str) -> bool:
    """Whether an item, or a data set, is made of both."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and known.called(Piece(source, node)) in TOGETHER:
            texts = [source.of(n) for given in node.args for n in (given.elts if isinstance(given, ast.Tuple) else [given])]
            if {inputs, targets} <= set(texts):
                return True
        parts = node.elts if isinstance(node, ast.Tuple) else node.values if isinstance(node, ast.Dict) else []
        places = {source.of(n.value): source.of(n.slice) for n in parts if isinstance(n, ast.Subscript)}
        if inputs in places and places[inputs] == places.get(targets):
            return True
    return False


def _permutation(statement: ast.AST) -> ast.Call | None:
    """The only call in an assignment that gives a variable a new order; None for others."""
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)] if isinstance(statement, ast.Assign) else []
    found = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "permutation"]
    if len(found) != 1 or len(found[0].args) != 1 or found[0].keywords:
        return None
    return found[0] if isinstance(found[0].args[0], ast.Name | ast.Attribute) else None


def _joined(known: Code, one: str, other: str) -> bool:
    """Whether a call is given both, such as that of a data set."""
    for call in known.nodes(ast.Call):
        within = {call.source.of(n) for a in call.node.args for n in ast.walk(a) if isinstance(n, ast.Name | ast.Attribute)}
        if {one, other} <= within:
            return True
    return False


def _changed(place: Piece) -> str:
    """The variable that a statement gives another value made of itself, or that it shuffles in place; "" for others."""
    source, node = place
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        target, given = node.targets[0], node.value.args[:1]
        texts = [source.of(n) for n in (target, *given) if isinstance(n, ast.Name | ast.Attribute)]
        return texts[0] if len(texts) == PAIR and texts[0] == texts[1] else ""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and len(node.value.args) == 1:
        call = node.value
        owned = isinstance(call.func, ast.Attribute) and call.func.attr == "shuffle" and not call.keywords
        return source.of(call.args[0]) if owned and isinstance(call.args[0], ast.Name | ast.Attribute) else ""
    return ""


def _draws(known: Code, source: SourceFile, call: Any) -> bool:
    """Whether a call draws: in an argument, as a function of the program that does, or as a transformation that is made with
    random ones. A shuffle in place does."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "shuffle":
        return True
    inner = [n for given in (*call.args[1:], *(k.value for k in call.keywords)) for n in ast.walk(given)]
    if any(isinstance(n, ast.Call) and DRAWS.search(source.of(n.func)) for n in inner):
        return True
    if len(call.args) > 1 or call.keywords:
        return False
    made = follow(known, Piece(source, call.func))
    own = [made] if isinstance(made.node, ast.Lambda) else [Piece(s, f) for s, f in functions(known, Piece(source, call))]
    if len(own) == 1:
        within = [n for n in ast.walk(own[0].node) if isinstance(n, ast.Call)]
        drawn = any(DRAWS.search(own[0].source.of(n.func)) for n in within)
        return drawn and not SEEDS.search(own[0].text)
    if made.node is call.func or "Random" not in made.text:
        return False
    owned = class_of(known, known.called(made)) if isinstance(made.node, ast.Call) else None
    if owned is None:
        return True  # a transformation of a library
    body = [f for f in owned[1].body if isinstance(f, ast.FunctionDef) and f.name in ("__call__", "forward")]
    return any(isinstance(n, ast.Call) and DRAWS.search(owned[0].of(n.func)) for f in body for n in ast.walk(f))


def _in_zips(known: Code) -> Iterator[Mispaired]:
    """Two loaders, or two data sets, that are shuffled each and then joined."""
    for call in known.calls("zip"):
        given = [Piece(call.source, a) for a in call.node.args]
        if len(given) == 1:
            inner = given[0].node.value if isinstance(given[0].node, ast.Starred) else given[0].node
            pair = follow(known, Piece(call.source, inner))
            given = [Piece(pair.source, e) for e in pair.node.elts] if isinstance(pair.node, ast.Tuple | ast.List) else []
        if len(given) != PAIR:
            continue
        made = [follow(known, piece) for piece in given]
        shuffled = [_shuffle(known, piece) for piece in made]
        names = [" ".join([piece.text, *_roots(found)]) for piece, found in zip(given, made, strict=True)]
        same = shuffled[0] == shuffled[1] and ("seed" in shuffled[0] or "," in shuffled[0])
        if not all(shuffled) or same or not any(OF_SETS.search(word) for word in re.findall(r"[\w.]+", names[1])):
            continue
        if any(LABELS.search(word) for word in re.findall(r"[\w.]+", names[0])):
            continue
        said = f"Line {call.node.lineno} joins two sets that are shuffled each for itself."
        yield Mispaired("draws", call.node.lineno, given[0].text, given[1].text, said)


def _shuffle(known: Code, made: Piece) -> str:
    """The arguments by which a loader or a data set is shuffled, as text; "" where it is not."""
    for node in ast.walk(made.node):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "shuffle":
            return f"({', '.join(made.source.of(n) for n in (*node.args, *node.keywords))})"
        if isinstance(node, ast.Call) and known.called(Piece(made.source, node)) == "DataLoader":
            given = next((k.value for k in node.keywords if k.arg == "shuffle"), None)
            return "()" if isinstance(given, ast.Constant) and given.value is True else ""
    return ""


def _roots(made: Piece) -> list[str]:
    """What the innermost calls of a chain are given first: ``train_y`` of ``from_tensor_slices(train_y).shuffle(9)``."""
    calls = [n for n in ast.walk(made.node) if isinstance(n, ast.Call) and n.args]
    return [made.source.of(call.args[0]) for call in calls if isinstance(call.args[0], ast.Name | ast.Attribute)]
