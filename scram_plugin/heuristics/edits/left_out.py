"""Loops, samplers and folds by which most of the data stay unused, whatever is drawn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scram_plugin.heuristics.edits.bindings import bound_to, follow
from scram_plugin.heuristics.edits.drawn import PAIR, STEPS
from scram_plugin.heuristics.edits.parts import HELD_OUT, OTHERS, TRAINING, Skipped
from scram_plugin.heuristics.edits.program import Change, Code, Piece
from scram_plugin.heuristics.edits.source import SourceFile, names_in

FOLDS = ("KFold", "StratifiedKFold", "GroupKFold")  # give (train, test); source: scikit-learn
HALVES = re.compile(r"\b2\b|n_splits=\D")  # of two folds both are as large; by definition
BATCH_SIZE = re.compile(r"([\w.]*[._])?(batch_?size|bs)", re.I)  # never a number of batches; source: usual names
OF_CLASSES = re.compile(r"class_weights?|weights?_per_class", re.I)  # each class has one of them; source: usual names
COUNTS = re.compile(r"count|freq|n_per", re.I)  # of the examples of each class; source: usual names
# names of the numbers of steps between two lines of progress; source: usual names
EVERY = re.compile(r"log|print|report|display|show", re.I)
# what tells of the progress; source: Python, TensorBoard, tqdm
TELLS = ("print", "add_scalar", "info", "set_postfix", "set_description")


def left_out(known: Code) -> Iterator[Skipped]:
    yield from _reversed_folds(known)
    yield from _steps_of_batch(known)
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
        given = follow(known, Piece(source, calls[0].func.value)).text  # type: ignore[attr-defined]
        if (
            made in FOLDS
            and not known.definitions(made)
            and not HALVES.search(given)
            and _is(HELD_OUT, one)
            and _is(TRAINING, other)
        ):
            change = Change(source, *source.span(target), f"({other}, {one})")
            yield Skipped("split", node.lineno, f"Line {node.lineno} calls the larger part `{one}`.", known.edit([change]))


def _is(words: re.Pattern[str], name: str) -> bool:
    return bool(words.search(name)) and not OTHERS.search(name)


def _steps_of_batch(known: Code) -> Iterator[Skipped]:
    """``fit(..., steps_per_epoch=BATCH_SIZE)``."""
    for call in known.calls("fit"):
        for keyword in call.node.keywords:
            text = call.source.of(keyword.value)
            if keyword.arg == "steps_per_epoch" and BATCH_SIZE.fullmatch(text):
                said = f"Line {keyword.value.lineno} makes as many steps in an epoch as a batch has examples, `{text}`."
                yield Skipped("range", keyword.value.lineno, said)


def _weights_of_classes(known: Code) -> Iterator[Skipped]:
    """``WeightedRandomSampler(class_weights, n)``: it takes a weight for each example, and draws places below their number."""
    for call in known.calls("WeightedRandomSampler"):
        source, node = call
        given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "weights"), None)
        if not isinstance(given, ast.Name) or not OF_CLASSES.fullmatch(given.id) or _is_filled(known, given.id):
            continue
        made = bound_to(known, Piece(source, given))
        if not _is_of_loader(known, call):
            continue
        if made and all(_is_of_counts(value.source, value.node) for value in made):
            said = f"Line {node.lineno} gives the sampler a weight for each class, `{given.id}`, and not for each example."
            yield Skipped("few", node.lineno, said)


def _is_of_loader(known: Code, sampler: Piece) -> bool:
    """Whether a `DataLoader` is given it: alone, it may draw classes."""
    made = sampler.source.statement(sampler.node)
    name = sampler.source.of(made.targets[0]) if isinstance(made, ast.Assign) else ""
    given = [(p.source.of(k.value), k.value) for p in known.calls("DataLoader") for k in p.node.keywords if k.arg == "sampler"]
    return any(text == name or value is sampler.node for text, value in given)


def _is_of_counts(source: SourceFile, node: ast.AST) -> bool:
    """``1 / counts`` or ``n / counts``, with a count for each class, or a list of numbers."""
    if isinstance(node, ast.List):
        return bool(node.elts) and all(isinstance(e, ast.Constant) for e in node.elts)
    inverse = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Name)
    return inverse and isinstance(node.left, ast.Constant | ast.Name) and bool(COUNTS.search(source.of(node.right)))  # type: ignore[attr-defined]


def _is_filled(known: Code, name: str) -> bool:
    """Whether a program adds to a list, or sets a part of it."""
    adds = any(p.source.of(getattr(p.node.func, "value", p.node.func)) == name for p in known.calls("append", "extend"))
    return adds or any(
        p.source.of(p.node.value) == name for p in known.nodes(ast.Subscript) if isinstance(p.node.ctx, ast.Store)
    )


def _broken_off(known: Code) -> Iterator[Skipped]:
    """A ``break`` at the end of the branch that tells of the progress every so many steps: ``if step % 50 == 0``, at step 0."""
    for branch in known.nodes(ast.If):
        source, node = branch
        loop, rest = source.parent(node), _remainder(node.test)
        if rest is None or not isinstance(loop, ast.For) or not isinstance(node.body[-1], ast.Break):
            continue
        counts = isinstance(rest.left, ast.Name) and rest.left.id in names_in(loop.target)
        every = isinstance(rest.right, ast.Constant) or EVERY.search(source.of(rest.right))
        again = isinstance(loop.iter, ast.Name) and source.of(loop.iter) in _iterators(known)
        calls = [n for n in ast.walk(loop) if isinstance(n, ast.Call)]
        tells = any(known.called(Piece(source, n)) in TELLS for s in node.body for n in ast.walk(s) if isinstance(n, ast.Call))
        outer = any(isinstance(n, ast.For | ast.While) for n in source.around(loop))
        if counts and every and not again and tells and outer and any(known.called(Piece(source, n)) in STEPS for n in calls):
            line = node.body[-1].lineno
            said = f"The `break` in line {line} ends the loop of line {loop.lineno} where it tells of its progress."
            yield Skipped("left", line, said)


def _remainder(test: ast.expr) -> ast.BinOp | None:
    """``step % 50`` of ``step % 50 == 0``."""
    compares = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
    zero = compares and getattr(test.comparators[0], "value", None) == 0  # type: ignore[attr-defined]
    left = test.left if isinstance(test, ast.Compare) and zero else None
    return left if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod) else None


def _iterators(known: Code) -> set[str]:
    """The variables of iterators, which go on after a loop over them."""
    made = [(p.source, p.source.statement(p.node)) for p in known.calls("iter", "cycle")]
    return {source.of(one.targets[0]) for source, one in made if isinstance(one, ast.Assign)}


def _remainders(known: Code) -> Iterator[Skipped]:
    """``start = (step * batch) % batch``, which is always 0."""
    for source, node in known.nodes(ast.BinOp):
        product = node.left
        if isinstance(node.op, ast.Mod) and isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
            size, factors = source.of(node.right), (product.left, product.right)
            others = [f for f in factors if source.of(f) != size]
            loops = [
                n
                for n in source.around(node)
                if isinstance(n, ast.For) and source.of(n.iter).startswith(("range(", "enumerate("))
            ]
            counts = len(others) == 1 and any(source.of(others[0]) in names_in(loop.target) for loop in loops)
            if BATCH_SIZE.fullmatch(size) and counts:
                said = f"`{source.of(node)}` in line {node.lineno} is always 0, so that each batch begins at the same place."
                yield Skipped("same", node.lineno, said)
