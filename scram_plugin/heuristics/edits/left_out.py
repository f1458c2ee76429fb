"""Loops, samplers and parts by which most of the data stay unused, whatever is drawn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scram_plugin.heuristics.edits.bindings import follow, returns
from scram_plugin.heuristics.edits.drawn import BATCH, PAIR, STEPS
from scram_plugin.heuristics.edits.parts import HELD_OUT, NUMBER_HELD_OUT, OTHERS, TRAINING, Skipped
from scram_plugin.heuristics.edits.program import Change, Code, Piece

FOLDS = ("KFold", "StratifiedKFold", "ShuffleSplit", "StratifiedShuffleSplit", "GroupKFold")  # give (train, test); scikit-learn
CLASSES = re.compile(r"(^|[_.])(classes|class_(names|to_idx)|categories|vocab)$", re.I)  # are no examples; source: usual names
EXAMPLES = re.compile(r"\.(samples|images|paths|files|items|records|rows|data)$")  # lists of them; source: usual names
OF_CLASSES = re.compile(r"class|weight_per|per_class", re.I)  # names of weights that each class has one of; source: usual names
# what tells of the progress; source: Python, TensorBoard, tqdm
TELLS = ("print", "add_scalar", "info", "log", "set_postfix", "set_description")


def left_out(known: Code) -> Iterator[Skipped]:
    yield from _reversed_folds(known)
    yield from _swapped_parts(known)
    yield from _steps_of_batch(known)
    yield from _classes_as_length(known)
    yield from _weights_of_classes(known)
    yield from _broken_off(known)
    yield from _remainders(known)


def _reversed_folds(known: Code) -> Iterator[Skipped]:
    """``for val, train in KFold(...).split(x)``: the larger part comes first."""
    for loop in known.nodes(ast.For):
        source, node = loop
        target = node.target.elts[-1] if isinstance(node.target, ast.Tuple) and len(node.target.elts) == PAIR else node.target
        target = target if isinstance(target, ast.Tuple) else node.target
        calls = [n for n in ast.walk(node.iter) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
        calls = [n for n in calls if n.func.attr == "split"]  # type: ignore[attr-defined]
        if len(calls) != 1 or not isinstance(target, ast.Tuple) or len(target.elts) != PAIR:
            continue
        made = known.called(follow(known, Piece(source, calls[0].func.value)))  # type: ignore[attr-defined]
        one, other = (source.of(e) for e in target.elts)
        if made in FOLDS and _is(HELD_OUT, one) and _is(TRAINING, other):
            change = Change(source, *source.span(target), f"({other}, {one})")
            yield Skipped("split", node.lineno, f"Line {node.lineno} calls the larger part `{one}`.", known.edit([change]))


def _is(words: re.Pattern[str], name: str) -> bool:
    return bool(words.search(name)) and not OTHERS.search(name)


def _swapped_parts(known: Code) -> Iterator[Skipped]:
    """``train, val = order[:n_val], order[n_val:]``."""
    for source, node in known.nodes(ast.Assign):
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
            continue
        for one, part in zip(target.elts, value.elts, strict=True):
            cut = part.slice if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice) else None
            if cut is None or cut.lower is not None or not isinstance(cut.upper, ast.Name):
                continue
            number = cut.upper.id
            if _is(TRAINING, source.of(one)) and NUMBER_HELD_OUT.fullmatch(number):
                said = (
                    f"Line {node.lineno} gives `{source.of(one)}` the first `{number}` examples, the number of those held out."
                )
                yield Skipped("split", node.lineno, said)


def _steps_of_batch(known: Code) -> Iterator[Skipped]:
    """``fit(..., steps_per_epoch=BATCH_SIZE)``."""
    for call in known.calls("fit"):
        for keyword in call.node.keywords:
            text = call.source.of(keyword.value)
            if keyword.arg == "steps_per_epoch" and isinstance(keyword.value, ast.Name | ast.Attribute) and BATCH.search(text):
                said = f"Line {keyword.value.lineno} makes as many steps in an epoch as a batch has examples, `{text}`."
                yield Skipped("range", keyword.value.lineno, said)


def _classes_as_length(known: Code) -> Iterator[Skipped]:
    """A data set whose length is the number of its classes, and whose items are those of something else."""
    for owner in known.nodes(ast.ClassDef):
        source = owner.source
        methods = {f.name: f for f in owner.node.body if isinstance(f, ast.FunctionDef)}
        if "__len__" not in methods or "__getitem__" not in methods or len(methods["__getitem__"].args.args) != PAIR:
            continue
        ends, place = returns(source, methods["__len__"]), methods["__getitem__"].args.args[1].arg
        value = ends[0].value if len(ends) == 1 else None
        of_classes = isinstance(value, ast.Call) and source.of(value.func) == "len" and len(value.args) == 1
        counted = source.of(value.args[0]) if of_classes else ""  # type: ignore[union-attr]
        taken = [n for n in ast.walk(methods["__getitem__"]) if isinstance(n, ast.Subscript) and source.of(n.slice) == place]
        lists = {source.of(n.value) for n in taken}
        examples = any(map(EXAMPLES.search, lists))
        if CLASSES.search(counted) and examples and counted not in lists and value is not None:
            edit = known.edit([Change(source, *source.span(value), f"len({min(lists)})")])
            said = f"Line {value.lineno} gives the number of classes as the length of `{owner.node.name}`."
            yield Skipped("length", value.lineno, said, edit)


def _weights_of_classes(known: Code) -> Iterator[Skipped]:
    """``WeightedRandomSampler(class_weights, n)``: it takes a weight for each example, and draws places below their number."""
    for call in known.calls("WeightedRandomSampler"):
        source, node = call
        given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "weights"), None)
        inner = list(ast.walk(given)) if given is not None else []
        names = [n for n in inner if isinstance(n, ast.Name) and n.id not in ("torch", "np")]
        made = follow(known, Piece(source, names[0])).node if len(names) == 1 and OF_CLASSES.search(names[0].id) else None
        each = (
            [n for n in (*inner, *ast.walk(made)) if isinstance(n, ast.Subscript | ast.comprehension)]
            if made is not None
            else []
        )
        if isinstance(made, ast.BinOp | ast.List | ast.Name) and not each:  # no weight is picked by a label
            said = f"Line {node.lineno} gives the sampler a weight for each class, `{names[0].id}`, and not for each example."
            yield Skipped("few", node.lineno, said)


def _broken_off(known: Code) -> Iterator[Skipped]:
    """A ``break`` at the end of the branch that tells of the progress every so many steps."""
    for branch in known.nodes(ast.If):
        source, node = branch
        loop = source.parent(node)
        every = isinstance(node.test, ast.Compare) and any(isinstance(n, ast.Mod) for n in ast.walk(node.test))
        if not every or not isinstance(loop, ast.For) or not isinstance(node.body[-1], ast.Break):
            continue
        calls = [n for n in ast.walk(loop) if isinstance(n, ast.Call)]
        tells = any(known.called(Piece(source, n)) in TELLS for s in node.body for n in ast.walk(s) if isinstance(n, ast.Call))
        outer = any(isinstance(n, ast.For | ast.While) for n in source.around(loop))
        if tells and outer and any(known.called(Piece(source, n)) in STEPS for n in calls):
            line = node.body[-1].lineno
            yield Skipped(
                "left", line, f"The `break` in line {line} ends the loop of line {loop.lineno} where it tells of its progress."
            )


def _remainders(known: Code) -> Iterator[Skipped]:
    """``start = (step * batch) % batch``, which is always 0."""
    for source, node in known.nodes(ast.BinOp):
        product = node.left
        if isinstance(node.op, ast.Mod) and isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
            size = source.of(node.right)
            names = isinstance(node.right, ast.Name | ast.Attribute)
            if names and BATCH.search(size) and size in (source.of(product.left), source.of(product.right)):
                said = f"`{source.of(node)}` in line {node.lineno} is always 0, so that each batch begins at the same place."
                yield Skipped("same", node.lineno, said)
