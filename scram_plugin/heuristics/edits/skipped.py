"""Examples that a program has and never trains on, by what its lines say."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to, follow, functions, returns
from scram_plugin.heuristics.edits.drawn import STEPS, chosen_among_few, few_drawn, grown_beside, is_sum, one_batch
from scram_plugin.heuristics.edits.flow import LOOPS, says_validation
from scram_plugin.heuristics.edits.left_out import left_out
from scram_plugin.heuristics.edits.parts import Skipped, held_out_for_training, large_shares, small_splits
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in
from scram_plugin.heuristics.edits.unread_parts import unread_parts

BATCH = re.compile(r"\b(batch(_?size)?|bs|b)\b|batch_?size", re.I)  # the name of a batch size; by definition
RANGE = 3  # arguments of a range with a step; by definition
ADDS = ("append", "extend")
# what makes the data of a list; source: NumPy, PyTorch, pandas
JOINS = ("array", "asarray", "stack", "vstack", "hstack", "concatenate", "cat", "concat", "tensor", "as_tensor", "DataFrame")
ROUNDS = re.compile(r"epoch|step|iter|round|fold|^_", re.I)  # variables of loops that do the same again; by definition
TRIES = re.compile(r"check|sanity|probe|overfit|debug|one_batch|warm|step|first", re.I)  # names of functions that try one batch
# draws of one example; source: random
DRAWS = ("choice", "choices", "sample", "randint", "randrange")
DRAWERS = re.compile(r"random|draw|next|batch|example|pair", re.I)  # names of functions that draw examples
SHOWS = re.compile(r"show|plot|save|preview|image|make|build|split|fold|generate|load", re.I)  # that draw for other ends
SEEDS = ("seed", "manual_seed", "set_seed", "set_random_seed", "seed_everything")  # source: Python, NumPy, PyTorch, Keras
LEAST_BATCH = 8  # a smaller number may be a stride; by definition
PAIR = 2  # the object and the place, or a statement and what ends it; by definition


def skipped_data(facts: Mapping[str, Any]) -> Skipped | None:
    """The first line by which most examples are left out; None without one."""
    known = program(facts)
    rules = (
        *(
            _ranges(known),
            _positions(known),
            _items(known),
            _taken(known),
            _same_part(known),
            _lengths(known, bool(((facts.get("data") or {}).get("training") or {}).get("kept"))),
            _left(known),
            _renewed(known),
            _seeded(known),
        ),
        *(few_drawn(known), chosen_among_few(known), one_batch(known), grown_beside(known), left_out(known)),
        unread_parts(known, facts),
        *(small_splits(known), large_shares(known), held_out_for_training(known)),
    )
    return next(itertools.chain(*rules), None)


@lru_cache(maxsize=8)  # asked for each loop of a program
def _stepping(known: Code) -> set[str]:
    """The names of what takes a training step: those of the frameworks, and the program's functions that call one."""
    return {getattr(p.source.scope(p.node), "name", "") for p in known.calls(*STEPS)} - {""} | set(STEPS)


def _trains(known: Code, loop: Piece) -> bool:
    calls = {known.called(Piece(loop.source, n)) for n in _inside(loop.node) if isinstance(n, ast.Call)}
    return bool(calls & _stepping(known))


def _inside(loop: ast.AST) -> Iterator[ast.AST]:
    for statement in loop.body:  # type: ignore[attr-defined]
        yield from ast.walk(statement)


def _is_set(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store | ast.Del)


# ---- loops over positions


def _counted(known: Code) -> Iterator[tuple[Piece, str, list[ast.expr]]]:
    """The loops ``for i in range(...)`` that train: each with its variable, and the arguments of the range."""
    for loop in known.nodes(ast.For):
        call, target = loop.node.iter, loop.node.target
        while isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) == "tqdm" and call.args:
            call = call.args[0]
        counts = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("range", "trange")
        if counts and isinstance(target, ast.Name) and _trains(known, loop):
            yield loop, target.id, call.args


