"""Noisy validation: the validation loss varies so much from point to point that no decision can rest on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import loss
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.limits import QUARTER, TINY, USUAL_RANGE
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        12,
        "validation points that are needed to estimate their noise",
        CALIBRATED,
    ),
    Option(
        "max_noise",
        0.25,
        "largest noise of the validation loss that is accepted, as a fraction of its level",
        CALIBRATED,
    ),
    Option(
        "ratio",
        3.0,
        "how many times noisier than the training loss it must be; otherwise the training itself oscillates",
        CALIBRATED,
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, "validation", least=int(options["least"]))
    values = curve.values[len(curve) // QUARTER :]  # without the start, which is steep
    middle = median(values)
    if middle <= 0:
        raise Inconclusive("the validation loss is not above zero, so its noise cannot be compared with its level")
    wobble = min(noise(part) / median(part) for part in (values, *np.array_split(values, 2)))
    training = run.signal("training loss")
    quiet = None
    if training is not None and len(training.finite) >= options["least"]:
        shown = training.finite.values[len(training.finite) // QUARTER :]
        quiet = noise(shown) / max(abs(median(shown)), TINY)
    most = max(options["max_noise"], options["ratio"] * (quiet or 0.0))
    run.measured("noise of the validation loss, as a share of its level", wobble, above=most, percent=True, curve=curve)
    if wobble <= options["max_noise"] or (quiet is not None and wobble < options["ratio"] * quiet):
        return
    unit, first, last = curve.axis, int(curve.steps[0]), int(curve.steps[-1])
    samples = run.facts.get("fit", {}).get("validation_samples")
    yield Finding(
        severity="warning",
        confidence="likely",
        title="The validation loss is too noisy to read",
        evidence={
            "wobble_percent": 100 * wobble,
            "quiet_percent": 100 * quiet if quiet is not None else None,
            "low": float(np.quantile(values, USUAL_RANGE[0])),
            "high": float(np.quantile(values, USUAL_RANGE[1])),
            "last_place": place(unit, last),
            "points": len(curve),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([training.source()] if training is not None else [])],
        causes=[
            Cause("small-set", f"It is measured on {counted(samples, 'example')}." if samples else ""),
            Cause("batch-normalization"),
            Cause("learning-rate"),
        ],
        since=int(curve.steps[len(curve) // QUARTER]),  # what comes before is not judged
    )


HEURISTIC = Heuristic(
    id="noisy-validation",
    group="curves",
    title_passed="The validation loss is not too noisy to read",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("validation loss",),
    order=290,
    families=("curve-shape", "unrest"),
    whole_training=True,
)
