"""Validation and test data for which a program fits a scaler, or the like, again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import LOOPS
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

# parts of names: of the training, and of what is held out; source: usual names
TWINS = (("train", "test"), ("train", "valid"), ("train", "val"), ("training", "validation"), ("tr", "te"), ("tr", "va"))
# what learns numbers or columns from the data; others give the same of each example; source: scikit-learn
LEARNS = ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "PowerTransformer", "QuantileTransformer")
OTHERWISE = re.compile(r"\.T\b")  # features in the place of examples; source: NumPy
NOT_INPUTS = re.compile(r"y|lab|target|onehot|plot|2d", re.I)  # parts of names of targets and of maps; source: usual names


class Prepared(NamedTuple):
    """The line of what is held out, a sentence, and the edit that treats it as the training data."""

    line: int
    said: str
    edit: Edit | None


def prepared_apart(facts: Mapping[str, Any]) -> Prepared | None:
    """The first such line; None without one."""
    known = program(facts)
    return next(_found(known), None)


def _found(known: Code) -> Iterator[Prepared]:
    for training, other in _twins(known):
        yield from _fitted_again(known, training, other)


def _twins(known: Code) -> Iterator[tuple[Piece, Piece]]:
    """Pairs of assignments of one scope whose variables differ by the name of the part alone."""
    made: dict[str, list[Piece]] = {}
    for place in known.nodes(ast.Assign):
        if len(place.node.targets) == 1 and isinstance(place.node.targets[0], ast.Name):
            made.setdefault(place.node.targets[0].id, []).append(place)
    for name, places in made.items():
        for words in TWINS:
            other = _as_other(name, words)
            if other == name or len(made.get(other, [])) != len(places):
                continue
            for one, two in zip(places, made[other], strict=True):
                if one.source is two.source and one.source.scope(one.node) is two.source.scope(two.node):
                    yield one, two


def _as_other(text: str, words: tuple[str, str]) -> str:
    """A text with the names of the other part: ``x_train`` as ``x_test``, ``Xtr`` as ``Xte``."""
    word, other = words
    short = rf"(?<=_){word}\b|\b{word}(?=_|\b)|(?<=\b[A-Za-z]){word}\b"  # in longer words it is no part of a name
    return re.sub(short, other, text) if len(word) == len("tr") else re.sub(word, other, text)


def _fitted_again(known: Code, training: Piece, other: Piece) -> Iterator[Prepared]:
    """``x_test = scaler.fit_transform(x_test)``, where the training data have their own."""
    calls = [[n for n in ast.walk(p.node.value) if _fits(n)] for p in (training, other)]
    if not calls[0] or not calls[1] or OTHERWISE.search(training.text + other.text) or NOT_INPUTS.search(_name(other)):
        return
    one, two = calls[0][0], calls[1][0]
    kinds = [known.called(follow(known, Piece(p.source, c.func.value))) for p, c in ((training, one), (other, two))]  # type: ignore[attr-defined]
    owners = [p.source.of(c.func.value) for p, c in ((training, one), (other, two))]  # type: ignore[attr-defined]
    if kinds[0] == kinds[1] in LEARNS and not any(isinstance(n, LOOPS) for n in other.source.around(two)):
        source = other.source
        start, end = source.span(two.func)  # type: ignore[attr-defined]
        same = isinstance(one.func.value, ast.Name)  # type: ignore[attr-defined]
        edit = known.edit([Change(source, start, end, f"{owners[0]}.transform")]) if same else None
        said = f"Line {other.node.lineno} fits `{kinds[1]}` again, to data that are held out."
        yield Prepared(other.node.lineno, said, edit)


def _name(place: Piece) -> str:
    return place.source.of(place.node.targets[0])


def _fits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fit_transform"
