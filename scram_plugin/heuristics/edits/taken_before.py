"""Labels that a function takes of a batch before it brings the batch, or its inputs, into another order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.apart import is_new_order
from scram_plugin.heuristics.edits.mispaired import PAIR, Mispaired
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in
from scram_plugin.heuristics.edits.target_names import LABELS, NOT_LABELS, is_label

SUMS_UP = re.compile(r"\b(sorted|set|unique|Counter|sum|max|min|len)\(")  # names or counts of classes; source: Python, NumPy
PLACES = ("flatnonzero", "where", "nonzero", "argwhere")  # source: NumPy, PyTorch
REORDERS = ("sorted", "sort", "shuffle", "sample", "permutation")  # source: Python, random, NumPy


def labels_before_an_order(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first function that does so, and returns both; None without one."""
    known = program(facts)
    for source, function in known.nodes(ast.FunctionDef):
        found = (*_in_function(known, source, function), *_sorted_alone(known, source, function))
        if found:
            return found[0]
    return next(_places(known), None)


def _places(known: Code) -> Iterator[Mispaired]:
    """``members = [flatnonzero(ids == m) for m in ...]`` before ``ids = ids[order]``: these are places in the old order."""
    for place in known.nodes(ast.Assign):
        source, node = place
        each = node.value.elt if isinstance(node.value, ast.ListComp) else getattr(node.value, "value", None)
        each = each.value if isinstance(each, ast.Subscript) else each  # ``np.where(ids == m)[0]``
        if not isinstance(node.value, ast.ListComp | ast.DictComp) or not isinstance(each, ast.Call) or len(each.args) != 1:
            continue
        found = [each] if known.called(Piece(source, each)) in PLACES else []
        compared = [n.left for c in found for a in c.args for n in ast.walk(a) if isinstance(n, ast.Compare)]
        labels = {n.id for n in compared if isinstance(n, ast.Name)}
        target, body = node.targets[0], getattr(source.parent(node), "body", [])
        if not isinstance(target, ast.Name) or len(labels) != 1 or node not in body:
            continue
        name = labels.pop()
        after = body[body.index(node) + 1 :]
        moved = [one for one in after if isinstance(one, ast.Assign) and _is_moved(known, source, one, name)]
        again = any(target.id in [n for t in one.targets for n in names_in(t)] for one in after if isinstance(one, ast.Assign))
        used = [n for n in ast.walk(source.scope(node)) if isinstance(n, ast.Name) and n.id == target.id and n is not target]
        changed = [
            one for one in after if isinstance(one, ast.Assign) and name in [n for t in one.targets for n in names_in(t)]
        ]
        if moved and not again and changed == moved[:1] and all(n.lineno > moved[0].lineno for n in used):
            said = f"Line {node.lineno} looks up places in `{name}`, which line {moved[0].lineno} brings into a new order."
            yield Mispaired("orders", node.lineno, target.id, name, said)


def _is_moved(known: Code, source: SourceFile, statement: ast.Assign, name: str) -> bool:
    """``ids = ids[order]``, also as one of several, with an order that was drawn."""
    target, value = statement.targets[0], statement.value
    pairs: list[tuple[ast.expr, ast.expr]] = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=False))
    for one, given in pairs:
        own = isinstance(one, ast.Name) and one.id == name
        if own and isinstance(given, ast.Subscript) and source.of(given.value) == name and isinstance(given.slice, ast.Name):
            return is_new_order(known, Piece(source, given.slice))
    return False


