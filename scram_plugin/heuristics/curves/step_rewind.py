"""Step numbers that jump back: a restart, a resumed training, or two writers in one directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import LOG_LOSS
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.series import Series
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.logs.trainings import SIGNALS, levels


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curves = [curve for signal in SIGNALS if (curve := run.signal(signal)) is not None]
    if not curves:
        raise NotChecked("no loss was logged", LOG_LOSS)
    jumps = [np.flatnonzero(np.diff(run.series(curve).steps) < 0) for curve in curves]
    curve, back = max(zip(curves, jumps, strict=True), key=lambda one: len(one[1]))
    run.measured("jumps back of the step numbers", len(back), above=0 if run.is_last else None, curve=curve)
    if not len(back) or not run.is_last:
        return
    series = run.series(curve)
    before, after = int(series.steps[back[-1]]), int(series.steps[back[-1] + 1])
    alternating = _alternate(series.wall_times, back)
    unit = curve.axis
    yield Finding(
        severity="info",
        confidence="certain",
        title="Step numbers jump back" + (f" {len(back)} times" if len(back) > 1 else ""),
        evidence={
            "from_place": place(unit, before),
            "to_place": place(unit, after),
            "last_time": f"{len(back)} times, the last time " if len(back) > 1 else "",
            "superseded": len(series) - len(curve),
            "kept": len(curve),
            "alternating": "The wall times of the points overlap: two programs wrote at once." if alternating else None,
        },
        first_step=after,
        last_step=max(before, after),
        axis=unit,
        curves=[curve.source()],
        causes=_causes(alternating, _begins_anew(series, int(back[-1]))),
        bad_step=after,
    )


def _causes(alternating: bool, anew: str) -> list[Cause]:
    """`alternating`: two programs wrote at once; `anew`: what says that another training began."""
    if alternating:
        return [Cause("two-writers"), Cause("rerun"), Cause("resumed")]
    if anew:
        return [Cause("rerun", anew), Cause("resumed"), Cause("two-writers")]
    return [Cause("resumed"), Cause("rerun"), Cause("two-writers")]


def _alternate(wall_times: np.ndarray, back: np.ndarray) -> bool:
    """Whether points after a jump back are older than points before it, as in the files of two writers."""
    return any(wall_times[i + 1] < wall_times[: i + 1].max() for i in back)


def _begins_anew(series: Series, end: int) -> str:
    """Evidence that after point `end` another training began: at the first step, or with a loss as high as at the start."""
    if series.steps[end + 1] > series.steps[0]:
        return ""
    first, last, after = levels(series, 0, end + 1)
    if np.isfinite((first, last, after)).all() and last < first and after > (first + last) / 2:
        told = f"it was {number(last)} before the jump, {number(after)} after it, and {number(first)} at the very start."
        return f"The loss starts again, too: {told}"
    return "The step numbers start again at the first one."


HEURISTIC = Heuristic(
    id="step-rewind",
    group="curves",
    title_passed="Step numbers do not jump back",
    check=check,
    page=Page.beside(__file__),
    needs=("training loss",),
    order=360,
    whole_training=True,
)
