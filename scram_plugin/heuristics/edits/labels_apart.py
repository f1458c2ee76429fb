"""Targets that a program makes, mixes or draws otherwise than the inputs beside them."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.apart import is_new_order
from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.parts import TRAINING
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in
from scram_plugin.heuristics.edits.target_names import LABELS, NOT_LABELS

NUMBERS = re.compile(r"idx|ids|index|order|range")  # what has one column; source: usual names
FIELDS = re.compile(r"reward|label|target|done|action|^y$")  # of a step, or an item, that are no inputs; source: usual names
SUMS = ("std", "mean", "len", "max", "min", "sum")  # of what a draw for its own end is good for; source: NumPy
TURNED = re.compile(r"\.(transpose|swapaxes|permute)\(|\.T\b")  # brings examples into another order; source: NumPy, PyTorch
SAMPLES = ("sample", "choices")  # draws from a list; source: random
NOISE = ("randn", "randn_like", "standard_normal")  # source: PyTorch, NumPy
NOISES = re.compile(r"eps|epsilon|noise")  # source: usual names
DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")  # PyTorch


def targets_apart(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first place where a program does so; None without one."""
    known = program(facts)
    ways = (_tiled(known), _columns(known), _mixed(known), _redrawn(known), _noise(known))
    return next(itertools.chain(*ways), None)


def _tiled(known: Code) -> Iterator[Mispaired]:
    """``tile(arange(k), n)`` beside examples that are made class by class: ``for c in range(k) for _ in range(n)``; and
    ``repeat(arange(k), n)`` beside those that are made in turns."""
    for call in known.calls("tile", "repeat"):
        source, node = call
        inner = node.args[0] if len(node.args) == PAIR else None
        counts = isinstance(inner, ast.Call) and known.called(Piece(source, inner)) in ("arange", "range")
        if not isinstance(inner, ast.Call) or not counts or len(inner.args) != 1:
            continue
        classes, times = source.of(inner.args[0]), source.of(node.args[1])
        tiled = known.called(call) == "tile"
        wrong = (classes, times) if tiled else (times, classes)
        scope = source.scope(node)
        if TURNED.search(source.text):
            continue
        if classes == times or (wrong[1], wrong[0]) in _nested(source, scope) or wrong not in _nested(source, scope):
            continue
        ways = ("in turns", "class by class")[:: 1 if tiled else -1]
        said = f"Line {node.lineno} makes the labels {ways[0]}, and the examples are made {ways[1]}."
        yield Mispaired("orders", node.lineno, "the examples", source.of(node), said)


def _nested(source: SourceFile, scope: ast.AST) -> set[tuple[str, str]]:
    """The lengths of two loops, one directly in the other, that add an example in each round."""
    found = set[tuple[str, str]]()
    for node in ast.walk(scope):
        loops: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            loops = [(g.iter, g.target) for g in node.generators]
            made = set(names_in(node.elt))
        elif isinstance(node, ast.For):
            inner = [n for n in node.body if isinstance(n, ast.For)]
            loops = [(n.iter, n.target) for n in (node, *inner)]
            calls = [n for one in inner for n in ast.walk(one) if isinstance(n, ast.Call)]
            adds = any(isinstance(n.func, ast.Attribute) and n.func.attr in ("append", "extend") for n in calls)
            made = {n for one in inner for n in names_in(one)} if adds else set()
        sizes = [source.of(n.args[0]) for n, _ in loops if isinstance(n, ast.Call) and source.of(n.func) == "range" and n.args]
        if len(sizes) == PAIR == len(loops) and made & {source.of(target) for _, target in loops}:
            found.add((sizes[0], sizes[1]))
    return found