def _slices(node: ast.AST, name: str) -> Iterator[ast.Slice]:
    """The parts ``[i:i + size]`` within a loop."""
    for part in _inside(node):
        if isinstance(part, ast.Slice) and isinstance(part.lower, ast.Name) and part.lower.id == name:
            yield part


def _quotient(known: Code, place: Piece) -> tuple[Piece, str] | None:
    """What is divided by the size of a batch, and the text of that, in ``len(x) // size`` or ``ceil(len(x) / size)``."""
    source, node = follow(known, place)
    while isinstance(node, ast.Call) and known.called(Piece(source, node)) in ("int", "ceil", "floor") and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv) and _is_batch(node.right, source):
        return Piece(source, node.left), source.of(node.right)
    return None


def _is_batch(size: ast.expr, source: SourceFile) -> bool:
    number = size.value if isinstance(size, ast.Constant) else 0
    return bool(BATCH.search(source.of(size))) or (isinstance(number, int) and number >= LEAST_BATCH)


def _ranges(known: Code) -> Iterator[Skipped]:
    """``for i in range(0, len(x) // size, size)``: the range ends at the number of batches."""
    for loop, name, given in _counted(known):
        if len(given) != RANGE:
            continue
        stop, size = Piece(loop.source, given[1]), loop.source.of(given[2])
        divided = _quotient(known, stop)
        if divided is not None and divided[1] == size and any(_slices(loop.node, name)):
            line = loop.node.lineno
            same = divided[0].source is loop.source
            edit = known.edit([Change(loop.source, *loop.source.span(stop.node), divided[0].text)]) if same else None
            said = f"Line {line} counts examples in steps of `{size}`, and ends at the number of batches."
            yield Skipped("range", line, said, edit)


def _positions(known: Code) -> Iterator[Skipped]:
    """``for i in range(len(x) // size)`` with ``x[i:i + size]``: the number of a batch is taken for its place."""
    for loop, name, given in _counted(known):
        source, node = loop
        divided = _quotient(known, Piece(source, given[0])) if len(given) == 1 else None
        if divided is None or any(_is_set(n, name) for n in _inside(node)):
            continue
        size, changes = divided[1], []
        for part in _slices(node, name):
            if part.lower is not None and part.upper is not None and is_sum(source, part.upper, name, size):
                changes.append(Change(source, *source.span(part.lower), f"{name} * {size}"))
                changes.append(Change(source, *source.span(part.upper), f"({name} + 1) * {size}"))
        if changes:
            line = source.line_at(changes[0].start) + 1
            said = f"Line {line} takes `{size}` examples from the number of the batch on, and not from its place."
            yield Skipped("range", line, said, known.edit(changes))


def _taken(known: Code) -> Iterator[Skipped]:
    """``data.take(len(x) // size).batch(size)``: so many examples are taken as there are batches."""
    for call in known.calls("take"):
        source, node = call
        owner = node.func.value if isinstance(node.func, ast.Attribute) and len(node.args) == 1 else None
        statement = source.statement(node)
        name = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if owner is None or not isinstance(name, ast.Name) or says_validation(name.id) or any(known.calls("skip")):
            continue
        counted = _quotient(known, Piece(source, node.args[0]))
        if counted is None or "batch" in source.of(owner):
            continue
        inner = [Piece(source, n) for n in ast.walk(owner) if isinstance(n, ast.Name)]
        earlier = [p for each in inner for p in bound_to(known, each) if p.node.lineno < node.lineno]
        later = [p for p in known.calls("batch") if p.source is source and p.node.args and p.node.lineno >= node.lineno]
        own = [p for p in later if re.search(rf"\b{re.escape(name.id)}\b", p.text)]
        if any("batch" in p.text for p in earlier) or counted[1] not in [source.of(p.node.args[0]) for p in own]:
            continue
        start, end = source.span(owner)[1], source.span(node)[1]
        line, edit = node.lineno, known.edit([Change(source, start, end, "")])
        yield Skipped("range", line, f"Line {line} takes as many examples as there are batches of `{counted[1]}`.", edit)


