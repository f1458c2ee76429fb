"""A first loss far above the loss of guessing: the model starts out confident and wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import LARGE_INPUTS, LARGE_WEIGHTS
from scram_plugin.heuristics.measured import is_mean, known_layers
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "times",
        4.0,
        "largest loss of the first batch, as a multiple of the loss of guessing, ln(classes)",
        f"it should be about 1 (Karpathy, 2019); {CALIBRATED}",
    ),
)
BATCHES_SHOWN = 20  # batches of the curve that are marked; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loss = run.statistic(schema.BATCHES, "loss")
    if loss is None:
        raise NotChecked("the loss of the first batch was not logged", HOW)
    kind, units = loss_class(run), run.facts.get("model", {}).get("output_units")
    if kind in ("SparseCategoricalCrossentropy", "CategoricalCrossentropy") and isinstance(units, int) and units > 1:
        classes = units
    elif kind == "BinaryCrossentropy":
        classes = 2
    else:
        raise NotChecked("the loss of guessing is known only for a cross-entropy of classes", "a cross-entropy of classes")
    if not is_mean(run):
        raise NotChecked("the loss is not a mean, or it has other terms", "a mean cross-entropy of classes without other terms")
    first = float(loss.values[0])
    guessing = math.log(classes)
    if not math.isfinite(first):
        return
    what = "loss of the first batch, as a multiple of the loss of guessing"
    run.measured(what, first / guessing, above=options["times"], curve=loss)
    if first <= options["times"] * guessing:
        return
    yield Finding(
        severity="info",
        confidence="likely",
        title=f"The first loss, {number(first)}, is far above the loss of guessing",
        evidence={"first": number(first), "guessing": number(guessing), "classes": classes, "times": number(first / guessing)},
        first_step=int(loss.steps[0]),
        last_step=int(loss.steps[min(len(loss) - 1, BATCHES_SHOWN)]),
        axis="batch",
        curves=[loss.source()],
        causes=_causes(run),
        bad_step=int(loss.steps[0]),
    )


def _causes(run: TrainingRun) -> list[Cause]:
    mean, deviation = run.statistic(schema.STATISTICS, "x0/mean"), run.statistic(schema.STATISTICS, "x0/std")
    size = float(np.hypot(mean.values[0], deviation.values[0])) if mean is not None and deviation is not None else 0.0
    large = [layer for layer in known_layers(run) if (layer.initial_scale or 0.0) > LARGE_WEIGHTS]
    inputs = Cause(
        "inputs", f"The inputs are large: their root mean square is about {number(size)}." if size > LARGE_INPUTS else ""
    )
    weights = Cause("weights", f"The initial weights of {large[0].name} are large." if large else "")
    return sorted([weights, inputs, Cause("outputs")], key=lambda cause: not cause.for_)


HEURISTIC = Heuristic(
    id="initial-loss",
    group="model",
    title_passed="The first loss is not far above the loss of guessing",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's record of every batch", "a cross-entropy of classes"),
    order=190,
)
