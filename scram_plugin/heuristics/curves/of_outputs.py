"""An output of a model with several, for which nothing was learned, while the others hide it in the sum of their losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.agreement import OTHER_ORDER
from scram_plugin.heuristics.curves.by_heart import FOR_A_FALL
from scram_plugin.heuristics.curves.guesses import AS_CHANCE, HARDLY_EXPLAINED
from scram_plugin.heuristics.edits import order_targets
from scram_plugin.heuristics.guessing import BETTER
from scram_plugin.heuristics.heuristic import Cause, Finding, absent
from scram_plugin.heuristics.limits import FOR_A_LEVEL
from scram_plugin.heuristics.measured import channels, is_mean
from scram_plugin.heuristics.names import CATEGORICAL
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column


def idle_output(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """The first output whose validation loss, or else that of the training, was never better than a constant answer's."""
    batches = run.signal("batch loss")
    if batches is None or len(batches) < FOR_A_FALL:
        return None
    found = (_of(run, options, part) for part in (run.facts.get("loss") or {}).get("outputs") or [])
    return next((one for one in found if one is not None), None)


def _of(run: TrainingRun, options: Mapping[str, Any], part: Mapping[str, Any]) -> Finding | None:
    name, (cost, least, told) = part["layer"], _constant(run, part)
    training, validation = (run.signal(f"{side} {name} loss") for side in ("training", "validation"))
    shown = validation if validation is not None else training
    if training is None or shown is None or not len(training.finite) or not math.isfinite(cost) or not is_mean(run):
        return None
    if cost == 0 or training.finite.values.min() < least:
        return None  # something was learned
    if len(shown.finite) < (FOR_A_LEVEL if run.ended == "finished" else options["least"]) or shown.finite.values.min() < least:
        return None
    accuracy = run.signal(f"validation {name} accuracy") or run.signal(f"training {name} accuracy")
    if accuracy is not None and len(accuracy.finite) and accuracy.finite.values.max() > AS_CHANCE[1] * math.exp(-cost):
        return None  # its answers are better than chance
    whose = "on the validation data" if shown is validation else "in the training"
    first, last = (number(float(training.finite.values[at])) for at in (0, -1))
    said = (
        f"The loss of the output `{name}` was at best {number(float(shown.finite.values.min()))} {whose}; {told} gives "
        f"{number(cost)}. In the training it went from {first} to {last}."
    )
    edit = order_targets(run.facts)
    return Finding(
        severity="warning",
        confidence="likely",
        title=f"Nothing was learned for the output `{name}` up to {place(shown.axis, int(shown.steps[-1]))}",
        evidence={
            "metric": said,
            **absent("by_heart", "first_training", "last_loss", "last_place", "points", "fallen_from", "first_loss"),
            **absent("classes", "accuracy", "accuracy_is_of", "guessed"),
        },
        first_step=int(shown.steps[0]),
        last_step=int(shown.steps[-1]),
        axis=shown.axis,
        curves=[shown.source()] if shown is training else [shown.source(), training.source()],
        causes=[
            Cause("shuffled-apart", f"{said} {OTHER_ORDER if edit is not None else ''}".strip(), "", edit),
            Cause("labels"),
            Cause("inputs"),
        ],
    )


def _constant(run: TrainingRun, part: Mapping[str, Any]) -> tuple[float, float, str]:
    """What a constant answer costs, below which loss something was learned, and the answer in words; infinity if unknown."""
    units, targets = part.get("units"), part.get("targets")
    if part.get("class") in CATEGORICAL and isinstance(units, int) and units > 1:
        return math.log(units), BETTER * math.log(units), f"guessing among {units} classes"
    spread = run.statistic(schema.STATISTICS, column(f"y{targets}", None, "std")) if targets is not None else None
    if part.get("class") == "MeanSquaredError" and spread is not None and len(spread.finite):
        each = [curve for curve in channels(run, f"y{targets}", "std").values() if len(curve.finite)] or [spread]
        variance = float(np.mean([np.mean(curve.finite.values**2) for curve in each]))
        whole = run.statistic(schema.STATISTICS, column(f"y{targets}", None, "mean"))
        means = [*channels(run, f"y{targets}", "mean").values()] or ([whole] if whole is not None else [])
        variance += float(np.mean([np.var(curve.finite.values) for curve in means])) if means else 0.0
        return variance, HARDLY_EXPLAINED * variance, "always answering the mean of its targets"
    return math.inf, math.inf, ""
