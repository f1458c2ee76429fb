"""Places that are drawn from a small part of the data, and a single batch that is used again and again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scram_plugin.heuristics.edits.bindings import bound_to, follow
from scram_plugin.heuristics.edits.flow import LOOPS
from scram_plugin.heuristics.edits.parts import Skipped
from scram_plugin.heuristics.edits.program import Change, Code, Piece
from scram_plugin.heuristics.edits.source import SourceFile, names_in

DRAWS = ("randint", "integers", "randrange")  # source: Python, NumPy, PyTorch
# sizes of a part; source: usual names
BATCH = re.compile(r"(^|[_.])(batch(_?size)?|bs|b|block(_?size)?|context(_len\w*)?|seq(_?len\w*)?)$", re.I)
SIZE_OF_DATA = re.compile(r"\blen\(|\.shape\b|\.size\b|\.numel\(")  # of the data; source: Python, NumPy
CROPS = re.compile(
    r"crop|aug|patch|shift|jitter|mix|perm|neg", re.I
)  # names of functions for parts of one example; usual names
LOADERS = ("DataLoader", "batch")  # that serve batches; source: PyTorch, TensorFlow
TRIES = re.compile(r"overfit|sanity|debug|single batch|one batch|memori[sz]e", re.I)  # words for such a trial; by definition
STEPS = ("backward", "apply_gradients", "train_on_batch", "manual_backward")  # source: PyTorch, Keras, Lightning
PAIR = 2  # arguments: the bounds of a draw, or its bound and its size; by definition


def few_drawn(known: Code) -> Iterator[Skipped]:
    """Draws below the size of a batch or of a window, or the number of windows, which have to be below the size of the data."""
    for call in known.calls(*DRAWS):
        bound, sizes = _bound(known, call)
        name = getattr(call.source.scope(call.node), "name", "")
        if bound is None or CROPS.search(name):
            continue
        stop, made = call.source.of(bound), follow(known, Piece(call.source, bound))
        if isinstance(made.node, ast.BinOp) and isinstance(made.node.op, ast.FloorDiv):
            size = made.source.of(made.node.right)
            if size in sizes:
                yield from _of_places(
                    known, call, bound, f"Line {call.node.lineno} draws places below `{stop}`, a number of batches"
                )
            if made.node is bound:
                yield from _of_quotient(known, call, size)
        elif BATCH.search(stop) and not SIZE_OF_DATA.search(made.text):
            if stop in sizes:
                yield from _of_places(
                    known, call, bound, f"Line {call.node.lineno} draws places below `{stop}`, the size of a batch"
                )
            yield from _of_windows(known, call, bound, stop)


def chosen_among_few(known: Code) -> Iterator[Skipped]:
    """``rng.choice(per_batch, per_batch, replace=False)``: all of the first ones, each time."""
    for call in known.calls("choice"):
        source, node = call
        size = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "size"), None)
        without = any(k.arg == "replace" and getattr(k.value, "value", None) is False for k in node.keywords)
        if size is None or not without or not node.args or source.of(size) != source.of(node.args[0]):
            continue
        count = source.of(size)
        whole = not SIZE_OF_DATA.search(follow(known, Piece(source, size)).text)
        if whole and BATCH.search(count) and any(_is_whole(known, data) for data in _taken_at(call)):
            said = f"Line {node.lineno} chooses `{count}` of the first `{count}`, which are always the same."
            yield Skipped("few", node.lineno, said)


def _bound(known: Code, call: Piece) -> tuple[ast.expr | None, list[str]]:
    """Below what is drawn from 0, and the lengths of what is drawn, as texts."""
    source, node = call
    given, named = list(node.args), {k.arg: k.value for k in node.keywords}
    size = named.get("size")
    of_torch = known.full_name(Piece(source, node.func)).startswith("torch.")
    if size is None and len(given) > (1 if of_torch else PAIR):
        size = given.pop()
    low, stop = (given[0], given[1]) if len(given) == PAIR else (None, given[0] if len(given) == 1 else named.get("high"))
    if low is not None and not (isinstance(low, ast.Constant) and low.value == 0):
        return None, []
    each = size.elts if isinstance(size, ast.Tuple | ast.List) else [size] if size is not None else []
    return stop, [source.of(one) for one in each]


def _of_places(known: Code, call: Piece, bound: ast.expr, said: str) -> Iterator[Skipped]:
    for data in _taken_at(call):
        if _is_whole(known, data):
            change = Change(call.source, *call.source.span(bound), f"len({data.text})")
            yield Skipped("few", call.node.lineno, f"{said}, in place of `len({data.text})`.", known.edit([change]))
            return


def _of_windows(known: Code, call: Piece, bound: ast.expr, stop: str) -> Iterator[Skipped]:
    for data in _windows(call, stop):
        if _is_whole(known, data):
            said = f"Line {call.node.lineno} draws the beginnings of the windows of `{data.text}` below `{stop}`, their length."
            change = Change(call.source, *call.source.span(bound), f"len({data.text}) - {stop}")
            yield Skipped("few", call.node.lineno, said, known.edit([change]))
            return


def _of_quotient(known: Code, call: Piece, size: str) -> Iterator[Skipped]:
    """``at = randint(0, n // size)``, and then ``x[at : at + size]``: the number of a window is taken for its place."""
    statement = call.source.statement(call.node)
    name = _variable(call)
    again = [n for n in ast.walk(call.source.scope(call.node)) if isinstance(n, ast.Name) and n.id == name]
    changed = sum(isinstance(n.ctx, ast.Store) for n in again) > 1
    within = {id(n) for n in ast.walk(statement)}
    inside = any(isinstance(n, ast.BinOp) and id(n) in within for n in call.source.around(call.node))  # ``size * randint(...)``
    if name and not changed and not inside and any(_starts(call.source, name, size, statement)):
        said = f"Line {call.node.lineno} draws the number of a window of `{size}`, which is then used as its place."
        change = Change(call.source, *call.source.span(call.node), f"{size} * {call.text}")
        yield Skipped("few", call.node.lineno, said, known.edit([change]))


def _variable(call: Piece) -> str:
    """The variable that gets what is drawn; "" where it goes elsewhere."""
    statement = call.source.statement(call.node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    return target.id if isinstance(target, ast.Name) else ""


def _taken_at(call: Piece) -> Iterator[Piece]:
    """What is indexed with the places that are drawn."""
    source, names = call.source, _places(call)
    for node in ast.walk(source.scope(call.node)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
            place = node.slice
            if place is call.node or (isinstance(place, ast.Name) and place.id in names):
                yield Piece(source, node.value)


def _places(call: Piece) -> set[str]:
    """The variables of what is drawn: all of it, or one after the other in a loop."""
    source, name = call.source, _variable(call)
    each = [n for n in ast.walk(source.scope(call.node)) if isinstance(n, ast.For | ast.comprehension)]
    loops = {n.target.id for n in each if isinstance(n.target, ast.Name) and source.of(n.iter) == name}
    return {name, *loops} if name else set()


def _windows(call: Piece, size: str) -> Iterator[Piece]:
    """What windows are taken of that begin at the places that are drawn: ``x[i : i + size]``, also ``for i in places``."""
    source, names = call.source, _places(call)
    for node in ast.walk(source.scope(call.node)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
            part = node.slice
            low, high = (part.lower, part.upper) if isinstance(part, ast.Slice) else (None, None)
            if isinstance(low, ast.Name) and low.id in names and high is not None and _is_sum(source, high, low.id, size):
                yield Piece(source, node.value)


def _starts(source: SourceFile, name: str, size: str, statement: ast.stmt) -> Iterator[ast.AST]:
    """Parts and ranges from a place on: ``[at : at + size]``, ``range(at, at + size)``."""
    for node in ast.walk(source.scope(statement)):
        low: ast.expr | None = None
        high: ast.expr | None = None
        if isinstance(node, ast.Slice):
            low, high = node.lower, node.upper
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and len(node.args) >= PAIR:
            low, high = node.args[:PAIR]
        if isinstance(low, ast.Name) and low.id == name and high is not None and _is_sum(source, high, name, size):
            yield node


def _is_sum(source: SourceFile, node: ast.expr, name: str, size: str) -> bool:
    adds = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    return adds and {source.of(node.left), source.of(node.right)} == {name, size}  # type: ignore[attr-defined]


def _is_whole(known: Code, data: Piece) -> bool:
    """Whether this is made outside of any loop, as the data of a program are. What a function is given, and what is made in the
    loop that draws, may be a batch."""
    source, node = data
    if isinstance(node, ast.Attribute):
        owner = source.enclosing_class(node)
        return owner is None or not any(isinstance(f, ast.FunctionDef) and f.name in ("forward", "call") for f in owner.body)
    values = bound_to(known, data)
    if not values:  # a parameter, or a part of a tuple
        found = follow(known, data)
        if found.node is node:
            return _is_unpacked(source, node)
        values = [found]
        if isinstance(found.node, ast.Name):  # what a function is given by its only call
            return _is_whole(known, found)
    return all(_is_made_once(known, value) for value in values)


def _is_made_once(known: Code, value: Piece) -> bool:
    """Whether an expression stands outside of any loop. In a function that is called in one, it must not compute anything."""
    source, node = value
    if any(isinstance(n, LOOPS) for n in source.around(node)):
        return False
    scope = source.scope(node)
    if isinstance(scope, ast.Module) or _has_step(known, source, scope):
        return True
    own = {a.arg for a in scope.args.args} if isinstance(scope, ast.FunctionDef) else set()
    return not any(isinstance(n, ast.Call) for n in ast.walk(node)) and own.isdisjoint(_chosen(node))


def _chosen(node: ast.AST) -> set[str]:
    """The names that an expression may stand for: those of a condition are none."""
    if isinstance(node, ast.IfExp):
        return _chosen(node.body) | _chosen(node.orelse)
    return set(names_in(node))


def _is_unpacked(source: SourceFile, node: ast.AST) -> bool:
    """Whether a variable of this scope, or of the module, is one of several that are assigned at once, outside of any loop."""
    for scope in {source.scope(node), source.tree}:
        for statement in ast.walk(scope):
            target = statement.targets[0] if isinstance(statement, ast.Assign) and source.scope(statement) is scope else None
            names = [getattr(e, "id", "") for e in target.elts] if isinstance(target, ast.Tuple) else []
            if getattr(node, "id", "") in names:
                return not any(isinstance(n, LOOPS) for n in source.around(statement))
    return False


def one_batch(known: Code) -> Iterator[Skipped]:
    """``[next(iter(loader))] * n``; ``next(iter(loader))`` before a loop, or in each step where nothing shuffles."""
    for call in known.calls("next"):
        source, node = call
        inner = node.args[0] if len(node.args) == 1 else None
        loader = (
            inner.args[0]
            if isinstance(inner, ast.Call) and known.called(Piece(source, inner)) == "iter" and inner.args
            else None
        )
        if not isinstance(loader, ast.Name | ast.Attribute) or TRIES.search(source.text):
            continue
        name, line = source.of(loader), node.lineno
        listed = source.parent(node)
        if isinstance(listed, ast.List) and isinstance(product := source.parent(listed), ast.BinOp):
            if isinstance(product.op, ast.Mult) and re.search("train", source.of(source.statement(node))):
                yield Skipped("same", line, f"Line {line} repeats one batch of `{name}` in place of all of its batches.")
        elif _trains_around(known, call) and _serves_in_order(known, Piece(source, loader)):
            said = (
                f"Line {line} begins `{name}` anew in each step: it does not shuffle, so that its first batch comes each time."
            )
            yield Skipped("same", line, said)
        elif _only_batch(known, call, loader):
            said = f"Line {line} takes one batch of `{name}`, and the loop trains on this batch alone."
            yield Skipped("same", line, said)


def _trains_around(known: Code, call: Piece) -> bool:
    """Whether the innermost loop around a call takes a training step."""
    loop = next((n for n in call.source.around(call.node) if isinstance(n, LOOPS)), None)
    return loop is not None and _has_step(known, call.source, loop)


def _has_step(known: Code, source: SourceFile, loop: ast.AST) -> bool:
    return any(isinstance(n, ast.Call) and known.called(Piece(source, n)) in STEPS for n in ast.walk(loop))


def _serves_in_order(known: Code, loader: Piece) -> bool:
    made = follow(known, loader)
    given = made.node.keywords if isinstance(made.node, ast.Call) and known.called(made) == "DataLoader" else None
    return (
        given is not None
        and len(made.node.args) <= PAIR
        and {k.arg for k in given} <= {"batch_size", "num_workers", "drop_last"}
    )


def _only_batch(known: Code, call: Piece, loader: ast.expr) -> bool:
    """Whether a loop trains on this batch, and nothing but `len` uses the loader otherwise."""
    source, node = call
    statement = source.statement(node)
    made = follow(known, Piece(source, loader))
    if known.called(made) not in LOADERS or SIZE_OF_DATA.search(made.text) or not isinstance(statement, ast.Assign):
        return False
    sizes = [k.value for k in made.node.keywords if k.arg == "batch_size"] + made.node.args[1:PAIR]
    if any(SIZE_OF_DATA.search(follow(known, Piece(made.source, size)).text) for size in sizes):
        return False  # the batch is all of the data
    uses = [n for n in source.nodes if isinstance(n, ast.Name | ast.Attribute) and source.of(n) == source.of(loader)]
    uses = [n for n in uses if isinstance(n.ctx, ast.Load) and n is not loader]
    if any(source.of(parent) != f"len({source.of(loader)})" for n in uses if (parent := source.parent(n)) is not None):
        return False
    target = statement.targets[0]
    names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    for loop in source.nodes:
        if not isinstance(loop, LOOPS) or not _has_step(known, source, loop) or statement in ast.walk(loop):
            continue
        inner = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id in names]
        if inner and all(isinstance(n.ctx, ast.Load) for n in inner):
            return True
    return False


def grown_beside(known: Code) -> Iterator[Skipped]:
    """``train = found[:cut]`` and ``val += found[cut:]`` in one loop: of the first, the last round alone is left."""
    for loop in known.nodes(ast.For):
        source, node = loop
        grown = {source.of(p.value): s for s in node.body if isinstance(s, ast.AugAssign) if (p := _part(s.value)) is not None}
        for statement in node.body:
            part = _part(statement.value) if isinstance(statement, ast.Assign) else None
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            other = grown.get(source.of(part.value)) if part is not None else None
            if other is None or not isinstance(target, ast.Name):
                continue
            empty = [v for v in bound_to(known, Piece(source, target)) if isinstance(v.node, ast.List) and not v.node.elts]
            within = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == target.id and n is not target]
            if empty and not within:
                at, end = source.span(target)[1], source.span(statement.value)[0]
                said = f"Line {statement.lineno} sets `{target.id}` in each round, and `{source.of(other.target)}` grows."
                yield Skipped("renewed", statement.lineno, said, known.edit([Change(source, at, end, " += ")]))


def _part(value: ast.expr) -> ast.Subscript | None:
    """``found[:cut]`` of itself, or of ``found[:cut].tolist()``."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args:
        value = value.func.value
    return value if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice) else None
