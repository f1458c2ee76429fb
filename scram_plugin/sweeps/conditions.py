"""Conditions on the settings of runs, each with the runs in which it holds: ``learning rate ≥ 0.03``, ``optimizer Adam``."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.settings import Value

Column: TypeAlias = Sequence[Value]  # the values of one setting, one for each run; None: not set, or not known

LEAST_RUNS = 2  # in which a condition holds, and in which it does not: one run shows nothing; by definition
LEAST_SHARE = 0.02  # of all runs, likewise: a rule about fewer is an exception; by definition
MOST_CUTS = 12  # places at which the values of a setting are cut: finer ones change no sentence; by bench-sweeps
MOST_ENDS = 8  # places at which a range begins or ends; there are as many ranges as pairs of them; by bench-sweeps
MOST_IN_PAIRS = 3  # conditions of a setting that are combined with those of others; by bench-sweeps
MOST_CHOICES = 30  # values of a setting that is no number; one with more is a name; by definition
LARGEST_WHOLE = 1e15  # a float that is a whole number is written as one below that; by definition
MOST_PAIRS = 5000  # conditions on two settings: of more settings than give these, none are combined; for speed
NAMED = ("seed",)  # numbers that name something: a larger one is not more


@dataclass(frozen=True, eq=False)
class Condition:
    """What may hold for the `settings`, in words, and what holds for the others, likewise.

    `holds`: a truth value for each run. `ends`: how many numbers the condition needs; fewer are simpler.
    """

    settings: tuple[str, ...]
    words: str
    negated: str
    holds: np.ndarray
    ends: int = 1

    def among(self, runs: np.ndarray) -> Condition:
        """The condition among some of the runs, given as a mask."""
        return replace(self, holds=self.holds[runs])

    @property
    def opposite(self) -> Condition:
        return replace(self, words=self.negated, negated=self.words, holds=~self.holds)


def conditions(settings: Mapping[str, Column]) -> list[Condition]:
    """All conditions on one setting that enough of the runs are on either side of."""
    return [one for name, column in settings.items() for one in _of(name, column) if carries(one)]


def pairs(single: Sequence[Condition]) -> list[Condition]:
    """Conditions on two settings that must both hold, made of those on one; "either of two" is the opposite of such a one."""
    chosen: list[Condition] = []
    for _, of_setting in itertools.groupby((one for one in single if one.ends == 1), key=lambda one: one.settings):
        several = list(of_setting)
        places = np.unique(np.linspace(0, len(several) - 1, MOST_IN_PAIRS + 2).round()[1:-1].astype(int))
        chosen += several if len(several) <= MOST_IN_PAIRS else [several[at] for at in places]
    sides = [side for one in chosen for side in (one, one.opposite)]
    if len(sides) ** 2 > 2 * MOST_PAIRS:
        return []
    both = itertools.combinations(sides, 2)
    met = (_both(one, other) for one, other in both if one.settings != other.settings)
    return [one for one in met if carries(one)]


def _both(one: Condition, other: Condition) -> Condition:
    settings, words = one.settings + other.settings, f"{one.words} and {other.words}"
    return Condition(settings, words, f"{one.negated} or {other.negated}", one.holds & other.holds, one.ends + other.ends)


def carries(condition: Condition) -> bool:
    """Whether enough runs are on each side of a condition."""
    runs, inside = len(condition.holds), int(condition.holds.sum())
    return max(LEAST_RUNS, LEAST_SHARE * runs) <= inside <= runs - max(LEAST_RUNS, LEAST_SHARE * runs)


def are_numbers(values: Iterable[Value]) -> bool:
    """Whether all are numbers, which truth values are not."""
    return set(map(type, values)) <= {int, float}


def _of(name: str, column: Column) -> Iterator[Condition]:
    known = [value for value in column if value is not None]
    name = one_line(name)
    if name not in NAMED and len(known) > 1 and are_numbers(known):
        yield from _of_numbers(name, column)
    else:
        yield from _of_choices(name, column)
    if 0 < len(known) < len(column):
        yield Condition((name,), f"{name} set", f"{name} not set", np.array([value is not None for value in column]))


def _of_choices(name: str, column: Column) -> Iterator[Condition]:
    """One for each value; for two values one is enough."""
    counts = Counter(value for value in column if value is not None)
    if not 1 < len(counts) <= MOST_CHOICES:
        return
    chosen = sorted(counts, key=lambda value: (counts[value], str(value)))
    for value in chosen[:1] if len(counts) == 2 else chosen:
        holds = np.array([other is not None and other == value for other in column])
        negated = _equal(name, chosen[1]) if len(counts) == 2 else f"another {name}"
        yield Condition((name,), _equal(name, value), negated, holds)


def exact(value: float) -> str:
    """A setting as it was given: a limit that is rounded would hold for other runs."""
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.10g}"


def in_words(value: Value) -> str:
    """A setting as sentences and lists have it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return exact(value) if isinstance(value, int | float) else one_line(str(value))


def _equal(name: str, value: Value) -> str:
    return f"{name} {in_words(value)}"


def _of_numbers(name: str, column: Column) -> Iterator[Condition]:
    values = np.array([np.nan if value is None else float(value) for value in column])  # a comparison with NaN is false
    distinct = np.unique(values[np.isfinite(values)])
    for low in _cuts(values, distinct[1:], MOST_CUTS):
        yield Condition((name,), f"{name} ≥ {exact(low)}", f"{name} < {exact(low)}", values >= low)
    ends = _cuts(values, distinct[1:], MOST_ENDS)  # a range from the smallest value on is the other side of a cut
    for low, high in itertools.combinations(ends, 2):
        inside = (values >= low) & (values < high)
        said = exact(low) if low == (top := values[inside].max()) else f"from {exact(low)} to {exact(top)}"
        yield Condition((name,), f"{name} {said}", f"another {name}", inside, 2)


def _cuts(values: np.ndarray, distinct: np.ndarray, most: int) -> list[float]:
    """Some of the values, such that about as many runs lie between any two that follow each other."""
    if len(distinct) <= most:
        return [float(value) for value in distinct]
    places = np.nanquantile(values, np.linspace(0, 1, most + 2)[1:-1], method="closest_observation")
    return [float(value) for value in np.unique(places[places > np.nanmin(values)])]
