"""Training runs of one program, with the settings in which they differ."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scram_plugin.logs.settings import NAMES, Value, plain, settings_of
from scram_plugin.reviews.model import Review
from scram_plugin.sweeps.conditions import Column

Key: TypeAlias = tuple[str, ...]

FEW = 4  # runs, of which each may have a text of its own that counts; by definition
SHARED = 0.5  # part of the runs whose names must have a key for it to be a setting; by definition
SHORT = {
    "bs": "batch_size",
    "bsz": "batch_size",
    "wd": "weight_decay",
    "do": "dropout",
    "ep": "epochs",
}  # in names of directories
NUMBERED = frozenset(("trial", "run", "version", "exp", "experiment", "job", "events", "part"))  # numbers say nothing
MONTHS = frozenset(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
PAIR = re.compile(rf"([A-Za-z][A-Za-z_.]*)=({NUMBER}(?=[,;_\s/]|$)|[^,;=\s/]+?(?=[,;\s/]|_[A-Za-z_.]+=|$))", re.I)
WORD = re.compile(rf"([A-Za-z]+)[_-]?({NUMBER})", re.I)
LEVEL = "directory"  # what the levels of names are called: "directory 2"


@dataclass(frozen=True)
class SweepGroup:
    """Runs of one program, which is named in words; `settings`: the columns of those in which they differ."""

    program: str
    runs: tuple[Review, ...]
    settings: Mapping[str, Column]
    same: dict[str, Value]  # settings that are the same in all runs


def groups(reviews: Iterable[Review]) -> list[SweepGroup]:
    """The runs by program, the largest group first: the file, if SCRAM recorded it, or the tag of the loss."""
    by_program: dict[Key, list[Review]] = defaultdict(list)
    for review in reviews:
        if review.signals:
            by_program[_program(review)].append(review)
    ordered = sorted(by_program.items(), key=lambda one: -len(one[1]))
    counts = Counter(key[-1] for key, _ in ordered)
    return [_group(key[-1] if counts[key[-1]] == 1 else f"{key[-1]} ({key[0] or 'other'})", runs) for key, runs in ordered]


def _program(review: Review) -> Key:
    if review.program:
        return (f"of {review.program}",)
    first = next((s for name in ("training loss", "batch loss", "return") if (s := review.signals.get(name))), None)
    tag = (first or next(iter(review.signals.values()))).tag
    return (review.framework or "", f"that log {tag}")


def _group(program: str, runs: Sequence[Review]) -> SweepGroup:
    told = [{**named, **run.settings} for run, named in zip(runs, _of_names([run.name for run in runs]), strict=True)]
    names = dict.fromkeys(name for of_run in told for name in of_run)
    columns = {name: [of_run.get(name) for of_run in told] for name in names}
    differ = {name: column for name, column in columns.items() if len(set(column)) > 1 and not _is_name(column)}
    same = {name: column[0] for name, column in columns.items() if len(set(column)) == 1}
    return SweepGroup(program, tuple(runs), differ, same)


def _is_name(column: Column) -> bool:
    """Whether it is another text in each run, as the directory that one writes to."""
    return len(column) > FEW and len(set(column)) == len(column) and all(isinstance(value, str) for value in column)


def _of_names(names: Sequence[str]) -> list[dict[str, Value]]:
    """The settings that the names of directories tell, as ``lr0.01_bs32`` and ``lr=0.01,seed=3`` do, and their levels."""
    found = [_in_name(name) for name in names]
    counts = Counter(key for of_run in found for key in of_run)
    assigned = any("=" in name for name in names)
    often = {key for key, count in counts.items() if count >= SHARED * len(names)}
    shared = {key for key in often if assigned or not _counts(key, found)}
    parts = [name.split("/") for name in names]
    depth = min(map(len, parts), default=0)
    levels = [i for i in range(depth) if 1 < len({of_run[i] for of_run in parts}) < len(names)]
    return [
        {
            **{f"{LEVEL} {i + 1}": of_run[i] for i in levels if not any(_in_name(part[i]) for part in parts)},
            **{key: value for key, value in told.items() if key in shared},
        }
        for of_run, told in zip(parts, found, strict=True)
    ]


def _counts(key: str, found: Sequence[Mapping[str, Value]]) -> bool:
    """Whether it is the number of a run, as in ``PPO_3``: another whole number in each."""
    values = [of_run[key] for of_run in found if key in of_run]
    return key not in NAMES and len(set(values)) == len(values) and all(isinstance(value, int) for value in values)


def _in_name(name: str) -> dict[str, Value]:
    pairs = PAIR.findall(name) or [pair for pair in WORD.findall(name) if pair[0].lower() not in NUMBERED | MONTHS]
    found: dict[str, Value] = {}
    for key, text in pairs:
        value = plain(text)
        if isinstance(value, float) and not math.isfinite(value):
            continue
        known = settings_of([((SHORT.get(key.lower(), key.lower()),), value)], "name")
        found |= {known_as: setting.value for known_as, setting in known.items()} or {key: value}
    return found
