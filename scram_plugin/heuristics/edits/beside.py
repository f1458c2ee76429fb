"""Lists that a program fills, or gets, side by side, of which it brings only one into a new order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from scram_plugin.heuristics.edits.apart import ORDERS, TOGETHER
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.target_names import LABELS, NOT_LABELS

GROWS = ("append", "extend", "insert")  # methods of a list; source: Python
# a list of examples without labels, and one of the names of classes, which no example has
UNLABELLED = re.compile(r"unl|unsup|distract|extra|(^|_)u(_|\d|$)", re.I)
NAMES = re.compile(r"(^|[_.])(classes|categories|vocab\w*|\w*names?)$", re.I)
PLACES = ("argsort", "permutation", "randperm")  # functions that give places in another order; source: NumPy, PyTorch
JOINS = ("zip", *TOGETHER)  # calls in which two lists stand side by side


def moved_alone(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first list that is shuffled while its partner is not, though examples are made of both; None without one."""
    known = program(facts)
    return next((found for source in known.sources for found in (*_in_file(known, source), *_all_but_one(source))), None)


def _in_file(known: Code, source: SourceFile) -> Iterator[Mispaired]:
    statements = [n for n in source.nodes if isinstance(n, ast.Expr | ast.Assign)]
    shuffles = [(n, name) for n in statements if (name := _shuffled(known, source, n))]
    uses = list(_uses(known, source)) if shuffles else []
    for body, filled in (*_filled(source), *_unpacked(source)) if shuffles else ():
        moved = [(n, name) for n, name in shuffles if name in filled and _follows(source, body, n)]
        names = {name for _, name in moved}
        others = [name for name in filled if name not in names]
        if len(names) != 1 or any(_is_ordered(known, source, name, body) for name in others):
            continue
        statement, name = moved[0]
        made = _aliases(source, name)
        if NOT_LABELS.search(name) or UNLABELLED.search(name) or _give_places(source, made) or _are_pairs(source, made):
            continue
        for other in others:
            if NAMES.search(other):
                continue
            if not (_are_labels(source, body, name) or _are_labels(source, body, other)):
                continue  # two inputs, as those of a pair of which others are made
            together = _together(uses, made, _aliases(source, other))
            together += _indexed_alike(source, name, other) if isinstance(body, ast.Assign) else []
            if together and not any(_is_before(source, use, statement) for use in together):
                said = f"In line {statement.lineno} `{name}` gets a new order, and `{other}`, filled beside it, keeps its own."
                yield Mispaired("orders", statement.lineno, name, other, said)


def _all_but_one(source: SourceFile) -> Iterator[Mispaired]:
    """``day, x, y = make()``, of which ``day, x = day[order], x[order]`` leaves out one that is used at the same places."""
    for body, made in _unpacked(source):
        for node in source.nodes:
            moved = _indexed(source, node)
            left = [name for name in made if name not in moved]
            if len(moved) < PAIR or len(left) != 1 or not moved <= set(made) or not _follows(source, body, node):  # type: ignore[arg-type]
                continue
            others = [value for value in _values(source, left[0]) if value is not getattr(body, "value", None)]
            values = [value for value in others if source.scope(value) is source.scope(body)]
            used = [n for name in moved for n in _indexed_alike(source, left[0], name)]
            if not LABELS.search(left[0]):  # weights of a simulation, whose first ones are looked at, are no examples
                used = [n for n in used if isinstance(n, ast.Subscript) and not isinstance(n.slice, ast.Slice)]
            values += [n for n in source.nodes if isinstance(n, ast.Call) and _sorts(source, n, left[0])]
            if not values and not NAMES.search(left[0]) and any(n.lineno > node.lineno for n in used):  # type: ignore[attr-defined]
                listed = ", ".join(f"`{name}`" for name in sorted(moved))
                said = f"Line {node.lineno} brings {listed} into another order, and not `{left[0]}`, made beside them."  # type: ignore[attr-defined]
                yield Mispaired("orders", node.lineno, sorted(moved)[-1], left[0], said)  # type: ignore[attr-defined]


