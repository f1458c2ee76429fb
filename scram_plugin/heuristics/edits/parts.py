"""Parts of the data, by their names: what is held out, and what is trained on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece

TRAINING = re.compile(r"(^|_)(train|trn|tr|training)(_|\d|$)", re.I)
HELD_OUT = re.compile(r"(^|_)(val|valid|validation|test|tst|heldout|holdout)(_|\d|$)", re.I)
# parts that are small, or others, on purpose
OTHERS = re.compile(
    r"not|non|no_|except|without|exclude|rest|final|small|sub|few|pool|unl|metric|loss|acc|score|eval|result", re.I
)
NUMBER_HELD_OUT = re.compile(r"n(um)?_?(val|valid|test)", re.I)  # source: usual names
HALF_HELD_OUT = 0.5  # share of the data: cross-validation in two halves holds that out; by definition
NO_REST = 0.95  # share of the data, which nobody holds out to learn from the rest; by definition
MOST_HELD_OUT = 0.6  # share of the data; by definition


class Skipped(NamedTuple):
    """The cause, its line (None where it is not known), a sentence on what is done, and the edit that mends it."""

    cause: str
    line: int | None
    said: str
    edit: Edit | None = None


def small_splits(known: Code) -> Iterator[Skipped]:
    """``x_test, x_train = train_test_split(x)``, or a split that holds out most of the data."""
    for call in known.calls("train_test_split"):
        source, node = call
        statement = source.statement(node)
        target = statement.targets[0] if isinstance(statement, ast.Assign) and statement.value is node else None
        names = [source.of(e) for e in target.elts] if isinstance(target, ast.Tuple) else []
        pairs = list(zip(names[::2], names[1::2], strict=False))
        sizes = {k.arg: k.value for k in node.keywords if k.arg in ("test_size", "train_size")}
        held = sizes.get("test_size")
        share = held.value if isinstance(held, ast.Constant) and isinstance(held.value, float) else 0.0
        told = share > 0 or not sizes
        if not pairs or "train_size" in sizes or not told or any(map(OTHERS.search, names)):
            continue
        if share <= HALF_HELD_OUT and all(_says(HELD_OUT, a) and _says(TRAINING, b) for a, b in pairs):
            said = f"Line {node.lineno} calls the larger part `{pairs[0][0]}`, and the smaller one `{pairs[0][1]}`."
            yield Skipped("split", node.lineno, said)
        elif share >= MOST_HELD_OUT and all(_says(TRAINING, a) and _says(HELD_OUT, b) for a, b in pairs):
            yield Skipped("split", node.lineno, f"Line {node.lineno} holds out {share:.0%} of the data.")


def large_shares(known: Code) -> Iterator[Skipped]:
    """``n_val = int(0.98 * len(x))``: the number of what is held out is most of the data, and no other part has a share."""
    found, others = [], False
    for place in known.nodes(ast.Assign):
        target, call = place.node.targets[0], place.node.value
        name = target.id if isinstance(target, ast.Name) else ""
        if not name or not isinstance(call, ast.Call) or len(call.args) != 1:
            continue
        part = call.args[0]
        factors = [part.left, part.right] if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult) else []
        shares = [n.value for n in factors if isinstance(n, ast.Constant) and isinstance(n.value, float)]
        counted = known.called(Piece(place.source, call)) in ("int", "round") and any(
            "len(" in place.source.of(n) for n in factors
        )
        own = bool(NUMBER_HELD_OUT.fullmatch(name))
        others |= counted and bool(shares) and not own  # then it may be a place, and not a number
        if own and counted and len(shares) == 1 and NO_REST <= shares[0] < 1:
            said = f"Line {place.node.lineno} makes `{name}` {shares[0]:.0%} of the data."
            found.append(Skipped("split", place.node.lineno, said))
    yield from () if others else found


def _says(words: re.Pattern[str], text: str) -> bool:
    return bool(words.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)))


def held_out_for_training(known: Code) -> Iterator[Skipped]:
    """``x_train = x[val_idx]``, ``train_loader = DataLoader(val_data)``, where nothing is made of the training's part.

    In cross-fitting, each part is trained on in its turn.
    """
    found, sound = [], False
    for place in known.nodes(ast.Assign):
        for target, value in _each(place.node):
            name = place.source.of(target).rpartition(".")[2] if isinstance(target, ast.Name | ast.Attribute) else ""
            if not _says(TRAINING, name) or _says(HELD_OUT, name) or OTHERS.search(name):
                continue
            given = _chosen(known, Piece(place.source, value))
            sound |= _says(TRAINING, given)
            if _says(HELD_OUT, given) and not _says(TRAINING, given) and not OTHERS.search(given):
                line = place.node.lineno
                said = f"Line {line} makes `{name}` of `{given}`, which is held out by its name."
                found.append(Skipped("swapped", line, said))
    yield from () if sound else found


def _each(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _chosen(known: Code, place: Piece) -> str:
    """The name of the part that is chosen: the index of ``x[val]``, what a loader or a subset is given; "" for others."""
    source, node = place
    index: ast.AST | None = None
    if isinstance(node, ast.Call) and node.args and known.called(place) in ("DataLoader", "Subset", "SubsetRandomSampler"):
        index = node.args[-1 if known.called(place) == "Subset" else 0]
    elif isinstance(node, ast.Subscript):
        index = node.slice
    return source.of(index) if isinstance(index, ast.Name | ast.Attribute) else ""
