"""Examples that a program has and never trains on, by what its lines say."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import follow, returns
from scram_plugin.heuristics.edits.flow import LOOPS, says_validation
from scram_plugin.heuristics.edits.parts import Skipped, held_out_for_training, small_splits
from scram_plugin.heuristics.edits.program import FUNCTIONS, Change, Code, Piece, imported, program
from scram_plugin.heuristics.edits.source import SourceFile

STEPS = ("backward", "apply_gradients", "train_on_batch", "manual_backward")  # source: PyTorch, Keras, Lightning
RANGE = 3  # arguments of a range with a step; by definition
ADDS = ("append", "extend")
UNREAD = ("id", "index", "idx", "path", "name", "text")  # entries for people; by definition
DRAWS = ("permutation", "randperm", "shuffle", "choice", "choices", "sample", "randint", "integers")  # source: NumPy, PyTorch
SEEDS = ("seed", "manual_seed", "set_seed", "set_random_seed", "seed_everything")  # source: Python, NumPy, PyTorch, Keras
PAIR = 2  # the object and the place, or a statement and what ends it; by definition
BATCH = re.compile(r"\b(batch(_?size)?|bs)\b", re.I)  # the name of a batch size; by definition
# sizes of one example, not of all; source: NumPy, PyTorch
OF_EXAMPLES = ("{}.shape[1]", "{}.shape[-1]", "{}.size(1)", "{}.size(-1)", "len({}[0])")


def skipped_data(facts: Mapping[str, Any]) -> Skipped | None:
    """The first line by which most examples are left out; None without one."""
    known = program(facts)
    rules = (
        *(
            _ranges(known),
            _positions(known),
            _same_part(known),
            _lengths(known),
            _unread(known),
            _left(known),
            _renewed(known),
            _seeded(known),
        ),
        *(small_splits(known), held_out_for_training(known)),
    )
    return next(itertools.chain(*rules), None)


# ---- loops over positions


def _counted(place: Piece) -> tuple[str, list[ast.expr]]:
    """The variable of ``for i in range(...)``, and the arguments of the range."""
    node = place.node
    call = node.iter
    while isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) == "tqdm" and call.args:
        call = call.args[0]
    counts = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("range", "trange")
    return (node.target.id, call.args) if counts and isinstance(node.target, ast.Name) else ("", [])


def _slices(node: ast.AST, name: str) -> Iterator[ast.Slice]:
    """The parts ``[i:i + size]`` within a loop."""
    for part in ast.walk(node):
        if isinstance(part, ast.Slice) and isinstance(part.lower, ast.Name) and part.lower.id == name:
            yield part


def _quotient(known: Code, place: Piece) -> tuple[Piece, str] | None:
    """What is divided, and the text of the divisor, in ``len(x) // size`` or ``math.ceil(len(x) / size)``."""
    source, node = follow(known, place)
    while isinstance(node, ast.Call) and known.called(Piece(source, node)) in ("int", "ceil", "floor") and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
        return Piece(source, node.left), source.of(node.right)
    return None


def _ranges(known: Code) -> Iterator[Skipped]:
    """``for i in range(0, len(x) // size, size)``: the range ends at the number of batches."""
    for loop in known.nodes(ast.For):
        name, given = _counted(loop)
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
    for loop in known.nodes(ast.For):
        name, given = _counted(loop)
        source, node = loop
        divided = _quotient(known, Piece(source, given[0])) if len(given) == 1 else None
        if divided is None or any(isinstance(n, ast.Name) and n.id == name and _is_set(n) for n in _inside(node)):
            continue
        size, changes = divided[1], []
        for part in _slices(node, name):
            if part.lower is not None and part.upper is not None and _is_sum(part.upper, name, size, source):
                changes.append(Change(source, *source.span(part.lower), f"{name} * {size}"))
                changes.append(Change(source, *source.span(part.upper), f"({name} + 1) * {size}"))
        if changes:
            line = source.line_at(changes[0].start) + 1
            said = f"Line {line} takes `{size}` examples from the number of the batch on, and not from its place."
            yield Skipped("range", line, said, known.edit(changes))


def _same_part(known: Code) -> Iterator[Skipped]:
    """``for i in range(0, len(x), size)`` with ``x[:size]``: each step takes the same examples."""
    for loop in known.nodes(ast.For):
        name, given = _counted(loop)
        source, node = loop
        inner = list(_inside(node))
        if len(given) != RANGE or any(isinstance(n, ast.Name) and n.id == name for n in inner):
            continue
        size = source.of(given[2])
        first = [n for n in inner if isinstance(n, ast.Slice) and n.upper is not None and _from_start(n)]
        first = [n for n in first if source.of(n.upper) == size]  # type: ignore[arg-type]
        drawn = any(known.called(Piece(source, n)) in DRAWS for n in inner if isinstance(n, ast.Call))
        if first and not drawn:
            line = source.statement(first[0]).lineno
            yield Skipped("same", line, f"Line {line} takes the first `{size}` examples in every step.")


