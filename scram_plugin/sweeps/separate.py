"""What separates runs with an outcome from those without: a condition on one setting, or on two.

The rules are those of a conditional inference tree of depth two (Hothorn, Hornik and Zeileis 2006): the strongest condition is
taken only if outcomes that are shuffled among the runs have one as strong, of all conditions and all outcomes, in at most
`ALPHA` of the shuffles (Westfall and Young 1993). The same is asked again of the runs on both sides of it. Two settings that
show nothing alone are tried together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scram_plugin.sweeps.conditions import Condition, carries, pairs
from scram_plugin.sweeps.strength import strengths

ALPHA = 0.03  # share of sweeps without a cause in which one is named; below the usual 0.05 (Fisher 1925); by bench-sweeps
OF_ONE = 0.6  # part of it that is for conditions on one setting, the rest is for two; by bench-sweeps
WORTH_PAIRS = 300  # runs: of more, either of two causes shows alone; by bench-sweeps
SHUFFLES = 999  # which tell a p-value of 0.05 to 0.007; Phipson and Smyth 2010
FEWER = 199  # of many runs, of which what counts is far from chance; to 0.015
MANY = 2000  # runs; for speed
SEED = 20_201_027  # of the shuffles: the same runs have the same answer; by definition
AS_STRONG = 2.0  # of a condition that is simpler than the strongest one, in its logarithm less; by bench-sweeps
APART = 1.96  # z of a condition among runs for which the other one is the same; two-sided 0.05 of the normal distribution
LARGEST = 4_000_000  # conditions times shuffles that are computed at once; by definition
EQUAL = 1e-9  # difference of two logarithms that are equal but for rounding; by definition


@dataclass(frozen=True, eq=False)
class Separation:
    """A condition that goes together with an outcome.

    `inside` and `outside` are masks of all runs. `twins`: conditions on other settings that do as well in these runs, so that
    nobody can tell which of them it is. `within` and `beyond`: what separates the runs inside further, and those outside.
    """

    outcome: str
    condition: Condition
    inside: np.ndarray
    outside: np.ndarray
    p: float
    strength: float
    twins: tuple[Condition, ...] = ()
    within: Separation | None = None
    beyond: Separation | None = None

    def all(self) -> Iterator[Separation]:
        yield self
        for further in (self.within, self.beyond):
            if further is not None:
                yield from further.all()


def separations(single: Sequence[Condition], outcomes: Mapping[str, np.ndarray], alpha: float = ALPHA) -> list[Separation]:
    """The outcomes for which a condition was found, the surest first; `single` are the conditions on one setting.

    Outcomes are a value for each run: a truth value, or a number of which only the order counts, NaN as the lowest.
    """
    values = {name: of if of.dtype == bool else _ranks(of) for name, of in outcomes.items()}
    found = [_deeper(one, single, values[one.outcome], alpha / 2) for one in _strongest(single, values, OF_ONE * alpha)]
    left = {name: of for name, of in values.items() if name not in {one.outcome for one in found}}
    if single and len(single[0].holds) <= WORTH_PAIRS:
        found += _strongest(pairs(single), left, (1 - OF_ONE) * alpha)
    return sorted(found, key=lambda one: (one.p, -one.strength))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 on; equal values have the mean of theirs."""
    _, of, counts = np.unique(np.nan_to_num(values, nan=-np.inf), return_inverse=True, return_counts=True)
    means = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(means[of])


def _strongest(conditions: Sequence[Condition], outcomes: Mapping[str, np.ndarray], alpha: float) -> list[Separation]:
    """The strongest condition for each outcome that has one."""
    varied = {name: values for name, values in outcomes.items() if len(values) and values.min() < values.max()}
    if not conditions or not varied:
        return []
    holds = np.array([condition.holds for condition in conditions])
    chance = _by_chance(holds, list(varied.values()))
    limit = float(np.quantile(chance, 1 - alpha))
    found = []
    for name, values in varied.items():
        strong = strengths(holds, values[:, None])[:, 0]
        p = (1 + np.count_nonzero(chance >= strong.max() - EQUAL)) / (1 + len(chance))
        if p <= alpha:
            found.append(_separation(name, values, conditions, strong, float(p), limit))
    return found


def _by_chance(holds: np.ndarray, outcomes: Sequence[np.ndarray]) -> np.ndarray:
    """The strongest of all conditions and outcomes in each shuffle; the outcomes of a run stay together."""
    draws, runs = np.random.default_rng(SEED), holds.shape[1]
    orders = np.array([draws.permutation(runs) for _ in range(SHUFFLES if runs <= MANY else FEWER)])
    step = max(1, LARGEST // len(holds))
    parts = [orders[at : at + step] for at in range(0, len(orders), step)]
    counted = holds.astype(np.float32)  # once for all
    different = list({outcome.tobytes(): outcome for outcome in outcomes}.values())  # "trouble" may be one finding alone
    return np.concatenate([np.max([strengths(counted, o[part].T).max(axis=0) for o in different], axis=0) for part in parts])


def _separation(
    name: str, outcome: np.ndarray, conditions: Sequence[Condition], strong: np.ndarray, p: float, limit: float
) -> Separation:
    """The strongest condition, or one that is simpler and nearly as strong, with those that cannot be told from it."""
    enough = [i for i in range(len(strong)) if strong[i] >= max(strong.max() - AS_STRONG, limit)] or [int(strong.argmax())]
    best = min(enough, key=lambda i: (conditions[i].ends, -strong[i]))
    condition = conditions[best]
    others: dict[tuple[str, ...], int] = {}
    for i in np.argsort(-strong, kind="stable"):
        if strong[i] >= limit and not set(conditions[i].settings) & set(condition.settings):
            others.setdefault(conditions[i].settings, int(i))
    twins = tuple(conditions[i] for i in others.values() if not _is_left(outcome, condition.holds, conditions[i].holds))
    return Separation(name, condition, condition.holds, ~condition.holds, p, float(strong[best]), twins)


def _is_left(outcome: np.ndarray, holds: np.ndarray, given: np.ndarray) -> bool:
    """Whether a condition still goes together with the outcome where another one is the same (Mantel and Haenszel 1959)."""
    difference = variance = 0.0
    for stratum in (given, ~given):
        of, here = outcome[stratum].astype(float), holds[stratum]
        runs, inside = len(of), int(here.sum())
        if runs > 1 and 0 < inside < runs:
            difference += of[here].sum() - inside * of.mean()
            variance += inside * (runs - inside) / (runs - 1) * of.var()
    return bool(variance > 0 and abs(difference) >= APART * np.sqrt(variance))


def _deeper(one: Separation, single: Sequence[Condition], outcome: np.ndarray, alpha: float) -> Separation:
    """With what separates the runs on each side further."""
    sides = []
    for runs in (one.inside, one.outside):
        left = [c for condition in single if carries(c := condition.among(runs))]
        found = _strongest(left, {one.outcome: outcome[runs]}, alpha)
        sides.append(_of_all(found[0], runs) if found else None)
    return replace(one, within=sides[0], beyond=sides[1])


def _of_all(one: Separation, runs: np.ndarray) -> Separation:
    """A separation among some runs, with masks of all of them."""
    inside, outside = np.zeros_like(runs), np.zeros_like(runs)
    inside[runs], outside[runs] = one.inside, one.outside
    return replace(one, inside=inside, outside=outside)