def _same_part(known: Code) -> Iterator[Skipped]:
    """``for i in range(0, len(x), size)`` with ``x[:size]``: each step takes the same examples."""
    for loop, name, given in _counted(known):
        source, node = loop
        inner = list(_inside(node))
        if len(given) != RANGE or any(isinstance(n, ast.Name) and n.id == name for n in inner):
            continue
        size, whole = source.of(given[2]), source.of(given[1])
        for part in inner:
            first = isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice) and _from_start(part.slice)
            if not first or source.of(part.slice.upper) != size or not isinstance(part.value, ast.Name):  # type: ignore[attr-defined]
                continue
            taken = part.value.id  # type: ignore[attr-defined]
            if re.search(rf"\b{re.escape(taken)}\b", whole) and not any(_is_set(n, taken) for n in inner):
                line = source.statement(part).lineno
                yield Skipped("same", line, f"Line {line} takes the first `{size}` examples of `{taken}` in every step.")


def _from_start(part: ast.Slice) -> bool:
    start = part.lower is None or (isinstance(part.lower, ast.Constant) and part.lower.value == 0)
    return start and part.upper is not None


# ---- data sets


def _data_sets(known: Code) -> Iterator[tuple[Piece, ast.expr, ast.FunctionDef]]:
    """The classes with a `__len__` that returns one expression: each with that, and its `__getitem__`."""
    for owner in known.nodes(ast.ClassDef):
        methods = {f.name: f for f in owner.node.body if isinstance(f, ast.FunctionDef)}
        length, item = methods.get("__len__"), methods.get("__getitem__")
        if length is None or item is None or len(item.args.args) != PAIR:
            continue
        ends = returns(owner.source, length)
        if len(ends) == 1 and ends[0].value is not None:
            yield owner, ends[0].value, item


def _items(known: Code) -> Iterator[Skipped]:
    """A data set of batches whose `__getitem__` takes the number of a batch for the place of its first example."""
    for owner, value, item in _data_sets(known):
        source, divided = owner.source, _quotient(known, Piece(owner.source, value))
        made = {source.of(n.targets[0]): n.value for n in ast.walk(item) if isinstance(n, ast.Assign)}
        place, lines, changes = item.args.args[1].arg, list[int](), dict[tuple[int, int], Change]()
        if divided is None or any(_is_set(n, place) for n in ast.walk(item)):  # ``idx *= self.batch_size``
            continue
        size = divided[1]
        for part in ast.walk(item):
            if not isinstance(part, ast.Slice) or part.lower is None or part.upper is None:
                continue
            low = source.of(part.lower)
            begin, end = made.get(low, part.lower), made.get(source.of(part.upper), part.upper)
            if source.of(begin) != place or not any(is_sum(source, end, name, size) for name in {low, place}):
                continue
            lines.append(part.lineno)
            wanted = [(begin, f"{place} * {size}")] + [(end, f"({place} + 1) * {size}")] * (low == place)
            changes |= {(n.lineno, n.col_offset): Change(source, *source.span(n), text) for n, text in wanted}
        if lines:
            said = f"Line {lines[0]} takes `{size}` examples from the number of the batch on, and not from its place."
            yield Skipped("range", lines[0], said, known.edit([*changes.values()]))


def _lengths(known: Code, of_last_axis: bool) -> Iterator[Skipped]:
    """A data set whose length is not that of what `__getitem__` indexes."""
    for owner, value, item in _data_sets(known):
        source = owner.source
        arrays, mappings = _indexed(source, item)
        if not arrays | mappings:
            continue
        if said := _too_short(source, value, arrays, mappings, of_last_axis):
            edit = known.edit([Change(source, *source.span(value), f"len({min(arrays)})")]) if arrays else None
            yield Skipped("length", value.lineno, said.format(value.lineno, owner.node.name), edit)


