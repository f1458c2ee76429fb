"""What a group of runs shows: which settings go together with its troubles and with its measure, in sentences with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.settings import Value
from scram_plugin.reviews.model import Review
from scram_plugin.sweeps.conditions import Column, Condition, are_numbers, carries, conditions, exact, in_words
from scram_plugin.sweeps.groups import SweepGroup
from scram_plugin.sweeps.measure import scores_in_common
from scram_plugin.sweeps.risks import RISKS
from scram_plugin.sweeps.separate import ALPHA, Separation, separations
from scram_plugin.sweeps.stopping import Stop, could_have_stopped, goal_of
from scram_plugin.sweeps.strength import fisher

TROUBLE = "trouble"  # the outcome that a run has an error or a warning
CARRIES = 8  # runs: of fewer, no condition on one of several settings can be beyond chance; by definition
OF_MEASURE = 0.02  # share of sweeps without a cause in which one of the measure is named, beside `ALPHA`; by definition
MOST_TWINS = 3  # that a sentence names; by definition
SHOWN = 4  # values of a setting that are shown one by one; by definition
LEAST_HOURS = 0.01  # that are told; by definition
FEWEST = 2  # runs with a finding, and without it: one alone shows nothing; by definition


@dataclass(frozen=True)
class Statement:
    """A sentence about an outcome: the id of a check, "trouble", or the signal of the measure.

    `settings` are those that it names; `p` is the share of shuffles in which chance shows as much, of all that was tried.
    `runs` are those in which the condition holds.
    """

    outcome: str
    text: str
    settings: list[str]
    p: float
    runs: list[str]


@dataclass(frozen=True)
class SettingOfGroup:
    """A setting in which the runs differ: its values in words, and "matters" or "nothing seen", "" of too few runs to tell."""

    name: str
    values: str
    verdict: str


@dataclass(frozen=True)
class Study:
    """A group of runs: of which program, how many have an error or a warning, what is said of them, and their settings."""

    program: str
    runs: list[str]
    troubled: int
    measure: str
    statements: list[Statement]
    settings: list[SettingOfGroup]
    same: dict[str, Value]
    note: str
    stops: list[Stop]
    hours: float  # that all runs took

    @property
    def saved(self) -> str:
        """What stopping the runs in time that could not become good would have saved, in a sentence; "" for nothing."""
        if not self.stops:
            return ""
        said = f"{len(self.stops):,} of {counted(len(self.runs), 'run')} could have been stopped before the end"
        hours = sum(one.hours for one in self.stops)
        unit, times = ("hours", 1.0) if self.hours >= 1 else ("minutes", 60.0)
        return (
            f"{said}: {number(times * hours)} of {number(times * self.hours)} {unit}." if hours >= LEAST_HOURS else f"{said}."
        )


def study(
    group: SweepGroup, titles: Mapping[str, str], metric: str = "", goal: float | None = None, risk: float = RISKS[0]
) -> Study:
    """Look for conditions on the settings that go together with what was found. `titles`: those of the checks, by id.

    `metric`: the signal or the tag by which the runs are measured, by default the one that counts for most of them; `goal`: the
    value of it that they should reach, by default what the best quarter did; `risk` that a stopped run would have become good.
    """
    outcomes = dict(_outcomes(group.runs))
    measure, sign, values = _measure(group.runs, metric)
    live = {run.name for run in group.runs if run.live}
    target = goal_of(group.runs, metric, goal, live)
    single = conditions(group.settings)
    decided = {name: _decided(group.runs, name) for name in outcomes}
    found = [one for one in separations(single, outcomes) if _stays(one, outcomes[one.outcome], decided[one.outcome])]
    statements = [_statement(group.runs, one, outcomes[one.outcome], decided[one.outcome], titles) for one in _distinct(found)]
    calm = ~np.any([one.inside for one in found], axis=0) if found else np.ones(len(group.runs), bool)
    if measure:
        statements += _about_measure(group.runs, single, measure, sign, values, calm)
    named = {name for said in statements for name in said.settings}
    return Study(
        program=group.program,
        runs=[run.name for run in group.runs],
        troubled=int(sum(map(_troubled, group.runs))),
        measure=measure,
        statements=statements,
        settings=[_setting(name, column, named) for name, column in group.settings.items()],
        same=group.same,
        note=_note(group, single, statements),
        stops=[one for run in group.runs if target and (one := could_have_stopped(run, target, risk)) is not None],
        hours=sum(sum(score.hours) for run in group.runs if target and (score := run.score_by(target.signal)) is not None),
    )


def _troubled(run: Review) -> bool:
    return any(finding.severity != "info" for finding in run.alone)


def _outcomes(runs: Sequence[Review]) -> Iterator[tuple[str, np.ndarray]]:
    """A truth value for each run, of every finding that some runs have and some have not."""
    found = [{finding.heuristic for finding in run.alone if finding.severity != "info"} for run in runs]
    counts = Counter(heuristic for of_run in found for heuristic in of_run)
    named = [(name, np.array([name in of_run for of_run in found])) for name in counts]
    for name, values in [*named, (TROUBLE, np.array([bool(of_run) for of_run in found]))]:
        if FEWEST <= values.sum() <= len(runs) - FEWEST:
            yield name, values


def _decided(runs: Sequence[Review], outcome: str) -> np.ndarray:
    """Where a check found something or passed: of the other runs nobody knows whether they have the fault. Of trouble as such:
    where there is some, or all checks passed that found any in other runs."""
    found = [{finding.heuristic for finding in run.findings if finding.severity != "info"} for run in runs]
    asked = set().union(*found) if outcome == TROUBLE else {outcome}
    return np.array([bool(of_run & asked) or asked <= set(run.passed) for run, of_run in zip(runs, found, strict=True)])


def _stays(one: Separation, outcome: np.ndarray, decided: np.ndarray) -> bool:
    """Whether a condition goes together with a finding also among the runs of which it could be decided.

    Short logs, of a large batch size for example, decide less: then the condition tells where the check can see, and nothing of
    the fault.
    """
    if decided.all():
        return True
    condition = one.condition.among(decided)
    return carries(condition) and fisher(condition.holds, outcome[decided]) <= ALPHA


def _measure(runs: Sequence[Review], metric: str) -> tuple[str, float, np.ndarray]:
    """The signal by which most runs are measured, and its best value in each times a sign, so that larger ones are better; NaN
    without one."""
    scores = scores_in_common(runs, metric)
    one = next((score for score in scores if score is not None), None)
    if one is None:
        return "", 1.0, np.full(len(runs), np.nan)
    return one.signal, one.sign, np.array([np.nan if score is None else score.sign * score.best for score in scores])


def _distinct(found: Sequence[Separation]) -> list[Separation]:
    """One for each setting, the surest: "an error or a warning" says no more than the finding that it is."""
    kept: dict[tuple[str, ...], Separation] = {}
    for one in found:
        kept.setdefault(one.condition.settings, one)
    return list(kept.values())


def _statement(
    runs: Sequence[Review], one: Separation, outcome: np.ndarray, decided: np.ndarray, titles: Mapping[str, str]
) -> Statement:
    what = "An error or a warning" if one.outcome == TROUBLE else f"“{titles.get(one.outcome, one.outcome)}”"

    def counts(mask: np.ndarray) -> str:
        return f"{int(outcome[mask].sum()):,} of {counted(int(mask.sum()), 'run')}"

    text = f"{what} was found in {counts(one.inside)} with {one.condition.words}, and in {counts(one.outside)} with "
    text += f"{one.condition.negated}."
    for further, where in ((one.within, one.condition.words), (one.beyond, one.condition.negated)):
        if further is not None:
            text += f" Of those with {where}, it was found in {counts(further.inside)} with {further.condition.words}, and in "
            text += f"{counts(further.outside)} with {further.condition.negated}."
    if unknown := int((~decided).sum()):
        text += f" In {counted(unknown, 'run')} it could not be checked."
    return _said(runs, one, text)


def _said(runs: Sequence[Review], one: Separation, text: str) -> Statement:
    names = list(dict.fromkeys(name for part in one.all() for name in part.condition.settings))
    return Statement(
        outcome=one.outcome,
        text=text + _twins(one),
        settings=[*names, *(name for twin in one.twins for name in twin.settings if name not in names)],
        p=one.p,
        runs=[run.name for run, inside in zip(runs, one.inside, strict=True) if inside],
    )


def _twins(one: Separation) -> str:
    if not one.twins:
        return ""
    others = " or ".join(twin.words for twin in one.twins[:MOST_TWINS])
    return f" In these runs {others} goes along with it: which of them it is cannot be told."


def _about_measure(
    runs: Sequence[Review], single: Sequence[Condition], measure: str, sign: float, values: np.ndarray, calm: np.ndarray
) -> Iterator[Statement]:
    """What the measure goes together with, among the runs that no statement before is about."""
    left = [c for condition in single if carries(c := condition.among(calm))]
    some = [run for run, kept in zip(runs, calm, strict=True) if kept]
    for one in separations(left, {measure: values[calm]}, OF_MEASURE):

        def levels(part: Separation) -> list[str]:
            masks = (part.inside, part.outside)
            return [f"{_median(sign * values[calm][mask])} in {counted(int(mask.sum()), 'run')} with" for mask in masks]

        inside, outside = levels(one)
        text = f"The best {measure} has a median of {inside} {one.condition.words}, and of {outside} {one.condition.negated}."
        for further, where in ((one.within, one.condition.words), (one.beyond, one.condition.negated)):
            if further is not None:
                inside, outside = levels(further)
                text += f" Of those with {where}, it is {inside} {further.condition.words}, and {outside} "
                text += f"{further.condition.negated}."
        yield _said(some, one, text)


def _median(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return number(float(np.median(known))) if len(known) else "nothing"


def _setting(name: str, column: Column, named: set[str]) -> SettingOfGroup:
    nothing = "nothing seen" if len(column) >= CARRIES else ""
    return SettingOfGroup(name, _range(column), "matters" if name in named else nothing)


def _range(column: Column) -> str:
    """The values of a setting: "0.0001 to 0.1, 12 values", or the most frequent ones; and in how many runs it is not set."""
    known = [value for value in column if value is not None]
    counts = Counter(known)
    unset = f", not set in {len(column) - len(known):,}" if len(known) < len(column) else ""
    if are_numbers(known) and len(counts) > SHOWN:
        numbers = [float(value) for value in counts if isinstance(value, int | float)]
        return f"{exact(min(numbers))} to {exact(max(numbers))}, {len(counts):,} values{unset}"
    shown = ", ".join(in_words(value) for value, _ in counts.most_common(SHOWN))
    return (shown if len(counts) <= SHOWN else f"{shown}, and {len(counts) - SHOWN:,} more") + unset


def _note(group: SweepGroup, single: Sequence[Condition], statements: Sequence[Statement]) -> str:
    """Why there is no statement, or not more."""
    if len(group.runs) < CARRIES:
        return f"{counted(len(group.runs), 'run')}: too few to tell a setting that matters from chance."
    if not group.settings:
        return "The logs tell no setting in which these runs differ."
    if not statements:
        tried = counted(len({name for one in single for name in one.settings}), "setting")
        return f"No setting goes together with what was found more than chance would have it ({tried} tried)."
    return ""
