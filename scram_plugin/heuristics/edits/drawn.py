"""Places that are drawn from a small part of the data, and a single batch that is used again and again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scram_plugin.heuristics.edits.bindings import bound_to, follow
from scram_plugin.heuristics.edits.flow import LOOPS
from scram_plugin.heuristics.edits.parts import HELD_OUT, TRAINING, Skipped
from scram_plugin.heuristics.edits.program import Change, Code, Piece
from scram_plugin.heuristics.edits.source import SourceFile, names_in

DRAWS = ("randint", "integers", "randrange")  # source: Python, NumPy, PyTorch
# sizes of a part; source: usual names
BATCH = re.compile(r"(^|[_.])(batch(_?size)?|bs|block(_?size)?|context(_len\w*)?|seq(_?len\w*)?)$", re.I)
SIZE_OF_DATA = re.compile(r"\blen\(|\.shape\b|\.size\b|\.numel\(")  # of the data; source: Python, NumPy
# names of functions for parts of one example; source: usual names
CROPS = re.compile(r"crop|aug|patch|shift|jitter|mix|perm|neg", re.I)
# words of one who tries or times a single batch; by definition
TRIES = re.compile(
    r"overfit|sanity|debug|single batch|one batch|memori[sz]e|benchmark|profil|speed|through|timing|measure", re.I
)
CALLS_DEEP = 4  # functions that give each other the data; by definition
STEPS = ("backward", "apply_gradients", "train_on_batch", "manual_backward")  # source: PyTorch, Keras, Lightning
PAIR = 2  # arguments: the bounds of a draw, or its bound and its size; by definition


def few_drawn(known: Code) -> Iterator[Skipped]:
    """Draws below the size of a batch or of a window, or the number of windows, which have to be below the size of the data."""
    for call in known.calls(*DRAWS):
        bound, sizes = _bound(known, call)
        name = getattr(call.source.scope(call.node), "name", "")
        if bound is None or CROPS.search(name) or name == "__getitem__":  # it takes a part of one example
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
        elif BATCH.search(stop) and not SIZE_OF_DATA.search(made.text) and not _is_of_shape(call.source, stop):
            if stop in sizes:
                yield from _of_places(
                    known, call, bound, f"Line {call.node.lineno} draws places below `{stop}`, the size of a batch"
                )
            yield from _of_windows(known, call, bound, stop)


def _is_of_shape(source: SourceFile, name: str) -> bool:
    """``bs, width = x.shape``."""
    several = [n for n in source.nodes if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple)]
    return any(name in names_in(n.targets[0]) and SIZE_OF_DATA.search(source.of(n.value)) for n in several)


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
        if whole and BATCH.search(count) and any(_is_whole(known, data, count) for data in _taken_at(call)):
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
        if _is_whole(known, data, call.source.of(bound)):
            change = Change(call.source, *call.source.span(bound), f"len({data.text})")
            yield Skipped("few", call.node.lineno, f"{said}, in place of `len({data.text})`.", known.edit([change]))
            return


def _of_windows(known: Code, call: Piece, bound: ast.expr, stop: str) -> Iterator[Skipped]:
    for data in _windows(call, stop):
        if _is_whole(known, data, stop):
            said = f"Line {call.node.lineno} draws the beginnings of the windows of `{data.text}` below `{stop}`, their length."
            change = Change(call.source, *call.source.span(bound), f"len({data.text}) - {stop}")
            yield Skipped("few", call.node.lineno, said, known.edit([change]))
            return


def _of_quotient(known: Code, call: Piece, size: str) -> Iterator[Skipped]:
    """``at = randint(0, n // size)``, and then ``x[at : at + size]``: the number of a window is taken for its place."""
    statement = call.source.statement(call.node)
    name, scope = _variable(call), call.source.scope(call.node)
    if not isinstance(scope, ast.Module) and not _has_step(known, call.source, scope):
        return  # a part of what it is given
    again = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == name]
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
            if isinstance(low, ast.Name) and low.id in names and high is not None and is_sum(source, high, low.id, size):
                yield Piece(source, node.value)


