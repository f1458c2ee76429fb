"""Validation and test data that a program prepares otherwise than the training data, by lines that are twins but for that."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.target_names import LABELS

# parts of names: of the training, and of what is held out; source: usual names
TWINS = (("train", "test"), ("train", "valid"), ("train", "val"), ("training", "validation"), ("tr", "te"), ("tr", "va"))
# what sees only the data that it is given: a map of their own, or what has no `transform`; source: scikit-learn
OWN = re.compile(r"tsne|umap|mds|spectral|cluster|means|embedding", re.I)
# functions that change values or words; source: NumPy, PyTorch, scikit-learn, usual names
PREPARES = re.compile(
    r"^(log\w*|sqrt|clean\w*|normali[sz]e\w*|standardi[sz]e\w*|scale\w*|preprocess\w*|lower|stem\w*|fillna|sorted)$"
)


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
    for training, other, words in _twins(known):
        yield from _fitted_again(known, training, other)
        yield from _unlike(known, training, other, words)
        yield from _unlike(known, other, training, (words[1], words[0]))


def _twins(known: Code) -> Iterator[tuple[Piece, Piece, tuple[str, str]]]:
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
                    yield one, two, words


def _as_other(text: str, words: tuple[str, str]) -> str:
    """A text with the names of the other part: ``x_train`` as ``x_test``, ``Xtr`` as ``Xte``."""
    word, other = words
    short = rf"(?<=_){word}\b|\b{word}(?=_|\b)|(?<=\b[A-Za-z]){word}\b"  # in longer words it is no part of a name
    return re.sub(short, other, text) if len(word) == len("tr") else re.sub(word, other, text)


def _fitted_again(known: Code, training: Piece, other: Piece) -> Iterator[Prepared]:
    """``x_test = scaler.fit_transform(x_test)``, where the training data have their own."""
    calls = [[n for n in ast.walk(p.node.value) if _fits(n)] for p in (training, other)]
    if not calls[0] or not calls[1] or OWN.search(training.text) or LABELS.search(other.source.of(other.node.targets[0])):
        return
    one, two = calls[0][0], calls[1][0]
    kinds = [known.called(follow(known, Piece(p.source, c.func.value))) for p, c in ((training, one), (other, two))]  # type: ignore[attr-defined]
    owners = [p.source.of(c.func.value) for p, c in ((training, one), (other, two))]  # type: ignore[attr-defined]
    if (owners[0] == owners[1] or kinds[0] == kinds[1] != "") and not OWN.search(kinds[0]):
        source = other.source
        start, end = source.span(two.func)  # type: ignore[attr-defined]
        same = isinstance(one.func.value, ast.Name)  # type: ignore[attr-defined]
        edit = known.edit([Change(source, start, end, f"{owners[0]}.transform")]) if same else None
        said = f"Line {other.node.lineno} fits `{kinds[1] or owners[1]}` again, to data that are held out."
        yield Prepared(other.node.lineno, said, edit)


def _fits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fit_transform"


def _unlike(known: Code, training: Piece, other: Piece, words: tuple[str, str]) -> Iterator[Prepared]:
    """``x_train = clean(a_train)`` and ``x_test = a_test``: the same but for a function that changes values or words."""
    source, value = training.source, training.node.value
    actual = ast.dump(other.node.value)
    for call in ast.walk(value):
        name = known.called(Piece(source, call)) if isinstance(call, ast.Call) else ""
        given = (*call.args[:1], *([call.func.value] if isinstance(call.func, ast.Attribute) else [])) if name else ()  # type: ignore[attr-defined]
        if not given or not PREPARES.match(name):
            continue
        begin = source.span(value)[0]
        start, end = (at - begin for at in source.span(call))
        text = source.of(value)
        without = f"{text[:start]}{source.of(given[0])}{text[end:]}"
        if _dumped(_as_other(without, words)) == actual and not _is_done_later(known, other, name):
            names = [p.source.of(p.node.targets[0]) for p in (training, other)]
            lines = f"Line {training.node.lineno} calls `{name}` for `{names[0]}`, and line {other.node.lineno}"
            said = f"{lines} does not for `{names[1]}`."
            edit = known.edit([Change(other.source, *other.source.span(other.node.value), _as_other(text, words))])
            yield Prepared(other.node.lineno, said, edit)
            return


def _dumped(text: str) -> str:
    try:
        return ast.dump(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return ""


def _is_done_later(known: Code, other: Piece, name: str) -> bool:
    """Whether a later line does it to the variable, too."""
    target = other.node.targets[0].id
    calls = [c for c in known.calls(name) if c.source is other.source and c.node.lineno > other.node.lineno]
    return any(target in {n.id for n in ast.walk(c.node) if isinstance(n, ast.Name)} for c in calls)