def _is_set(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _inside(loop: ast.AST) -> Iterator[ast.AST]:
    for statement in loop.body:  # type: ignore[attr-defined]
        yield from ast.walk(statement)


def _from_start(part: ast.Slice) -> bool:
    return part.lower is None or (isinstance(part.lower, ast.Constant) and part.lower.value == 0)


def _is_sum(node: ast.expr | None, name: str, size: str, source: SourceFile) -> bool:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return False
    return {source.of(node.left), source.of(node.right)} == {name, size}


# ---- data sets


def _lengths(known: Code) -> Iterator[Skipped]:
    """A data set whose length is not that of what `__getitem__` indexes."""
    for owner in known.nodes(ast.ClassDef):
        methods = {f.name: f for f in owner.node.body if isinstance(f, ast.FunctionDef)}
        length, item = methods.get("__len__"), methods.get("__getitem__")
        if length is None or item is None or len(item.args.args) != PAIR:
            continue
        ends = returns(owner.source, length)
        indexed = _indexed(owner.source, item)
        if len(ends) != 1 or ends[0].value is None or not indexed:
            continue
        value = ends[0].value
        said = _too_short(owner.source, value, indexed)
        if said:
            right = f"len({min(indexed - _mappings(owner.source, item) or indexed)})"
            edit = known.edit([Change(owner.source, *owner.source.span(value), right)])
            yield Skipped("length", value.lineno, said.format(value.lineno, owner.node.name), edit)


def _indexed(source: SourceFile, item: ast.FunctionDef) -> set[str]:
    """The attributes whose element `i` the method takes; empty if it does anything else with `i`."""
    name = item.args.args[1].arg
    found = set()
    values = {n.generators[0].iter: n for n in ast.walk(item) if isinstance(n, ast.DictComp) and len(n.generators) == 1}
    for node in ast.walk(item):
        if not isinstance(node, ast.Name) or node.id != name:
            continue
        used = source.parent(node)
        if not isinstance(used, ast.Subscript) or used.slice is not node:
            return set()
        holder = used.value
        if isinstance(holder, ast.Name):  # ``{k: v[i] for k, v in self.encodings.items()}``
            over = [
                i for i in values if isinstance(i, ast.Call) and isinstance(i.func, ast.Attribute) and i.func.attr == "items"
            ]
            if len(over) != 1:
                return set()
            found.add(source.of(over[0].func.value))  # type: ignore[attr-defined]
            continue
        while isinstance(holder, ast.Subscript) or (isinstance(holder, ast.Attribute) and holder.attr in ("iloc", "values")):
            holder = holder.value
        text = source.of(holder)
        if not re.fullmatch(r"self\.\w+", text):
            return set()
        found.add(text)
    return found


def _mappings(source: SourceFile, item: ast.FunctionDef) -> set[str]:
    """The attributes that hold arrays by their names."""
    found = set()
    for node in ast.walk(item):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
            found.add(source.of(node.func.value))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            found.add(source.of(node.value))
    return found


def _too_short(source: SourceFile, value: ast.expr, indexed: set[str]) -> str:
    """A sentence on a length that is a part of the number of examples; "" for others."""
    text, node = source.of(value), value
    while isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("int", "ceil", "floor"):
        node = node.args[0]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
        whole = source.of(node.left) in {f"len({name})" for name in indexed}
        if whole and BATCH.search(source.of(node.right)):
            return "Line {0} gives the number of batches as the length of `{1}`, whose items are single examples."
    if text in {f"len({name})" for name in indexed if _is_mapping(source, value, name)}:
        return f"Line {{0}} gives the number of columns as the length of `{{1}}`: `{text[4:-1]}` holds arrays by their names."
    if text in {each.format(name) for name in indexed for each in OF_EXAMPLES}:
        return "Line {0} gives the size of an example as the length of `{1}`."
    if BATCH.fullmatch(text.removeprefix("self.")):
        return "Line {0} gives the size of a batch as the length of `{1}`."
    return ""


def _is_mapping(source: SourceFile, value: ast.expr, name: str) -> bool:
    owner = source.enclosing_class(value)
    items = [f for f in owner.body if isinstance(f, ast.FunctionDef) and f.name == "__getitem__"] if owner else []
    return any(name in _mappings(source, item) for item in items)


# ---- loops that end early, lists that begin anew


def _left(known: Code) -> Iterator[Skipped]:
    """A loop with the backward pass whose body ends it: a ``break`` or a ``return`` that stands in no condition."""
    for loop in known.nodes(ast.For):
        last = loop.node.body[-1]
        if not isinstance(last, ast.Break | ast.Return) or len(loop.node.body) < PAIR:
            continue
        body = [n for n in ast.walk(loop.node) if isinstance(n, ast.Call)]
        inner = [n for s in loop.node.body for n in ast.walk(s) if isinstance(n, LOOPS)]
        again = any(isinstance(n, ast.Continue) for n in _inside(loop.node))
        if not again and not inner and any(known.called(Piece(loop.source, n)) in STEPS for n in body):
            what = "break" if isinstance(last, ast.Break) else "return"
            said = f"The `{what}` in line {last.lineno} ends the loop of line {loop.node.lineno} after its first step."
            yield Skipped("left", last.lineno, said)


def _renewed(known: Code) -> Iterator[Skipped]:
    """A list that is made anew in each round of the loop that fills it, and that is read behind the loop alone."""
    for place in known.nodes(ast.Assign):
        source, node = place
        loop, scope = source.parent(node), source.scope(node)
        target = node.targets[0]
        empty = isinstance(node.value, ast.List) and not node.value.elts
        if not empty or not isinstance(target, ast.Name) or not isinstance(loop, ast.For) or node not in loop.body:
            continue
        uses = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == target.id]
        inside = [n for n in uses if loop.lineno <= n.lineno <= (loop.end_lineno or 0) and n is not target]
        behind = [n for n in uses if n.lineno > (loop.end_lineno or 0)]
        outer = any(isinstance(n, LOOPS) for n in source.around(loop) if n is not loop and not isinstance(n, FUNCTIONS))
        adds = [source.parent(n) for n in inside]
        only_adds = all(isinstance(a, ast.Attribute) and a.attr in ADDS for a in adds)
        in_body = all(source.statement(n) in loop.body for n in inside)
        if inside and behind and only_adds and in_body and not outer and all(isinstance(n.ctx, ast.Load) for n in behind):
            said = f"Line {node.lineno} makes the list `{target.id}` anew in each round: it holds what the last one added."
            yield Skipped("renewed", node.lineno, said)