def _starts(source: SourceFile, name: str, size: str, statement: ast.stmt) -> Iterator[ast.AST]:
    """Parts and ranges from a place on: ``[at : at + size]``, ``range(at, at + size)``."""
    scope = source.scope(statement)
    for node in ast.walk(scope):
        if isinstance(node, ast.Slice | ast.Call) and source.scope(node) is not scope:
            continue
        low: ast.expr | None = None
        high: ast.expr | None = None
        if isinstance(node, ast.Slice):
            low, high = node.lower, node.upper
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and len(node.args) >= PAIR:
            low, high = node.args[:PAIR]
        if isinstance(low, ast.Name) and low.id == name and high is not None and is_sum(source, high, name, size):
            yield node


def is_sum(source: SourceFile, node: ast.expr, name: str, size: str) -> bool:
    """``name + size``, in either order."""
    adds = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    return adds and {source.of(node.left), source.of(node.right)} == {name, size}  # type: ignore[attr-defined]


def _is_whole(known: Code, data: Piece, size: str, depth: int = CALLS_DEEP) -> bool:
    """Whether a variable is made outside of any loop, as the data of a program are, and not of the number `size`. What is made
    in the loop that draws, and what an object or a function is given, may be a batch."""
    source, node = data
    if not isinstance(node, ast.Name) or not depth:
        return False
    values = bound_to(known, data)
    if values:
        return all(_is_made_once(known, value, size) for value in values)
    found = follow(known, data)  # a parameter, which stands for what the only call gives it, or a part of a tuple
    if found.node is node:
        return _is_unpacked(source, node, size)
    return _is_whole(known, found, size, depth - 1) if isinstance(found.node, ast.Name) else _is_made_once(known, found, size)


def _is_made_once(known: Code, value: Piece, size: str) -> bool:
    """Whether an expression stands outside of any loop, and is not made of what a function is given; in a function that is
    called in a loop, it must not compute anything."""
    source, node = value
    parts = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    texts = [source.of(node), *(made.text for n in parts for made in bound_to(known, Piece(source, n)))]
    of_size = any(re.search(rf"\b{re.escape(size)}\b", text) for text in texts)
    if of_size or any(isinstance(n, LOOPS) for n in source.around(node)):
        return False
    scope = source.scope(node)
    if isinstance(scope, ast.Module):
        return True
    own = {a.arg for a in scope.args.args} if isinstance(scope, ast.FunctionDef) else set()
    computes = any(isinstance(n, ast.Call) for n in ast.walk(node)) and not _has_step(known, source, scope)
    return not computes and own.isdisjoint(_chosen(node))


def _chosen(node: ast.AST) -> set[str]:
    """The names that an expression may stand for: those of a condition are none."""
    if isinstance(node, ast.IfExp):
        return _chosen(node.body) | _chosen(node.orelse)
    return set(names_in(node))


def _is_unpacked(source: SourceFile, node: ast.Name, size: str) -> bool:
    """Whether a variable of the module is one of several that are assigned at once, outside of any loop."""
    for statement in source.tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        names = [getattr(e, "id", "") for e in target.elts] if isinstance(target, ast.Tuple) else []
        if node.id in names:
            return not re.search(rf"\b{re.escape(size)}\b", source.of(statement))
    return False


def _has_step(known: Code, source: SourceFile, scope: ast.AST) -> bool:
    return any(isinstance(n, ast.Call) and known.called(Piece(source, n)) in STEPS for n in ast.walk(scope))


def one_batch(known: Code) -> Iterator[Skipped]:
    """``train_batches = [next(iter(loader))] * n``."""
    for call in known.calls("next"):
        source, node = call
        inner = node.args[0] if len(node.args) == 1 else None
        begun = isinstance(inner, ast.Call) and known.called(Piece(source, inner)) == "iter" and len(inner.args) == 1
        product = source.parent(source.parent(node) or node) if isinstance(source.parent(node), ast.List) else None
        repeats = isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)
        if begun and repeats and TRAINING.search(_variable(call)) and not TRIES.search(source.text):
            loader = source.of(inner.args[0])  # type: ignore[union-attr]
            said = f"Line {node.lineno} repeats one batch of `{loader}` in place of all of its batches."
            yield Skipped("same", node.lineno, said)


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
            named = TRAINING.search(target.id) and HELD_OUT.search(source.of(other.target))
            if not named and not (HELD_OUT.search(target.id) and TRAINING.search(source.of(other.target))):
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
