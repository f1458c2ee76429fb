"""Kinds of faults: each changes the text of a healthy program at a place and with a strength drawn at random.

A kind works on all forms in which it makes sense: it looks for the ways in which its place is written, in the main program
first. A fault's `right` names the findings that are the right diagnosis: a heuristic, or a heuristic with its first cause.
This module has what both frameworks share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.faults.forms import Files, Program

Written = str | Callable[[np.random.Generator, "re.Match[str]"], str]
CLASSES, TWO, NUMBERS = ("classes",), ("two",), ("numbers",)
ANY = (*CLASSES, *TWO, *NUMBERS)


class Way(NamedTuple):
    """One way in which a place is written, as a regular expression, and what takes its place."""

    pattern: str
    new: Written


class Place(NamedTuple):
    """A program that a fault is placed into."""

    program: Program
    files: Files
    rng: np.random.Generator


Change = Callable[[Place], Files | None]


@dataclass(frozen=True)
class Kind:
    """`change` gives the files with the fault, or None where there is no place for it; `tasks`: those it makes sense for."""

    name: str
    cause: str  # in a sentence
    right: tuple[str, ...]
    change: Change
    tasks: tuple[str, ...] = ANY


def placed(kind: Kind, number: int, program: Program, seed: int, files: Files | None = None) -> Files | None:
    """The files with this fault (besides those that they have already), or None where there is no place for it."""
    healthy = program.files(seed)
    files = healthy if files is None else files
    if program.task not in kind.tasks:
        return None
    rng = np.random.default_rng([seed, number, sum(map(ord, program.name))])
    changed = kind.change(Place(program, files, rng))
    return None if changed is None or changed == files else changed


def inoculated(
    kinds: Sequence[Kind], program: Program, seed: int, chosen: Sequence[str] | None
) -> Iterator[tuple[Kind, Files]]:
    """Each kind of fault that a program has a place for, and its files with it; `chosen` names some, None means all."""
    for number, kind in enumerate(kinds):
        if chosen is None or kind.name in chosen:
            files = placed(kind, number, program, seed)
            if files is not None:
                yield kind, files


def _new(way: Way, match: re.Match[str], rng: np.random.Generator) -> str:
    return match.expand(way.new) if isinstance(way.new, str) else way.new(rng, match)


def every(*ways: tuple[str, Written]) -> Change:
    """All places, in all files, that are written in any of these ways."""

    def change(place: Place) -> Files:
        files = dict(place.files)
        for name in files:
            for way in (Way(*pair) for pair in ways):
                files[name] = re.sub(way.pattern, lambda m, way=way: _new(way, m, place.rng), files[name], flags=re.M)
        return files

    return change


def first(*ways: tuple[str, Written], all_of_it: bool = False) -> Change:
    """The first place: files in their order, ways in theirs. `all_of_it`: with all others of that file and way."""

    def change(place: Place) -> Files | None:
        for name, text in place.files.items():
            for way in (Way(*pair) for pair in ways):
                new, count = re.subn(
                    way.pattern, lambda m, way=way: _new(way, m, place.rng), text, count=0 if all_of_it else 1, flags=re.M
                )
                if count:
                    return {**place.files, name: new}
        return None

    return change


def one(*ways: tuple[str, Written]) -> Change:
    """One of all places, drawn at random."""

    def change(place: Place) -> Files | None:
        found = [
            (name, match, way)
            for name, text in place.files.items()
            for way in (Way(*pair) for pair in ways)
            for match in re.finditer(way.pattern, text, flags=re.M)
        ]
        if not found:
            return None
        name, match, way = found[int(place.rng.integers(len(found)))]
        text = place.files[name]
        return {**place.files, name: text[: match.start()] + _new(way, match, place.rng) + text[match.end() :]}

    return change


def both(*changes: Change) -> Change:
    def change(place: Place) -> Files | None:
        files = place.files
        for one_of_them in changes:
            changed = one_of_them(place._replace(files=files))
            if changed is None or changed == files:
                return None
            files = changed
        return files

    return change


def either(*changes: Change) -> Change:
    """The first that has a place."""

    def change(place: Place) -> Files | None:
        tried = (one_of_them(place) for one_of_them in changes)
        return next((files for files in tried if files is not None and files != place.files), None)

    return change


def without(part: str, change: Change) -> Change:
    """The change, but not in programs with this in any of their files."""

    def limited(place: Place) -> Files | None:
        return None if any(part in text for text in place.files.values()) else change(place)

    return limited


def behind(files: Files, file: str, line: str, new: Sequence[str]) -> Files | None:
    """Files with new lines behind the line that begins with this text, as far indented."""
    name = file.rpartition("/")[2]
    at = files[name].find(line)
    if at < 0:
        return None
    end = files[name].index("\n", at + len(line.rstrip("\n")) - 1) + 1
    last = line.splitlines()[-1]
    indent = last[: len(last) - len(last.lstrip())]
    added = "".join(f"{indent}{one_line}\n" for one_line in new)
    return {**files, name: files[name][:end] + added + files[name][end:]}


def with_data(lines: Callable[[Place], Sequence[str]], whole: bool = True) -> Change:
    """Statements where the training data are ready. Not `whole`: only where they are split already."""

    def change(place: Place) -> Files | None:
        data = place.program.data
        if data is None or (data.whole and not whole):
            return None
        return behind(place.files, data.file, data.line, lines(place))

    return change


NUMBER = r"(\d[\d.]*(?:e-?\d+)?)"
# the line is not that of a function's head, whose default is not used
GIVEN = r"^((?! *def ).*?(?<![\w.])\"?(?:lr|LR|learning_rate|LEARNING_RATE)\"?(?:: float)?\s*[=:]\s*)"
RATES = (
    GIVEN + NUMBER,
    r"(\"--(?:lr|learning-rate)\", type=float, default=)" + NUMBER,
    r"(\b(?:Adam|SGD|RMSprop|AdamW|Nadam)\((?:\w+\.parameters\(\), )?)" + NUMBER,
)


def rates(low: float, high: float) -> Change:
    """The learning rate times 10 to a power between these two."""

    def new(rng: np.random.Generator, match: re.Match[str]) -> str:
        return match[1] + repr(float(f"{float(match[2]) * 10 ** rng.uniform(low, high):.1g}"))

    return first(*((pattern, new) for pattern in RATES))


def _rows(place: Place) -> list[int]:
    return sorted(place.rng.choice(100, int(place.rng.integers(2, 6)), replace=False).tolist())


def _dropout(rng: np.random.Generator, match: re.Match[str]) -> str:
    return f"{match[1]}{rng.uniform(0.85, 0.97):.2f}"


HIGH = ("unconventional-learning-rate", "*/learning-rate")
LOW = ("unconventional-learning-rate", "undertrained", "no-learning/learning-rate", "learning-rate-range/low")
SHARED = (
    Kind("learning rate too high", "The learning rate is a hundred to ten thousand times too high.", HIGH, rates(2.2, 4.0)),
    Kind("learning rate far too high", "The learning rate has a wrong sign in its exponent.", HIGH, rates(8.0, 14.0)),
    Kind("learning rate too low", "The learning rate is a thousand times too low, or more.", LOW, rates(-5.0, -3.0)),
    Kind(
        "inputs in their units",
        "The inputs are not scaled: bytes, or features in the units they come in.",
        ("unnormalized-inputs",),
        every(
            (r"(?<=\)) / 255(\.0)?$", ""),
            (r"^( *x = x) / 16\.0\n", r"\1 * 255 / 16.0\n"),
            (r"(\[order\]\.astype\(np\.float32\)) / 16\.0\n", r"\1 * 255 / 16.0\n"),
            (r"(unsqueeze\(1\)) / 16\.0\n *images = \(images[^\n]*\n", r"\1 * 255 / 16.0\n"),
            (r"^ *([xX]_\w+) = \w+\.(fit_)?transform\(\1\)\n", ""),
            (r"^ *X_train, X_test = x_scaler[^\n]*\n", ""),
            (r"^ *([xX](?:_\w+)?) = \(\1 - \w+\) / \w+\n", ""),
            (r"^ *Normalize\(.*\),\n", ""),
        ),
    ),
    Kind(
        "validation not scaled",
        "The training data are scaled, the validation data are not.",
        ("input-distribution-shift",),
        without(
            "validation_split",
            first(
                (r"^( *[xX]_(?:val|test) = [^\n]*) / 255(\.0)?\n", r"\1\n"),
                (r"^ *([xX]_(?:val|test)) = \w+\.transform\(\1\)\n", ""),
                (r"^ *([xX]_(?:val|test)) = \(\1 - \w+\) / \w+\n", ""),
                (r"^( *X_train), X_test = x_scaler\.transform\(X_train\)[^\n]*\n", r"\1 = x_scaler.transform(X_train)\n"),
                (r"(test_transform = Compose\(\[\n *ToTensor\(\),\n) *Normalize[^\n]*\n", r"\1"),
            ),
        ),
    ),
    Kind(
        "values missing in the inputs",
        "A few rows of the training data have no values.",
        ("nonfinite-inputs/missing-values", "nonfinite-inputs"),
        with_data(lambda place: [f'{place.program.data.x}[{_rows(place)}] = float("nan")']),
    ),
    Kind(
        "values missing in the targets",
        "A few targets are not known.",
        ("nonfinite-inputs/targets",),
        with_data(lambda place: [f'{place.program.data.y}[{_rows(place)}] = float("nan")']),
        NUMBERS,
    ),
    Kind(
        "inputs lost",
        "The inputs are zeros: something overwrote them.",
        ("constant-inputs/constant",),
        with_data(lambda place: [f"{name}[:] = 0" for name in place.program.data.inputs]),
    ),
    Kind(
        "classes counted from 1",
        "The labels begin with 1, the outputs with 0.",
        ("label-range/from-one",),
        without(
            "to_categorical",
            first(
                (r"^( *y = (?:data|bunch)\.target\S*)$", r"\1 + 1"),
                (r"(images, digits\.target)(, test_size)", r"\1 + 1\2"),
                (r"(wine\.data, wine\.target)(, test_size)", r"\1 + 1\2"),
                (r"(torch\.(?:tensor|from_numpy)\(digits\.target)\)", r"\1 + 1)"),
                (r"(pixels\[order\], digits\.target\[order\])", r"\1 + 1"),
                (r"(int\(self\.kinds\[index\]\))", r"\1 + 1"),
            ),
        ),
        CLASSES,
    ),
    Kind(
        "labels -1 and 1",
        "The labels are -1 and 1, the loss expects 0 and 1.",
        ("label-range/minus-one",),
        with_data(lambda place: [f"{name} = {name} * 2 - 1" for name in place.program.data.targets]),
        TWO,
    ),
    Kind(
        "labels of other inputs",
        "The inputs are shuffled, their labels are not.",
        ("no-learning/shuffled-apart",),
        first(
            (r"^X, y = X\[idx\], y\[idx\]$", "X = X[idx]"),
            (r"^(Y = dataset\.target|y = bunch\.target)\[order\]", r"\1"),
            (r"(= pixels\[order\], digits\.target)\[order\]", r"\1"),
            (r"^( *y = torch\.tensor\(digits\.target\))\[order\]", r"\1"),
            (r"^X, side = shuffle\(X, side, (.*)\)$", r"X = shuffle(X, \1)"),
        ),
    ),
    Kind(
        "split without shuffling",
        "The data are sorted by class, and the end of them is split off for the validation.",
        ("unshuffled-data/split", "input-distribution-shift/split"),
        first((r"random_state=seed, stratify=(?:wine\.target|kinds)\b", "shuffle=False")),
    ),
    Kind(
        "dropout of nearly everything",
        "Dropout leaves out nearly all units.",
        ("high-dropout",),
        first(
            (r"(\"dropout\": )0\.\d+", _dropout),
            (r"(\"--dropout\", type=float, default=)0\.\d+", _dropout),
            (r"(\bDropout\()0\.\d+", _dropout),
            (r"(\bhidden_dropout_prob=)0\.\d+", _dropout),
            (r"^(    dropout: float = )0\.\d+", _dropout),
            (r"(\b(?:drop|dropout)(?:: float)?\s?=\s?)0\.\d+", _dropout),
            all_of_it=True,
        ),
    ),
)
