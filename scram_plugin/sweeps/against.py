"""A training run beside runs that are known to be good: at equal steps, also while it trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import RunScore
from scram_plugin.sweeps.better import student

ALIKE = 3  # good runs from which on their spread is known; by definition
ROUNDING = 1e-6  # of the level: that of numbers of 32 bits in a mean of many; IEEE 754
SIGMAS = 3.0  # of the curves' noise, from fewer of them: the three-sigma rule
NEAR = (0.9, 0.95, 1.0)  # times the step: the mean of the curve at these is compared; by definition
Verdict = Literal["worse", "as good", "better", "unknown"]


@dataclass(frozen=True)
class Standing:
    """How a run stands among the good ones, by its measure at a step; `low` to `high` is where another good run would be.

    `new`: ids of checks that found something here and in no good run; `gone`: in every good run, and not here.
    """

    run: str
    verdict: Verdict
    text: str
    measure: str
    step: int | None
    value: float | None
    low: float | None
    high: float | None
    new: list[str]
    gone: list[str]


def standing(run: Review, good: Sequence[Review], titles: Mapping[str, str]) -> Standing:
    """`titles`: those of the checks, by id."""
    found = _found(run)
    of_good = [_found(other) for other in good]
    new = sorted(found - set().union(*of_good))
    gone = sorted(set.intersection(*of_good) - found) if of_good else []
    said = [f"New: {_listed(new, titles)}."] if new else []
    said += [f"Gone: {_listed(gone, titles)}."] if gone else []
    score = run.score
    others = [s for other in good if (s := other.score) is not None and score is not None and _same(s, score)]
    if score is None or not others:
        text = " ".join(["No good run has the same measure.", *said])
        return Standing(run.name, "unknown", text, score.signal if score else "", None, None, None, None, new, gone)
    step = min(score.steps[-1], int(np.median([s.steps[-1] for s in others])))
    value, levels = _at(score, step), np.array([_at(s, step) for s in others])
    with np.errstate(all="ignore"):  # logged values may be arbitrarily large
        low, high = _range(levels, [s.noise for s in others], score.noise)
    below, above = value < low, value > high
    verdict: Verdict = "as good" if not (below or above) else "worse" if below == score.higher else "better"
    verdict = "worse" if score.last is None else verdict  # it is no longer finite
    at = place(score.axis, step)
    where = f"the {score.signal} is {number(value)} at {at}; {counted(len(others), 'good run')} there: {_extent(levels)}"
    text = " ".join([f"{verdict.capitalize()}: {where}.", *said])
    told, least, most = (x if math.isfinite(x) else None for x in (value, low, high))
    return Standing(run.name, verdict, text, score.signal, step, told, least, most, new, gone)


def _found(run: Review) -> set[str]:
    return {finding.heuristic for finding in run.alone if finding.severity != "info"}


def _listed(ids: Sequence[str], titles: Mapping[str, str]) -> str:
    return ", ".join(f"“{titles.get(id_, id_)}”" for id_ in ids)


def _same(one: RunScore, other: RunScore) -> bool:
    """Whether two runs were measured alike, over the same axis."""
    return (one.signal, one.axis) == (other.signal, other.axis)


def _at(score: RunScore, step: int) -> float:
    """The level of a curve up to a step: the mean of what lies near it, between the points that are kept."""
    first = score.steps[0]
    return float(np.mean(np.interp([first + near * (step - first) for near in NEAR], score.steps, score.values)))


def _range(levels: np.ndarray, noises: Sequence[float], own: float) -> tuple[float, float]:
    """Where the level of another good run lies: by the spread of the good ones, else by the noise of the curves."""
    count, middle = len(levels), float(levels.mean())
    rounding = ROUNDING * abs(middle)
    noise = max(SIGMAS * float(np.hypot(own, np.mean(noises))), rounding)
    spread = student(count - 1) * float(levels.std(ddof=1)) * math.sqrt(1 + 1 / count) if count >= ALIKE else 0.0
    return middle - max(spread, noise), middle + max(spread, noise)


def _extent(levels: np.ndarray) -> str:
    low, high = float(levels.min()), float(levels.max())
    return number(low) if low == high else f"{number(low)} to {number(high)}"