def _indexed(source: SourceFile, item: ast.FunctionDef) -> tuple[set[str], set[str]]:
    """The attributes whose element `i` the method takes: arrays, and mappings of arrays; empty if it does more with `i`."""
    name = item.args.args[1].arg
    arrays, mappings = set[str](), set[str]()
    over = [n.generators[0].iter for n in ast.walk(item) if isinstance(n, ast.DictComp) and len(n.generators) == 1]
    items = [n.func.value for n in over if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "items"]  # type: ignore[attr-defined]
    for node in ast.walk(item):
        if not isinstance(node, ast.Name) or node.id != name:
            continue
        used = source.parent(node)
        if not isinstance(used, ast.Subscript) or used.slice is not node:
            return set(), set()
        holder = used.value
        if isinstance(holder, ast.Name) and len(items) == 1:  # ``{k: v[i] for k, v in self.encodings.items()}``
            mappings.add(source.of(items[0]))
            continue
        holder = holder.value if isinstance(holder, ast.Attribute) and holder.attr in ("iloc", "values") else holder
        if not re.fullmatch(r"self\.\w+", source.of(holder)):
            return set(), set()
        arrays.add(source.of(holder))
    return arrays, mappings


def _too_short(source: SourceFile, value: ast.expr, arrays: set[str], mappings: set[str], of_last_axis: bool) -> str:
    """A sentence on a length that is a part of the number of examples; "" for others."""
    text, node = source.of(value), value
    while isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("int", "ceil", "floor"):
        if not node.args:
            return ""
        node = node.args[0]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
        whole = source.of(node.left) in {f"len({name})" for name in arrays}
        if whole and BATCH.search(source.of(node.right)):
            return "Line {0} gives the number of batches as the length of `{1}`, whose items are single examples."
    if text in {f"len({name})" for name in mappings}:
        return f"Line {{0}} gives the number of columns as the length of `{{1}}`: `{text[4:-1]}` holds arrays by their names."
    # the last axis of an array without another one is that of the examples
    sizes = ("{}.shape[1]", "{}.size(1)", "len({}[0])", *(("{}.shape[-1]", "{}.size(-1)") if of_last_axis else ()))
    if text in {each.format(name) for name in arrays for each in sizes}:
        return "Line {0} gives the size of an example as the length of `{1}`."
    return ""


# ---- loops that end early, lists that begin anew, seeds before each draw


def _left(known: Code) -> Iterator[Skipped]:
    """The only loop with a backward pass, within that over the epochs, whose body ends it: a ``break`` or a ``return`` that
    stands in no condition."""
    ways = list(known.calls(*STEPS))
    loops = [n for n in ways[0].source.around(ways[0].node) if isinstance(n, ast.For)] if len(ways) == 1 else []
    if not loops or not any(known.calls("step", "apply_gradients", "train_on_batch")):
        return
    source, loop = ways[0].source, loops[0]
    last, function = loop.body[-1], source.scope(loop)
    name = getattr(function, "name", "")
    within = any(isinstance(n, LOOPS) for n in loops[1:]) or _is_called_in_loop(known, name)
    alone = any(n is ways[0].node for s in loop.body for n in ast.walk(s)) and len(loop.body) >= PAIR
    if not isinstance(last, ast.Break | ast.Return) or not within or not alone or TRIES.search(name):
        return
    if any(isinstance(n, (ast.Continue, *LOOPS)) for n in _inside(loop)):
        return
    what = "break" if isinstance(last, ast.Break) else "return"
    said = f"The `{what}` in line {last.lineno} ends the loop of line {loop.lineno} after its first step."
    yield Skipped("left", last.lineno, said)


def _is_called_in_loop(known: Code, name: str) -> bool:
    calls = known.calls(name) if name else ()
    return any(isinstance(n, LOOPS) for call in calls for n in call.source.around(call.node))


