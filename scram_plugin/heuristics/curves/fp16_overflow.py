"""Overflow in half precision: the loss is logged as exactly 0 while the gradient norm is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough, highest_rate
from scram_plugin.heuristics.curves.exploding_grad_norm import LOG_NORM
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.limits import FOR_A_LEVEL, TINY
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun

LOSS_ROSE = 1.5  # times the lowest loss so far: so far it rose before the overflow; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    norm, loss = run.signal("gradient norm"), run.signal("training loss")
    if norm is None or loss is None:
        raise NotChecked("no gradient norm was logged together with a training loss", LOG_NORM)
    at = np.isin(norm.steps, loss.steps)
    if not at.any():
        raise NotChecked("the gradient norm and the loss were not logged at the same steps", LOG_NORM)
    norm, loss = norm.where(at), loss.where(np.isin(loss.steps, norm.steps))
    enough(norm, FOR_A_LEVEL, "gradient norm with the loss of the same step")
    bad = (loss.values == 0) & ~np.isfinite(norm.values)
    run.measured("steps with a loss of 0 and a gradient norm that is NaN or infinite", int(bad.sum()), curve=norm)
    begin, end = _longest(bad)
    if end - begin < FOR_A_LEVEL:
        return
    to_the_end = end == len(bad)
    first, unit = int(norm.steps[begin]), norm.axis
    value = "NaN" if np.isnan(norm.values[begin:end]).any() else "infinite"
    before = loss.values[:begin][np.isfinite(loss.values[:begin]) & (loss.values[:begin] != 0)]
    yield Finding(
        severity="error" if to_the_end else "warning",
        confidence="certain",
        title=f"The loss is 0 and the gradient norm {value} from {place(unit, first)} on"
        if to_the_end
        else f"The loss is 0 and the gradient norm {value} at {end - begin} points from {place(unit, first)} on",
        evidence={
            "value": value,
            "count": int(bad.sum()),
            "points": len(bad),
            "first_place": place(unit, first),
            "before": float(before[-1]) if len(before) else None,
            "stays": "It stays so to the end of the log." if to_the_end else None,
        },
        first_step=first,
        last_step=int(norm.steps[end - 1]),
        axis=unit,
        curves=[loss.source(), norm.source()],
        causes=_causes(run, before),
        bad_step=first,
    )


def _longest(bad: np.ndarray) -> tuple[int, int]:
    """[begin, end) of the longest run of true values; of those at the end, if it has enough points."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(int)))
    if not len(edges):
        return 0, 0
    begins, ends = edges[::2], edges[1::2]
    last = ends[-1] == len(bad) and ends[-1] - begins[-1] >= FOR_A_LEVEL
    longest = -1 if last else int(np.argmax(ends - begins))
    return int(begins[longest]), int(ends[longest])


def _causes(run: TrainingRun, before: np.ndarray) -> list[Cause]:
    """Where there was a loss before, labels are not the cause; if it rose, the learning rate is the likeliest."""
    rate = highest_rate(run)
    known = f"The highest learning rate was {number(rate)}." if rate is not None else ""
    if not len(before):
        return [Cause("masked", "It is so from the first logged step on."), Cause("float16"), Cause("learning-rate", "", known)]
    masked = Cause("masked", "", "There was a loss before.")
    lowest = np.minimum.accumulate(before)  # up to each point
    top = int(np.argmax(before / np.maximum(lowest, TINY)))
    low, high = float(lowest[top]), float(before[top])
    if high > LOSS_ROSE * low > 0:
        said = f"The loss rose from {number(low)} to {number(high)} before that. {known}".rstrip()
        return [Cause("learning-rate", said), Cause("float16"), masked]
    return [Cause("float16", "The loss did not rise before that."), Cause("learning-rate", "", known), masked]


HEURISTIC = Heuristic(
    id="fp16-overflow",
    group="curves",
    title_passed="No step lost its loss and its gradient",
    check=check,
    page=Page.beside(__file__),
    needs=("gradient norm", "training loss"),
    order=218,
    explains=(
        "nonfinite-loss",
        "nonfinite-metric",
        "loss-scale-collapse",
        "zero-loss",
        "curve-shape",
        "standstill",
        "signal-flow",
    ),
    precedence=51,
)