def _indexed(source: SourceFile, node: ast.AST) -> set[str]:
    """The variables that an assignment brings into the order of one index, which a sort or a shuffle gave."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Tuple) or not isinstance(node.value, ast.Tuple):
        return set()
    pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
    taken = [(source.of(one), v) for one, v in pairs if isinstance(v, ast.Subscript) and isinstance(v.slice, ast.Name)]
    orders = {v.slice.id for name, v in taken if source.of(v.value) == name and isinstance(v.slice, ast.Name)}
    if len(taken) != len(pairs) or len(orders) != 1:
        return set()
    made = [source.of(value) for value in _values(source, next(iter(orders)))]
    return {name for name, _ in taken} if made and all(any(word in text for word in PLACES) for text in made) else set()


def _sorts(source: SourceFile, call: ast.Call, name: str) -> bool:
    """``name.sort()``"""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "sort" and source.of(call.func.value) == name


def _is_before(source: SourceFile, node: ast.AST, statement: ast.stmt) -> bool:
    return source.scope(node) is source.scope(statement) and node.lineno < statement.lineno  # type: ignore[attr-defined]


def _give_places(source: SourceFile, names: set[str]) -> bool:
    """Whether one of these lists says which examples to take: ``x[order]``."""
    within = (n for s in source.nodes if isinstance(s, ast.Subscript) for n in ast.walk(s.slice))
    return any(source.of(n) in names for n in within if isinstance(n, ast.Name | ast.Attribute))


def _are_labels(source: SourceFile, body: ast.stmt, name: str) -> bool:
    """Whether a list has targets: it is called so, or gets a number that a loop counts."""
    if LABELS.search(name):
        return True
    loops = [n for n in (body, *source.around(body)) if isinstance(n, ast.For)]
    counted = {n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and source.of(node.func.value) == name:
            given = [n for argument in node.args for n in ast.walk(argument)]
            names = {n.id for n in given if isinstance(n, ast.Name)}
            if node.func.attr == "append" and not any(isinstance(n, ast.Call) for n in given) and names <= counted:
                return True
    return False


def _follows(source: SourceFile, body: ast.stmt, statement: ast.stmt) -> bool:
    """Whether a statement comes after a loop in the same function, so that its variables are those of the loop, and is run
    under no condition, as that of a control experiment."""
    asked = any(isinstance(n, ast.If) and "__name__" not in source.of(n.test) for n in source.around(statement))
    return not asked and source.scope(body) is source.scope(statement) and statement.lineno > (body.end_lineno or body.lineno)


def _unpacked(source: SourceFile) -> Iterator[tuple[ast.stmt, list[str]]]:
    """Statements that give the results of a call several names: ``x, y = load()``."""
    for node in source.nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else None
        if isinstance(target, ast.Tuple) and all(isinstance(one, ast.Name | ast.Attribute) for one in target.elts):
            yield node, [source.of(one) for one in target.elts]  # type: ignore[misc]


def _filled(source: SourceFile) -> Iterator[tuple[ast.stmt, list[str]]]:
    """Loops, and the lists that get an item each in its statements, and nowhere else."""
    where: dict[str, list[ast.AST | None]] = {}
    for node in source.nodes:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in GROWS:
            body = source.parent(node) if call.func.attr == "append" else None
            where.setdefault(source.of(call.func.value), []).append(body)
    bodies: dict[ast.stmt, list[str]] = {}
    for name, found in where.items():
        if len(found) == 1 and isinstance(found[0], ast.For | ast.While) and _begins_empty(source, name):
            bodies.setdefault(found[0], []).append(name)
    yield from ((body, names) for body, names in bodies.items() if len(names) >= PAIR)


def _begins_empty(source: SourceFile, name: str) -> bool:
    return any(isinstance(value, ast.List) and not value.elts for value in _values(source, name))


def _values(source: SourceFile, name: str) -> Iterator[ast.expr]:
    """What a variable is assigned; of a call that gives several values, the call."""
    for node in source.nodes:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            value = node.value  # type: ignore[attr-defined]
            if not isinstance(target, ast.Tuple):
                pairs = [(target, value)]
            elif isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            else:
                pairs = [(one, value) for one in target.elts]
            yield from (given for one, given in pairs if source.of(one) == name)


def _shuffled(known: Code, source: SourceFile, statement: ast.Expr | ast.Assign) -> str:
    """The list that a statement brings into a new order: ``shuffle(x)``, ``x = rng.permutation(x)``; "" for others."""
    call = statement.value
    if not isinstance(call, ast.Call) or len(call.args) != 1 or not isinstance(call.args[0], ast.Name | ast.Attribute):
        return ""
    given, called = source.of(call.args[0]), known.called(Piece(source, call))
    target = source.of(statement.targets[0]) if isinstance(statement, ast.Assign) else None
    return given if (called, target) in (("shuffle", None), ("permutation", given)) else ""


def _is_ordered(known: Code, source: SourceFile, name: str, body: ast.stmt) -> bool:
    """Whether a list may be brought into an order, too: by a shuffle, an index, a sort, or in a comprehension."""
    for value in _values(source, name):
        if value is getattr(body, "value", None):
            continue
        alone = isinstance(value, ast.Call) and [source.of(a) for a in value.args] == [name]
        if not (isinstance(value, ast.List) or (alone and known.called(Piece(source, value)) not in (*ORDERS, "sorted"))):
            return True
    for node in source.nodes:
        owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        if owner is not None and source.of(owner) == name and node.func.attr in ("sort", "reverse"):  # type: ignore[attr-defined]
            return True
    return False


Use: TypeAlias = tuple[ast.AST, set[tuple[str, str]], set[str]]  # the node, the places that it takes of lists, what it joins


def _uses(known: Code, source: SourceFile) -> Iterator[Use]:
    """Where the same place of several lists may make an example, or a call joins lists."""
    for node in source.nodes:
        parts = node.elts if isinstance(node, ast.Tuple) else node.values if isinstance(node, ast.Dict) else []
        taken = {(source.of(n.value), source.of(n.slice)) for p in parts for n in ast.walk(p) if isinstance(n, ast.Subscript)}
        if taken:
            yield node, taken, set()
        elif isinstance(node, ast.Call) and known.called(Piece(source, node)) in JOINS:
            names = {source.of(n) for given in node.args for n in ast.walk(given) if isinstance(n, ast.Name | ast.Attribute)}
            yield node, set(), names


def _together(uses: list[Use], *both: set[str]) -> list[ast.AST]:
    """The places in which lists of both names are used side by side."""
    found = []
    for node, taken, joined in uses:
        places = [{place for name, place in taken if name in names} for names in both]
        if set.intersection(*places) or all(joined & names for names in both):
            found.append(node)
    return found


def _indexed_alike(source: SourceFile, one: str, other: str) -> list[ast.AST]:
    """Where places of the first are taken by a variable by which, in the same loop, or function, some of the other are:
    ``x[a]``, and ``y[a]`` below it."""
    found: tuple[dict[tuple[str, ast.AST], ast.AST], ...] = ({}, {})
    for node in source.nodes:
        for names, of in zip((one, other), found, strict=True):
            if isinstance(node, ast.Subscript) and source.of(node.value) == names:
                of.update({(n.id, _bound(source, n)): node for n in ast.walk(node.slice) if isinstance(n, ast.Name)})
    return [found[0][key] for key in found[0].keys() & found[1].keys()]


def _bound(source: SourceFile, name: ast.Name) -> ast.AST:
    """The loop that counts a variable, or else the function that has it."""
    loops = (n for n in source.around(name) if isinstance(n, ast.For))
    counts = (n for n in loops if any(isinstance(t, ast.Name) and t.id == name.id for t in ast.walk(n.target)))
    return next(counts, source.scope(name))


def _are_pairs(source: SourceFile, names: set[str]) -> bool:
    """Whether the examples of these lists are taken apart, ``x, y = pairs[i]``: they have their labels with them."""
    for node in source.nodes:
        if isinstance(node, ast.Assign | ast.For | ast.comprehension):
            target, value = (node.targets[0], node.value) if isinstance(node, ast.Assign) else (node.target, node.iter)
            taken = value.value if isinstance(value, ast.Subscript) else None if isinstance(node, ast.Assign) else value
            if isinstance(target, ast.Tuple) and taken is not None and source.of(taken) in names:
                return True
    return False


def _aliases(source: SourceFile, name: str) -> set[str]:
    """The list, and what is made of it alone: ``x = np.stack(songs)``."""
    found = {name}
    for node in source.nodes:
        call = node.value if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else None
        if call is None or source.of(call.func) == "len" or not any(source.of(given) == name for given in call.args):
            continue
        found |= {source.of(target) for target in node.targets if isinstance(target, ast.Name | ast.Attribute)}  # type: ignore[attr-defined]
    return found
