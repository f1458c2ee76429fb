"""Many more weights than training examples, where the validation loss stays far above the training loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import loss
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.measured import Layer, layers
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "ratio",
        100.0,
        "weights per training example from which on it is reported",
        "Zhang et al. (2017): large nets generalise well with 10 and more",
    ),
    Option(
        "gap",
        2.0,
        "best validation loss, as a multiple of the training loss then; below this the size does no harm",
        CALIBRATED,
    ),
    Option(
        "least",
        5,
        "epochs of both losses that the check needs",
        CALIBRATED,
    ),
)
PART = 0.1  # least gap as a share of the first training loss: with losses near 0 every ratio is large; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = layers(run)
    weights, samples = run.facts["model"].get("trainable_parameters"), _samples(run)
    if not isinstance(weights, int) or samples is None:
        raise NotChecked("the number of weights or of examples is not known", HOW)
    if weights < options["ratio"] * samples:
        run.measured("weights per training example", weights / samples, above=options["ratio"])
        return
    training, validation = (loss(run, side, least=int(options["least"])) for side in ("training", "validation"))
    if len(training.finite) > 2 * len(validation.finite):  # a loss per batch has no epochs to compare
        return
    best = int(np.argmin(validation.finite.values))
    reached, beside = float(validation.finite.values[best]), float(training.finite.values[min(best, len(training.finite) - 1)])
    if reached < options["gap"] * beside:
        if beside > 0:
            what = "best validation loss, as a multiple of the training loss at that point"
            run.measured(what, reached / beside, above=options["gap"], curve=validation)
        return
    if reached - beside < PART * (start := float(training.finite.values[0])):
        if start > 0:
            what = "gap between the losses at the best validation loss, as a share of the first training loss"
            run.measured(what, (reached - beside) / start, above=PART, percent=True, curve=validation)
        return
    largest = max(known, key=_size)
    yield Finding(
        severity="info",
        confidence="possible",
        title=f"{weights / samples:,.0f} weights per training example",
        evidence={
            "weights": weights,
            "samples": samples,
            "ratio": weights / samples,
            "validation": reached,
            "training": beside,
            "largest": largest.name,
            "part": _size(largest) / weights,
        },
        first_step=int(validation.steps[0]),
        last_step=int(validation.steps[-1]),
        axis=validation.axis,
        curves=[validation.source(), training.source()],
        causes=[Cause("size", f"{largest.name} alone has {_size(largest):,} of the {weights:,} weights.")],
    )


def _samples(run: TrainingRun) -> int | None:
    for given in (
        data_of(run, "training").get("samples"),
        run.facts.get("fit", {}).get("samples"),
    ):
        if isinstance(given, int) and given > 0:
            return given
    return None


def _size(layer: Layer) -> int:
    return int(layer.facts.get("parameters") or 0)


HEURISTIC = Heuristic(
    id="too-many-parameters",
    group="model",
    title_passed="Not too many weights for the training examples",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model", "training and validation loss"),
    order=180,
)
