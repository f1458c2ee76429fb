"""A metric, or the validation loss, that is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    names = [
        s
        for s in run.signals
        if s.startswith(("training ", "validation ")) and s not in ("training loss", "training loss part")
    ]
    curves = {name: curve for name in names if (curve := run.signal(name)) is not None}
    if not curves:
        raise NotChecked("no metric was logged", 'model.compile(..., metrics=["accuracy"])')
    for name, curve in curves.items():
        bad = ~np.isfinite(curve.values)
        if bad.any():
            yield _finding(name, curve, bad)


def _finding(name: str, curve: Curve, bad: np.ndarray) -> Finding:
    where = np.flatnonzero(bad)
    first, last, unit = int(curve.steps[where[0]]), int(curve.steps[where[-1]]), curve.axis
    never = bool(bad.all())
    value = "NaN" if np.isnan(curve.values[where[0]]) else "infinite"
    lost = bool(bad[-1]) and not never
    return Finding(
        severity="warning" if lost or name == "validation loss" else "info",
        confidence="certain",
        title=f"{name.capitalize()} is {value}" + (" throughout" if never else f" at {place(unit, first)}"),
        evidence={
            "name": name,
            "value": value,
            "tag": curve.tag,
            "first_place": place(unit, first),
            "bad_points": len(where),
            "points": len(curve),
            "never": "It never had another value, so it may be undefined for this data." if never else None,
            "stayed": "It stayed so to the end." if lost else None,
            "recovered": "It was finite again later." if not bad[-1] else None,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[Cause("undefined", "It was so in every point." if never else ""), Cause("overflow"), Cause("weights")]
        if never or not lost
        else [Cause("weights"), Cause("overflow"), Cause("undefined")],
        bad_step=first,
    )


HEURISTIC = Heuristic(
    id="nonfinite-metric",
    group="curves",
    title_passed="Metrics stayed finite",
    check=check,
    page=Page.beside(__file__),
    needs=("a metric, or validation loss",),
)
