"""The runs of one program as the tab shows them: what separates the good ones from the bad ones, and the settings of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from scram_plugin.logs.settings import Value
from scram_plugin.reviews.model import Review
from scram_plugin.sweeps.groups import SweepGroup, groups
from scram_plugin.sweeps.study import study

MOST_COLUMNS = 100  # settings that are sent; those that matter come first; for speed


@dataclass(frozen=True)
class SweepProgram:
    """A group of runs that can be shown, in words, and how many they are."""

    name: str
    runs: int


@dataclass(frozen=True)
class Said:
    """What the runs show, with the share of shuffles that show as much. `outcome`: the id of a check, "trouble", or the
    measure; `runs`: the places, in the list of all, of those in which the condition holds."""

    text: str
    chance: float
    outcome: str
    settings: list[str]
    runs: list[int]


@dataclass(frozen=True)
class Stoppable:
    """The place of a run that could have been stopped before its end, and why."""

    run: int
    reason: str


@dataclass(frozen=True)
class SettingColumn:
    """A setting in which the runs differ, with its value in each run, null where it is not set or not known. `verdict`:
    "matters", "nothing seen", or "" of too few runs to tell."""

    name: str
    summary: str
    verdict: str
    values: list[Value]


@dataclass(frozen=True)
class SweepRuns:
    """A group of runs: each has a place in `runs`, in `best` (the best value of the measure, null without one) and in the
    values of every setting."""

    program: str
    runs: list[str]
    troubled: int
    measure: str
    higher: bool
    best: list[float | None]
    statements: list[Said]
    note: str
    saved: str
    stops: list[Stoppable]
    settings: list[SettingColumn]
    left_out: int
    same: dict[str, Value]


@dataclass(frozen=True)
class Sweep:
    """`sweep?program=`: the programs with several runs, the largest group first, and the runs of one; null: none."""

    programs: list[SweepProgram]
    shown: SweepRuns | None


class Sweeps:
    """Answers in JSON. One of thousands of runs takes seconds; who asks meanwhile gets the same, until a review changes.

    `titles`: those of the checks, by id.
    """

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles, self._lock = titles, threading.Lock()
        self._last: tuple[tuple[int, str], bytes] = (-1, ""), b""

    def answer(self, changes: int, reviews: Sequence[Review], program: str) -> bytes:
        """`changes`: a number that is another one whenever a review has changed."""
        with self._lock:
            if self._last[0] != (changes, program):
                self._last = (changes, program), _encoded(sweep(reviews, program, self._titles))
            return self._last[1]


def _encoded(answer: Sweep) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:  # a name that is no text: slower, with its bytes as escapes
        return json.dumps(msgspec.to_builtins(answer), allow_nan=False).encode()


def sweep(reviews: Sequence[Review], program: str, titles: Mapping[str, str]) -> Sweep:
    """`program`: the name of a group, by default the largest. `titles`: those of the checks, by id."""
    several = [group for group in groups(reviews) if len(group.runs) > 1]
    chosen = next((group for group in several if group.program == program), several[0] if several else None)
    return Sweep(
        programs=[SweepProgram(group.program, len(group.runs)) for group in several],
        shown=_runs(chosen, titles) if chosen is not None else None,
    )


def _runs(group: SweepGroup, titles: Mapping[str, str]) -> SweepRuns:
    found = study(group, titles)
    place = {run.name: i for i, run in enumerate(group.runs)}
    scores = [run.score_by(found.measure) for run in group.runs]
    columns = sorted(found.settings, key=lambda setting: setting.verdict != "matters")
    return SweepRuns(
        program=group.program,
        runs=found.runs,
        troubled=found.troubled,
        measure=found.measure,
        higher=any(score is not None and score.higher for score in scores),
        best=[score.best if score is not None and found.measure else None for score in scores],
        statements=[
            Said(one.text, one.p, one.outcome, one.settings, [place[name] for name in one.runs]) for one in found.statements
        ],
        note=found.note,
        saved=found.saved,
        stops=[Stoppable(place[one.run], one.text) for one in found.stops],
        settings=[
            SettingColumn(one.name, one.values, one.verdict, list(group.settings[one.name])) for one in columns[:MOST_COLUMNS]
        ],
        left_out=max(len(columns) - MOST_COLUMNS, 0),
        same=found.same,
    )
