"""Whether one group of runs is better than another, and whether the difference may be chance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scram_plugin.heuristics.words import counted, number
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import RunScore

SURE = 0.95  # share of intervals that hold the true difference; by convention (Neyman 1937)
OF_NORMAL = 1.96  # standard errors of such an interval of a normal variable; by definition
ROUNDING = 1e-6  # of the largest value: that of numbers of 32 bits in a mean of many; IEEE 754
MOST_BY_CHANCE = 0.05  # p above which a difference may be chance; Fisher 1925
FEWEST_FOR_P = 4  # runs of each group: of fewer, no division can be as rare; by definition
MOST_DIVISIONS = 20_000  # of the runs into two groups that are all tried; of more, as many are drawn; for speed
SEED = 20_201_028  # of those; the same runs have the same answer; by definition
WIDEST = 400.0  # standard errors up to which Student's distribution is summed, and the steps of that; by definition
STEPS = 400_001
Verdict = Literal["better", "worse", "unsure"]


@dataclass(frozen=True)
class Difference:
    """The second group against the first, in the unit of the measure: `level` of both, their difference, and its interval.

    `of`: "best" or "last"; `seeds`: the numbers of runs; `p`: the share of divisions of all runs into two groups that differ as
    much, None where there is one run in a group.
    """

    measure: str
    of: Literal["best", "last"]
    levels: tuple[float, float]
    difference: float
    low: float
    high: float
    seeds: tuple[int, int]
    p: float | None
    verdict: Verdict
    text: str


def difference(
    first: Sequence[Review], second: Sequence[Review], of: Literal["best", "last"] = "best", metric: str = ""
) -> Difference | None:
    """None where no measure was logged by runs of both groups. `metric`: the signal or the tag of it, if one is wanted."""
    scores = [[score for run in group if (score := run.score_by(metric)) is not None] for group in (first, second)]
    shared = {s.signal for s in scores[0]} & {s.signal for s in scores[1]}
    if not shared:
        return None
    signal = max(sorted(shared), key=lambda name: sum(s.signal == name for group in scores for s in group))
    kept = [[s for s in group if s.signal == signal] for group in scores]
    values = [np.array([_value(s, of) for s in group]) for group in kept]
    values = [v[np.isfinite(v)] for v in values]
    if not all(map(len, values)):
        return None
    a, b = (float(v.mean()) for v in values)
    largest = float(max(np.abs(v).max() for v in values)) or 1.0
    error = largest * _error(kept, values, largest)
    low, high = b - a - error, b - a + error
    alone = min(map(len, values)) == 1
    p = None if alone else _chance(*values)
    apart = (low > 0 or high < 0) and (p is None or p <= MOST_BY_CHANCE or min(map(len, values)) < FEWEST_FOR_P)
    verdict: Verdict = "unsure" if not apart else "better" if (b > a) == kept[0][0].higher else "worse"
    return Difference(
        measure=signal,
        of=of,
        levels=(a, b),
        difference=b - a,
        low=low,
        high=high,
        seeds=(len(values[0]), len(values[1])),
        p=p,
        verdict="unsure" if alone else verdict,
        text=_text(signal, of, (a, b), error, (len(values[0]), len(values[1])), verdict),
    )


def _value(score: RunScore, of: str) -> float:
    value = score.best if of == "best" else score.last
    return math.nan if value is None else value


def _error(kept: Sequence[Sequence[RunScore]], values: Sequence[np.ndarray], unit: float) -> float:
    """Half of the interval of the difference, in a unit: by Welch (1947) from several runs of each group that differ, else from
    the curves' noise."""
    variances = [float((v / unit).var(ddof=1)) / len(v) if len(v) > 1 else 0.0 for v in values]
    total = sum(variances)
    if min(map(len, values)) > 1 and total > ROUNDING**2:
        freedom = total**2 / sum(x**2 / (len(v) - 1) for x, v in zip(variances, values, strict=True) if x > 0)
        return student(freedom) * math.sqrt(total)
    noises = [np.mean([(s.noise / unit) ** 2 for s in group]) / len(group) for group in kept]
    return max(OF_NORMAL * math.sqrt(float(sum(noises))), ROUNDING)


def student(freedom: float) -> float:
    """How many standard errors an interval of Student's distribution (1908) reaches to each side."""
    x = np.linspace(0.0, WIDEST, STEPS)
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(log - (freedom + 1) / 2 * np.log1p(x * x / freedom))
    inside = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)]) * (x[1] - x[0])
    return float(np.interp(SURE / 2, inside, x))


def _chance(first: np.ndarray, second: np.ndarray) -> float:
    """The share of divisions into groups of these sizes whose means differ as much (Fisher 1935)."""
    together, size = np.concatenate([first, second]), len(first)
    if math.comb(len(together), size) <= MOST_DIVISIONS:
        chosen = np.array(list(itertools.combinations(range(len(together)), size)))
    else:
        draws = np.random.default_rng(SEED)
        chosen = np.array([draws.permutation(len(together))[:size] for _ in range(MOST_DIVISIONS)])
    sums = together[chosen].sum(axis=1)
    means = sums / size - (together.sum() - sums) / len(second)
    seen = abs(first.mean() - second.mean())
    return float(np.mean(np.abs(means) >= seen - 1e-12 * max(1.0, abs(seen))))


def _text(measure: str, of: str, levels: tuple[float, float], error: float, seeds: tuple[int, int], verdict: Verdict) -> str:
    a, b = levels
    gap = abs(b - a)
    said = f"The {of} {measure} is {number(b)} against {number(a)}"
    if min(seeds) > 1:
        runs = f"{counted(seeds[1], 'run')} against {seeds[0]}"
        interval = (
            f"a difference of {number(b - a)}, from {number(b - a - error)} to {number(b - a + error)} with 95 % certainty"
        )
        end = "which may be chance" if verdict == "unsure" else f"which is {verdict}"
        return f"{said} ({runs}): {interval}, {end}."
    if gap <= error:
        return f"{said}: one run of a group, and a difference of {number(gap)} is within the noise of these curves."
    return (
        f"{said}: a difference of {number(gap)} is larger than the noise of these curves ({number(error)}), but one run does "
        "not show what other seeds would give."
    )
