"""Batch normalisation whose running statistics lag behind the data, so that the validation loss is too high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import loss
from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import TINY
from scram_plugin.heuristics.measured import layers, listed
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "left",
        0.5,
        (
            "share of the initial values 0 and 1 in the running statistics from which on they lag behind: momentum to the "
            "power of the number of batches"
        ),
        "Ioffe & Szegedy (2015): it is 0.5 after 70 batches with 0.99, the default of Keras, and after 700 with 0.999",
    ),
    Option(
        "gap",
        1.5,
        "validation loss as a multiple of the training loss, to be exceeded in every epoch after the first",
        CALIBRATED,
    ),
    Option(
        "least",
        3,
        "number of epochs with both losses that are needed",
        CALIBRATED,
    ),
)
DIGITS = 3  # after the point of the share that a passed check shows; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = [
        (layer, float(momentum))
        for layer in layers(run)
        if layer.kind == "BatchNormalization" and layer.facts.get("trainable", True)
        for momentum in [layer.facts.get("settings", {}).get("momentum")]
        if isinstance(momentum, int | float)
    ]
    if not found:
        return
    batches = run.statistic(schema.BATCHES, "loss")
    if batches is None:
        raise NotChecked("the batches were not recorded", HOW)
    training, validation = (loss(run, side, least=int(options["least"])) for side in ("training", "validation"))
    layer, momentum = max(found, key=lambda entry: entry[1])
    seen = int(batches.steps[-1]) + 1
    left = momentum**seen
    length = min(len(training), len(validation))
    # in the first epoch the training loss is an average over a model that had hardly learned anything
    ratio = validation.values[1:length] / np.maximum(training.values[1:length], TINY)
    if left < options["left"]:
        what = f"share of the initial values in the running statistics of {layer.name}"
        run.measured(what, round(left, DIGITS), above=options["left"], percent=True)
        return
    if not (ratio > options["gap"]).all():
        what = "smallest validation loss, as a multiple of the training loss of its epoch"
        run.measured(what, ratio.min(), above=options["gap"], curve=validation)
        return
    slow = [other for other, m in found if m**seen >= options["left"]]
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The running statistics of {listed([other.name for other in slow])} lag behind",
        evidence={
            "layers": listed([other.name for other in slow]),
            "momentum": momentum,
            "batches": seen,
            "left": left,
            "times": float(np.median(ratio)),
        },
        first_step=int(validation.steps[0]),
        last_step=int(validation.steps[-1]),
        axis=validation.axis,
        curves=[validation.source(), training.source()],
        causes=[
            Cause(
                "momentum",
                f"The momentum of {layer.name} is {momentum:g}; after {seen:,} batches, the initial values still make up "
                f"{percent(left)} of its running statistics.",
                "",
                set_in_layers(run.facts, [other.path for other in slow], "momentum", "0.9"),
            )
        ],
    )


HEURISTIC = Heuristic(
    id="normalization-lag",
    group="model",
    title_passed="Running statistics of batch normalisation keep up",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model", "training and validation loss"),
    order=170,
    precedence=140,
    explains=("no-learning", "overfitting", "noisy-validation", "metric-loss-disagreement"),
)
