"""The first picture of a training run: which curves it has, by the kind of the training. It is shown whatever was found."""

from __future__ import annotations

import re

from scram_plugin.heuristics.guessing import guessing
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.kinds import MEAN_PRECISION, Kind
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Chart, Overview
from scram_plugin.reviews.pictures import described, labels, wants_log

LOSSES = "(training|validation) loss"
# One row is one chart: a regular expression for the names of its signals. The first row is the largest.
ROWS: dict[Kind, tuple[str, ...]] = {
    "supervised": (LOSSES, "(training|validation) accuracy"),
    "language model": (LOSSES, "(training|validation) token accuracy"),
    "preference": ("reward margin", "(chosen|rejected) log-probability", LOSSES),
    "group-relative policy": ("return", "reward spread", "completion length", "truncated completions"),
    "reinforcement": ("return", "value loss", "policy loss"),
    "detection": (LOSSES, MEAN_PRECISION.pattern),
    "adversarial": ("adversarial loss", LOSSES),
}
MOST_IN_A_CHART = 4  # curves: more cannot be told apart in a low chart; by definition


def overview(run: TrainingRun) -> Overview | None:
    """The charts of the rows that were logged, all over the axis of the first one; None if there is none."""
    rows = [row for pattern in ROWS[run.training] if (row := _logged(run, pattern))]
    if not rows:
        return None
    axis = next(iter(rows[0].values())).axis
    same = [{name: curve for name, curve in row.items() if curve.axis == axis} for row in rows]
    steps = [int(curve.steps[end]) for row in same for curve in row.values() for end in (0, -1)]
    return Overview(axis, (min(steps), max(steps)), tuple(_chart(run, row, axis) for row in same if row))


def _logged(run: TrainingRun, pattern: str) -> dict[str, Curve]:
    """The curves of the signals of a row, by their names; those of opponents by their tags."""
    found = {name: curve for name in run.signals if re.fullmatch(pattern, name) and (curve := run.signal(name)) is not None}
    if "adversarial loss" in found:
        curves = run.every("adversarial loss")
        found = dict(zip(labels([curve.source() for curve in curves]), curves, strict=True))
    return dict(list(found.items())[:MOST_IN_A_CHART])


def _chart(run: TrainingRun, row: dict[str, Curve], axis: str) -> Chart:
    guess = guessing(run) if "training loss" in row or "validation loss" in row else None
    return Chart(
        curves=tuple(curve.source() for curve in row.values()),
        labels=tuple(row),
        log=wants_log([curve.values for curve in row.values()]),
        guess=guess.loss if guess is not None else None,
        description=described(list(row), list(row.values()), axis),
    )
