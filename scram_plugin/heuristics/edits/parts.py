"""Parts of the data, by their names: what is held out, and what is trained on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece

TRAINING = re.compile(r"(^|_)(train|trn|tr|training)(_|\d|$)", re.I)
HELD_OUT = re.compile(r"(^|_)(val|valid|validation|dev|test|tst|te|heldout|holdout|eval)(_|\d|$)", re.I)
HELD_OUT_MOST = 0.6  # share of the data that is held out: cross-validation in two halves holds out 0.5; by definition


class Skipped(NamedTuple):
    """The cause, its line, a sentence on what the line does, and the edit that mends it."""

    cause: str
    line: int
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
        if pairs and all(_says(HELD_OUT, a) and _says(TRAINING, b) for a, b in pairs):
            said = f"Line {node.lineno} calls the larger part `{pairs[0][0]}`, and the smaller one `{pairs[0][1]}`."
            yield Skipped("split", node.lineno, said)
            continue
        held = next((k.value for k in node.keywords if k.arg == "test_size"), None)
        share = held.value if isinstance(held, ast.Constant) and isinstance(held.value, float) else 0.0
        if share >= HELD_OUT_MOST and all(_says(TRAINING, a) for a, _ in pairs):
            yield Skipped("split", node.lineno, f"Line {node.lineno} holds out {share:.0%} of the data.")


def _says(words: re.Pattern[str], text: str) -> bool:
    return bool(words.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)))


def held_out_for_training(known: Code) -> Iterator[Skipped]:
    """``x_train = x[val_idx]``, ``train_loader = DataLoader(val_data)``: the names say that it is the other part."""
    for place in known.nodes(ast.Assign):
        source, node = place
        for target, value in _each(node):
            if not isinstance(target, ast.Name | ast.Attribute):
                continue
            name = source.of(target).rpartition(".")[2]
            if not _says(TRAINING, name) or _says(HELD_OUT, name) or "eval" in name.lower():
                continue
            given = _chosen(known, Piece(source, value))
            if given and all(_says(HELD_OUT, g) and not _says(TRAINING, g) for g in given):
                said = f"Line {node.lineno} makes `{name}` of `{given[0]}`, which is held out by its name."
                yield Skipped("swapped", node.lineno, said)


def _each(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _chosen(known: Code, place: Piece) -> list[str]:
    """The names of the part that is chosen: the index of ``x[val]``, what a loader or a subset is given."""
    source, node = place
    if isinstance(node, ast.Call) and known.called(place) in ("DataLoader", "Subset", "TensorDataset", "SubsetRandomSampler"):
        index = -1 if known.called(place) == "Subset" else 0
        return [source.of(node.args[index])] if node.args and isinstance(node.args[index], ast.Name | ast.Attribute) else []
    if isinstance(node, ast.Subscript):
        return [source.of(node.slice)] if isinstance(node.slice, ast.Name) else []
    return []
