"""Batch normalisations whose running statistics have not caught up with the data, so that validation is judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.judged import loss
from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.measured import HOW, layers, listed
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "left",
        0.5,
        "part of the running statistics that is still where they started, 0 and 1: momentum to the power of the batches so far "
        "(Ioffe & Szegedy, 2015); with Keras's 0.99 that is after 70 batches, with 0.999 after 700",
    ),
    Option("gap", 1.5, "times the training loss that the validation loss is, in every epoch after the first"),
    Option("least", 3, "epochs of both losses that are needed"),
)


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
    # the training loss of the first epoch is that of a model that knew nothing yet
    ratio = validation.values[1:length] / np.maximum(training.values[1:length], 1e-12)
    if left < options["left"] or not (ratio > options["gap"]).all():
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
                f"The momentum of {layer.name} is {momentum:g}; after {seen:,} batches {left:.0%} of its statistics are still "
                "those it began with.",
                "",
                set_in_layers(run.facts, [other.path for other in slow], "momentum", "0.9"),
            )
        ],
    )


HEURISTIC = Heuristic(
    id="normalization-lag",
    group="model",
    title_passed="Batch normalisations know the data",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model", "training and validation loss"),
)