def _sorted_alone(known: Code, source: SourceFile, function: ast.FunctionDef) -> Iterator[Mispaired]:
    """``lengths, order = lengths.sort()`` and ``x = x[order]``, without the labels, though both are returned."""
    for at, statement in enumerate(function.body):
        order, before, after = _order(known, source, statement), function.body[:at], function.body[at + 1 :]
        ended = after[-1] if after and isinstance(after[-1], ast.Return) and after[-1].value is not None else None
        if not order or ended is None or order in names_in(ended):
            continue  # with the order, who gets it can bring the others into it
        made, given = {name for name, _ in _assigned(before)}, names_in(ended)
        moved = [one for one in after if isinstance(one, ast.Assign) and isinstance(one.value, ast.Subscript)]
        inputs = [source.of(one.targets[0]) for one in moved if source.of(one.value) == f"{source.of(one.targets[0])}[{order}]"]
        used = {name for one in after[:-1] for name in names_in(one)}
        for name in given:
            if name in made - used and is_label(name):
                beside = [one for one in inputs if one in given and not LABELS.search(one)]
                if beside:
                    said = f"In line {statement.lineno} a new order is made, `{beside[0]}` gets it, and `{name}` does not."
                    yield Mispaired("orders", statement.lineno, beside[0], name, said)


def _order(known: Code, source: SourceFile, statement: ast.stmt) -> str:
    """The variable that gets the places of a sort, of PyTorch or NumPy; "" for others."""
    call = statement.value if isinstance(statement, ast.Assign) else None
    if not isinstance(statement, ast.Assign) or not isinstance(call, ast.Call):
        return ""
    target, called = statement.targets[0], known.called(Piece(source, call))
    if called == "sort" and isinstance(target, ast.Tuple) and len(target.elts) == PAIR:
        target = target.elts[1]
    elif called != "argsort":
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _in_function(known: Code, source: SourceFile, function: ast.FunctionDef) -> Iterator[Mispaired]:
    given = [one.arg for one in function.args.args]
    for at, statement in enumerate(function.body):
        batch = _reordered(known, source, statement)
        if batch not in given:
            continue
        before, after = function.body[:at], function.body[at + 1 :]
        labels = [name for name, value in _assigned(before) if LABELS.search(name) and _takes_items(value, batch)]
        renewed = {name for name, _ in _assigned(after)}
        used = any(_takes_items(one, batch) for one in after)
        ended = [one for one in after if isinstance(one, ast.Return) and one.value is not None]
        for name in labels:
            if NOT_LABELS.search(name) or name in renewed or not used or not ended or name not in names_in(ended[-1]):
                continue
            if any(name in names_in(one) for one in after if one is not ended[-1]):
                continue  # it may be brought into the order, too
            said = f"In line {statement.lineno} `{batch}` gets a new order, and `{name}` was taken of it before."
            yield Mispaired("orders", statement.lineno, batch, name, said)


def _reordered(known: Code, source: SourceFile, statement: ast.stmt) -> str:
    """The list that a statement brings into another order: ``batch = sorted(batch)``, ``batch.sort()``; "" for others."""
    call = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
    if not isinstance(call, ast.Call) or known.called(Piece(source, call)) not in REORDERS:
        return ""
    if isinstance(statement, ast.Expr):
        owner = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "sort" else None
        one = owner if owner is not None else call.args[0] if len(call.args) == 1 else None
        return one.id if isinstance(one, ast.Name) else ""
    target, one = statement.targets[0] if isinstance(statement, ast.Assign) else None, call.args[0] if call.args else None
    same = isinstance(target, ast.Name) and isinstance(one, ast.Name) and target.id == one.id
    return one.id if same and isinstance(one, ast.Name) else ""


def _assigned(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in statements:
        if isinstance(statement, ast.Assign):
            yield from ((name, statement.value) for target in statement.targets for name in names_in(target))


def _takes_items(node: ast.AST, batch: str) -> bool:
    """Whether a loop, a comprehension or ``zip(*batch)`` takes the items of the batch one by one, and none of them twice."""
    if any(isinstance(n, ast.SetComp | ast.DictComp | ast.Set) for n in ast.walk(node)) or SUMS_UP.search(ast.unparse(node)):
        return False
    loops = [n.iter for n in ast.walk(node) if isinstance(n, ast.For | ast.comprehension)]
    stars = [n.value for n in ast.walk(node) if isinstance(n, ast.Starred)]
    return any(batch in names_in(one) for one in (*loops, *stars))