def _unread(known: Code) -> Iterator[Skipped]:
    """An entry of the dictionary that a data set gives, whose name stands nowhere else in the program."""
    spread = any(k.arg is None for c in known.nodes(ast.Call) for k in c.node.keywords)  # ``model(**batch)``
    passed_on = any(name.startswith("transformers") for s in known.sources for name in imported(s).values())
    if spread or passed_on or any(known.calls("items", "values", "keys")) or not known.whole:
        return
    texts = [p for p in known.nodes(ast.Constant) if isinstance(p.node.value, str)]
    for owner in known.nodes(ast.ClassDef):
        for method in (f for f in owner.node.body if isinstance(f, ast.FunctionDef) and f.name == "__getitem__"):
            ends = [r.value for r in returns(owner.source, method)]
            entries = ends[0].keys if len(ends) == 1 and isinstance(ends[0], ast.Dict) else []
            for key in entries:
                if not isinstance(key, ast.Constant) or not isinstance(key.value, str) or key.value in UNREAD:
                    continue
                if all(_within(p, method) for p in texts if p.node.value == key.value):
                    said = f"Line {key.lineno} puts `{key.value}` into each item of `{owner.node.name}`, and nothing reads it."
                    yield Skipped("unread", key.lineno, said)


def _within(place: Piece, function: ast.FunctionDef) -> bool:
    return any(n is function for n in place.source.around(place.node))


def _seeded(known: Code) -> Iterator[Skipped]:
    """A seed, always the same number, in the function or the loop that draws the examples of a step."""
    stepping = {getattr(p.source.scope(p.node), "name", "") for p in known.calls(*STEPS)} | set(STEPS)
    called = set[str]()
    for loop in known.nodes(*LOOPS):
        names = {known.called(Piece(loop.source, n)) for n in _inside(loop.node) if isinstance(n, ast.Call)}
        called |= names if names & stepping else set()
    for call in known.calls(*SEEDS):
        source, node = call
        function = source.scope(node)
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant):
            continue
        name = getattr(function, "name", "")
        drawing = [n for n in ast.walk(function) if isinstance(n, ast.Call) and known.called(Piece(source, n)) in DRAWS]
        in_function = name in called - stepping and not says_validation(name)
        if (in_function or name == "__getitem__") and drawing and not any(isinstance(n, LOOPS) for n in _up(source, node)):
            said = f"Line {node.lineno} sets the seed of `{name}` anew each time, so that it always draws the same."
            yield Skipped("seeded", node.lineno, said)


def _up(source: SourceFile, node: ast.AST) -> Iterator[ast.AST]:
    """What is around a node, up to its function."""
    scope = source.scope(node)
    for outer in source.around(node):
        if outer is scope:
            return
        yield outer
