"""Spikes: the training loss jumps far above its level and recovers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_clipping
from scram_plugin.heuristics.curves.checkable import loss, rate_as_cause
from scram_plugin.heuristics.curves.noise import median, noise, reflected, sliding_medians
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, by_evidence
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        20,
        "points of the training loss that are needed to know the level around a spike",
        CALIBRATED,
    ),
    Option(
        "height",
        1.0,
        "smallest height of a spike above the level around it, as a fraction of that level (1: twice the level)",
        CALIBRATED,
    ),
    Option(
        "noise_factor",
        10.0,
        "smallest height of a spike above that level, in standard deviations of the curve's noise",
        CALIBRATED,
    ),
)
START = 0.1  # share of the curve, at its start, in which spikes are part of the warm-up; by bench-limits
LEFT_BEHIND = 0.05  # of the loss before a spike: if it never comes that close again, the spike did harm; by bench-limits
TAIL = 5  # short spikes: more than that are not single accidents; by bench-limits
APART = 2.0  # times the highest point that is not a spike: smaller spikes are part of the noise; by bench-limits
RETURN = 5  # points after the last spike in which the loss may recover; by bench-limits
LONG = 0.02  # share of the curve: a spike that lasts longer has cost training time, and is a warning; by bench-limits
BEFORE = 9  # points before a spike of which the level is the median; by bench-limits
BEFORE_FIRST = 5  # points before the first spike, which may be near the start; by bench-limits
NEXT_TO = 7  # points around a spike that do not count as other points; by bench-limits
WINDOW = (4, 100)  # points on each side of which a level is the median: at least, and at most; by bench-limits
WINDOW_PART = 20  # of the points of the curve: one part on each side; by bench-limits
VERY_LONG = 100_000  # points: in longer curves the level is computed at some of them and interpolated in between; for speed
SKIPPED = 5  # of so many parts of a window one level is computed: neighbours share nearly all their values; for speed


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    values, steps = curve.values, curve.steps
    around = _level(values)
    height = values - around
    sigma = noise(values)
    high = (height > options["noise_factor"] * sigma) & (height > options["height"] * np.abs(around))
    begin = max(2, int(START * len(values)))
    high[:begin] = False
    high[-2:] = False  # it is not known yet whether the loss recovers
    if not high.any():
        if len(values) > begin + 2:
            _note_highest(run, options, curve, begin + int(np.argmax(height[begin:-2])), around, sigma)
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(int), [0]])))
    spikes = edges.reshape(-1, 2)
    longest = int(np.max(spikes[:, 1] - spikes[:, 0]))
    highest = int(np.argmax(np.where(high, height, -np.inf)))
    begins = int(spikes[np.searchsorted(spikes[:, 0], highest, side="right") - 1, 0])
    level_before = median(values[max(begins - BEFORE, 0) : begins])
    unit = curve.axis
    lasting = longest >= max(FOR_A_LEVEL, LONG * len(values))
    before, best_after = _level_before_and_after(values, spikes)
    lost = best_after is not None and best_after - before > max(SIGMAS * sigma, LEFT_BEHIND * abs(before))
    others = height[~np.convolve(high, np.ones(NEXT_TO), "same").astype(bool)]  # nor next to a spike
    beside = APART * np.max(others[int(START * len(others)) :], initial=0.0)
    if not lasting and not lost and (len(spikes) > TAIL or height[highest] < beside):
        if height[highest] < beside:
            what, times = "highest spike, in multiples of the highest other point", APART * height[highest] / beside
            run.measured(what, times, above=APART, curve=curve)
        return  # many points are nearly as high: the loss itself is that noisy, because of small batches, for example
    if values.min() < 0 < values.max():
        lasting = lost = False  # as with policy gradients: the level of such a loss does not show what was lost
    certain = height[highest] > 2 * options["noise_factor"] * sigma and height[highest] > 2 * abs(around[highest])
    yield Finding(
        severity="warning" if lasting or lost else "info",
        confidence="likely" if lasting or certain else "possible",
        title=f"The training loss spiked at {place(unit, int(steps[highest]))}"
        + (f" and {counted(len(spikes) - 1, 'more time')}" if len(spikes) > 1 else ""),
        evidence={
            "count": len(spikes) if len(spikes) > 1 else None,
            "highest_place": place(unit, int(steps[highest])),
            "highest": float(values[highest]),
            "around": level_before,
            "times": float(values[highest] / level_before) if level_before > 0 else None,
            "longest": longest if longest > 1 else None,
            "lasts": "It lasted" if len(spikes) == 1 else "The longest one lasted",
            "lost": f"Before the spike{'s' * (len(spikes) > 1)} the loss was {number(before)}; since then it has "
            f"not fallen below {number(best_after)}."
            if lost and best_after is not None
            else None,
            "noise": sigma,
        },
        first_step=int(steps[spikes[0, 0]]),
        last_step=int(steps[spikes[-1, 1] - 1]),
        axis=unit,
        curves=[curve.source()],
        causes=by_evidence([Cause("bad-batches"), rate_as_cause(run), no_clipping(run)]),
        bad_step=int(steps[highest]),
        since=int(steps[spikes[0, 0]]),
    )


def _note_highest(
    run: TrainingRun, options: Mapping[str, Any], curve: Curve, top: int, around: np.ndarray, sigma: float
) -> None:
    """The highest point, which is no spike: by its level, or else by the noise."""
    what, height, level = "height of the highest peak of the training loss", curve.values[top] - around[top], abs(around[top])
    if level and height <= options["height"] * level:
        what, share = f"{what}, relative to the level around it", height / level
        run.measured(what, share, above=options["height"], percent=True, curve=curve)
    elif sigma > 0:
        what, times = f"{what}, in standard deviations of its noise", height / sigma
        run.measured(what, times, above=options["noise_factor"], curve=curve)


def _level_before_and_after(values: np.ndarray, spikes: np.ndarray) -> tuple[float, float | None]:
    """(level before the first spike, lowest level of three points after the last one, or None if too few points follow)."""
    first, last = int(spikes[0, 0]), int(spikes[-1, 1])
    before = median(values[max(first - BEFORE_FIRST, 0) : first])
    if len(values) - last < RETURN:
        return before, None
    return before, float(sliding_medians(values[last:], FOR_A_LEVEL).min())


def _level(values: np.ndarray) -> np.ndarray:
    """The median of a tenth of the curve around each point, at least 9 and at most 201 points."""
    half = min(max(WINDOW[0], len(values) // WINDOW_PART), WINDOW[1])
    padded = reflected(values, half)
    if len(values) <= VERY_LONG:
        return sliding_medians(padded, 2 * half + 1)
    every = half // SKIPPED
    known = sliding_medians(padded, 2 * half + 1, every)
    return np.asarray(np.interp(np.arange(len(values)), np.arange(0, len(values), every), known))


HEURISTIC = Heuristic(
    id="loss-spike",
    group="curves",
    title_passed="No spikes in the training loss",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=270,
    families=("curve-shape", "unrest"),
    whole_training=True,
)
