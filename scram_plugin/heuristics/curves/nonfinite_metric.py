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
    run.measured("values of metrics and validation losses looked at", sum(map(len, curves.values())))
    alike: dict[tuple[str, bytes, bytes], list[str]] = {}  # one finding for metrics with the same bad points
    for name, curve in curves.items():
        bad = ~np.isfinite(curve.values)
        if bad.any():
            alike.setdefault((name.split()[0], curve.steps.tobytes(), bad.tobytes()), []).append(name)
    for names in alike.values():
        yield _finding(run, names, curves)


def _finding(run: TrainingRun, names: list[str], curves: Mapping[str, Curve]) -> Finding:
    curve = curves[names[0]]
    bad = ~np.isfinite(curve.values)
    where = np.flatnonzero(bad)
    first, last, unit = int(curve.steps[where[0]]), int(curve.steps[where[-1]]), curve.axis
    side = names[0].split()[0]
    short = [name.removeprefix(f"{side} ") for name in names]
    words = f"{side.capitalize()} " + " and ".join([", ".join(short[:-1]), short[-1]] if len(short) > 1 else short)
    are = "are" if len(names) > 1 else "is"
    never = bool(bad.all())
    value = "NaN" if np.isnan(curve.values[where[0]]) else "infinite"
    lost = bool(bad[-1]) and not never
    loss = "validation loss" in names
    return Finding(
        severity="warning" if lost or loss else "info",
        confidence="certain",
        title=f"{words} {are} {value}" + (" throughout" if never else f" at {place(unit, first)}"),
        evidence={
            "what": f"{words} ({', '.join(curves[name].tag for name in names)}) {are}",
            "value": value,
            "first_place": place(unit, first),
            "bad_points": len(where),
            "points": len(curve),
            "stayed": "The last point is not finite, either." if lost else None,
            "recovered": "The last point is finite again." if not bad[-1] else None,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curves[name].source() for name in names],
        causes=_causes(run, names[0], loss and value == "infinite", never, lost),
        bad_step=first,
    )


def _causes(run: TrainingRun, name: str, log_of_zero: bool, never: bool, lost: bool) -> list[Cause]:
    undefined, overflow, weights = Cause("undefined"), Cause("overflow"), Cause("weights")
    if log_of_zero:
        return [Cause("overflow", "A loss becomes infinite if it takes the logarithm of zero."), weights, undefined]
    if lost:
        return [weights, overflow, undefined]
    if never and "loss" not in name:
        side, metric = name.split(" ", 1)
        other = run.signal(f"{'validation' if side == 'training' else 'training'} {metric}")
        why = "It was never finite."
        if other is not None and np.isfinite(other.values).any():
            why = "On the other data it is finite. Some batches may lack what it needs, for example a positive example."
        return [Cause("undefined", why), overflow, weights]
    return [undefined, overflow, weights]


HEURISTIC = Heuristic(
    id="nonfinite-metric",
    group="curves",
    title_passed="Metrics and validation loss stayed finite",
    check=check,
    page=Page.beside(__file__),
    needs=("a metric, or validation loss",),
    order=220,
    families=("non-finite",),
)