def _columns(known: Code) -> Iterator[Mispaired]:
    """``train = rng.permuted(rows, axis=0)``: NumPy gives each column its own order."""
    for call in known.calls("permuted"):
        source, node = call
        axis = next((k.value for k in node.keywords if k.arg == "axis"), None)
        statement = source.statement(node)
        target = source.of(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
        name = target.rpartition(".")[2]
        other = LABELS.search(name) or NOT_LABELS.search(name) or NUMBERS.search(source.of(node))
        if isinstance(axis, ast.Constant) and axis.value == 0 and TRAINING.search(name) and not other:
            said = f"Line {node.lineno} gives each column its own order: `permuted` does that, and `permutation` keeps rows."
            yield Mispaired("draws", node.lineno, "the columns", target, said)


def _mixed(known: Code) -> Iterator[Mispaired]:
    """``a * x + b * x[order]`` beside ``b * y + a * y[order]``, or beside ``b * loss(p, y) + a * loss(p, y[order])``."""
    found: list[tuple[Piece, str, str]] = []
    for place in known.nodes(ast.BinOp):
        if (shares := _shares(known, place)) is not None:
            found.append((place, *shares))
    for (one, kept, other), (two, kept_two, other_two) in itertools.combinations(found, PAIR):
        near = one.source is two.source and one.source.scope(one.node) is two.source.scope(two.node)
        if not near or kept == other or (kept, other) != (other_two, kept_two):
            continue
        beside = [p for p, *_ in found if p.source is one.source and p.source.scope(p.node) is one.source.scope(one.node)]
        if len(beside) > PAIR:  # as mixtures of both shares
            continue
        if _is_of_labels(two) and not _is_of_labels(one) and not _is_set_between(one, two, f"{kept} {other}"):
            said = f"`{one.text}` is mixed with `{kept}` and `{other}`, and line {two.node.lineno} mixes the other way round."
            yield Mispaired("draws", two.node.lineno, one.text, two.text, said)


def _is_of_labels(place: Piece) -> bool:
    calls = any(isinstance(n, ast.Call) for n in ast.walk(place.node))  # a loss for each
    return calls or any(map(LABELS.search, names_in(place.node)))


def _is_set_between(one: Piece, two: Piece, factors: str) -> bool:
    """Whether a factor gets another value between two sums."""
    inner = (n for n in ast.walk(one.source.scope(one.node)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return any(one.node.lineno <= n.lineno <= two.node.lineno and re.search(rf"\b{n.id}\b", factors) for n in inner)


def _shares(known: Code, place: Piece) -> tuple[str, str] | None:
    """The factors of what is in its order, and of what is reordered, in a sum of the two; None for others."""
    source, node = place
    if not isinstance(node.op, ast.Add) or not all(
        isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) for n in (node.left, node.right)
    ):
        return None
    moved = [_is_reordered(known, Piece(source, n.right)) for n in (node.left, node.right)]
    factors = [re.sub(r"[\s()]", "", source.of(n.left)) for n in (node.left, node.right)]
    if sorted(moved) != [False, True]:
        return None
    return (factors[0], factors[1]) if moved[1] else (factors[1], factors[0])


def _is_reordered(known: Code, place: Piece) -> bool:
    """``x[order]``, a variable that is that, or a call that is given one."""
    source, node = place
    for inner in node.args if isinstance(node, ast.Call) else [node]:
        bound = bound_to(known, Piece(source, inner)) if isinstance(inner, ast.Name) else []
        for each in [inner, *(b.node for b in bound)]:
            if isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Name) and isinstance(each.value, ast.Name):
                return is_new_order(known, Piece(source, each.slice))
    return False


def _redrawn(known: Code) -> Iterator[Mispaired]:
    """``[step.reward for step in random.sample(memory, n)]`` in a function that draws the same way for the rest."""
    for call in known.calls(*SAMPLES):
        source, node = call
        listed = next((n for n in source.around(node) if isinstance(n, ast.ListComp)), None)
        if listed is None or listed.generators[0].iter is not node or not isinstance(listed.elt, ast.Attribute | ast.Subscript):
            continue
        around = [known.called(Piece(source, n)) for n in source.around(node) if isinstance(n, ast.Call)]
        field = listed.elt.attr if isinstance(listed.elt, ast.Attribute) else ""
        if not FIELDS.search(field) or set(around) & set(SUMS):
            continue
        for other in known.calls(*SAMPLES):
            if any(isinstance(n, ast.ListComp) for n in other.source.around(other.node)):
                continue
            same = other.source is source and other.text == call.text and other.node is not node
            if same and source.scope(other.node) is source.scope(node):
                said = f"Line {node.lineno} draws anew from what line {other.node.lineno} draws from."
                yield Mispaired("draws", node.lineno, other.text, source.of(listed), said)
                break


def _noise(known: Code) -> Iterator[Mispaired]:
    """``loss(net(x + randn()), eps)``, where `eps` was drawn and goes into the loss alone: nothing tells the net of it."""
    for place in known.nodes(ast.Assign):
        source, node = place
        target, value = node.targets[0], node.value
        drawn = isinstance(value, ast.Call) and known.called(Piece(source, value)) in NOISE
        if not drawn or not isinstance(target, ast.Name) or not NOISES.fullmatch(target.id):
            continue
        scope = source.scope(node)
        names = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == target.id]
        used = [n for n in names if isinstance(n.ctx, ast.Load)]
        stored = len(names) - len(used)
        call = source.parent(used[0]) if len(used) == 1 and stored == 1 else None
        if not isinstance(call, ast.Call) or used[0] not in call.args or not _is_distance(known, Piece(source, call)):
            continue
        others = [n for n in ast.walk(scope) if isinstance(n, ast.Call) and n is not value]
        if any(known.called(Piece(source, n)) in NOISE for n in others):
            said = f"The noise `{target.id}` of line {node.lineno} is the target, and the inputs get other noise."
            yield Mispaired("draws", call.lineno, "the inputs", target.id, said)


def _is_distance(known: Code, call: Piece) -> bool:
    """Whether a call is a loss that compares value by value."""
    if known.called(call) in DISTANCES:
        return True
    made = bound_to(known, Piece(call.source, call.node.func)) if isinstance(call.node.func, ast.Name) else []
    return any(known.called(m) in DISTANCES for m in made)