def _renewed(known: Code) -> Iterator[Skipped]:
    """A list that is made anew in each round of the loop that fills it, and that is joined to data behind the loop."""
    for place in known.nodes(ast.Assign):
        source, node = place
        loop, emptied = source.parent(node), _emptied(node)
        if not emptied or not isinstance(loop, ast.For) or node not in loop.body:
            continue
        rounds = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        outer = any(isinstance(n, LOOPS) for n in source.around(loop) if n is not loop)
        if outer or any(map(ROUNDS.search, rounds)) or _trains(known, Piece(source, loop)):
            continue
        for statement in loop.body:  # what is made of an item counts as the item
            if isinstance(statement, ast.Assign) and rounds.intersection(names_in(statement.value)):
                rounds |= {n for target in statement.targets for n in names_in(target)}
        for target in emptied:
            uses = [
                n for n in ast.walk(source.scope(node)) if isinstance(n, ast.Name) and n.id == target.id and n is not target
            ]
            inside = [n for n in uses if loop.lineno <= n.lineno <= (loop.end_lineno or 0)]
            behind = [n for n in uses if n.lineno > (loop.end_lineno or 0)]
            if inside and all(_adds(source, n, rounds, loop) for n in inside) and any(_joins(known, source, n) for n in behind):
                said = f"Line {node.lineno} makes the list `{target.id}` anew in each round: it holds what the last one added."
                yield Skipped("renewed", node.lineno, said)


def _emptied(node: ast.Assign) -> list[ast.Name]:
    """The variables that are given an empty list: ``rows = []``, ``x, y = [], []``."""
    target, value = node.targets[0], node.value
    pairs = zip(target.elts, value.elts, strict=False) if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else ()
    both = [(target, value), *pairs]
    return [one for one, given in both if isinstance(one, ast.Name) and isinstance(given, ast.List) and not given.elts]


def _adds(source: SourceFile, node: ast.AST, rounds: set[str], loop: ast.For) -> bool:
    """``rows.append(read(name))`` or ``rows += read(name)``, a statement of the loop itself."""
    method = source.parent(node)
    if isinstance(method, ast.AugAssign) and method.target is node:
        return method in loop.body and not rounds.isdisjoint(names_in(method.value))
    call = source.parent(method) if isinstance(method, ast.Attribute) and method.attr in ADDS else None
    if not isinstance(call, ast.Call) or source.statement(call) not in loop.body:
        return False
    return any(not rounds.isdisjoint(names_in(argument)) for argument in call.args)


def _joins(known: Code, source: SourceFile, node: ast.AST) -> bool:
    """Whether this makes data of a list, also in a function of the program that is given it."""
    call = source.parent(node)
    if not isinstance(call, ast.Call) or known.called(Piece(source, call)) in JOINS:
        return isinstance(call, ast.Call)
    place = next((i for i, given in enumerate(call.args) if given is node), len(call.args))
    for owner, function in functions(known, Piece(source, call)):
        given = [one.arg for one in function.args.args][place : place + 1]
        calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and known.called(Piece(owner, n)) in JOINS]
        if any(isinstance(a, ast.Name) and a.id in given for n in calls for a in n.args):
            return True
    return False


def _seeded(known: Code) -> Iterator[Skipped]:
    """A seed, always the same number, in the function that draws the example of each step."""
    stepping = _stepping(known)
    called = set[str]()
    for loop in known.nodes(*LOOPS):
        calls = [n for n in _inside(loop.node) if isinstance(n, ast.Call)]
        if any(known.called(Piece(loop.source, n)) in stepping for n in calls):
            called |= {known.called(Piece(loop.source, n)) for n in calls if not n.args and not n.keywords}
    for call in known.calls(*SEEDS):
        source, node = call
        function = source.scope(node)
        name = getattr(function, "name", "")
        constant = len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
        if not constant or name not in called - stepping or says_validation(name) or SHOWS.search(name):
            continue
        drawing = any(isinstance(n, ast.Call) and known.called(Piece(source, n)) in DRAWS for n in ast.walk(function))
        if drawing and DRAWERS.search(name) and source.parent(source.statement(node)) is function:
            said = f"Line {node.lineno} sets the seed of `{name}` anew each time, so that it always draws the same."
            yield Skipped("seeded", node.lineno, said)
