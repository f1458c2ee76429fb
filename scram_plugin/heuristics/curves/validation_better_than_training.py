"""Validation much better than training: often harmless, sometimes a leak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough, final_accuracies, loss, together
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.limits import ALMOST
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        6,
        "validation points that are needed; early on the training loss, a mean over the epoch, lags behind",
        CALIBRATED,
    ),
    Option(
        "gap",
        0.2,
        "how far below the training loss the validation loss must stay, as a fraction of the training loss",
        CALIBRATED,
    ),
    Option(
        "scale",
        5.0,
        "ratio of training to validation loss above which they are probably on different scales",
        CALIBRATED,
    ),
)
AHEAD = 0.02  # how much higher the validation accuracy must be, where both were logged; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    least = int(options["least"])
    validation, training = loss(run, "validation", least=least), loss(run, least=2)
    validation = enough(together(validation, training), least, "validation loss up to the end of the training loss")
    late = slice(len(validation) // 2, None)
    steps, theirs = validation.steps[late], validation.values[late]
    ours = _means_before(training.steps, training.values, validation.steps)[late]
    if (theirs <= 0).any() or (ours <= 0).any():
        raise Inconclusive("some losses are zero or negative, so they cannot be compared")
    ratio = median(ours / theirs)
    if ratio > options["scale"]:
        raise Inconclusive(
            f"the training loss is {ratio:.0f} times the validation loss: they are probably measured on different scales"
        )
    if np.mean(theirs < (1 - options["gap"]) * ours) < ALMOST:
        nearly_least = int((1 - ALMOST) * len(theirs))
        stays = np.partition(1 - theirs / ours, nearly_least)[nearly_least]
        what = "gap by which the validation loss stays below the training loss"
        run.measured(what, max(stays, 0.0), above=options["gap"], percent=True, curve=validation)
        return
    accuracies = final_accuracies(run)
    if accuracies["val_accuracy"] is not None and accuracies["val_accuracy"] - accuracies["train_accuracy"] < AHEAD:
        lead = accuracies["val_accuracy"] - accuracies["train_accuracy"]
        run.measured("lead of the validation accuracy over the training accuracy", lead, above=AHEAD, percent=True)
        return
    layers = run.facts.get("model", {}).get("layers", ())
    dropout = sorted({str(layer.get("class")) for layer in layers if "Dropout" in str(layer.get("class"))})
    active = f"Active in training only: {', '.join(dropout)}." if dropout else ""
    unit, first, last = validation.axis, int(steps[0]), int(steps[-1])
    yield Finding(
        severity="info",
        confidence="likely",
        title="Validation is much better than training",
        evidence={
            "first_place": place(unit, first),
            "last_place": place(unit, last),
            "train_last": float(ours[-1]),
            "val_last": float(theirs[-1]),
            "below_percent": 100 * (1 - median(theirs / ours)),
            **accuracies,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=[Cause("active-in-training", active), Cause("easier-set"), Cause("leak")],
    )


def _means_before(steps: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """For each validation point, the mean training loss since the previous validation point."""
    ends = np.searchsorted(steps, at, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    sums = np.concatenate([[0.0], np.cumsum(values)])
    nearest = np.clip(ends - 1, 0, len(values) - 1)
    counts = ends - starts
    return np.where(counts > 0, (sums[ends] - sums[starts]) / np.maximum(counts, 1), values[nearest])


HEURISTIC = Heuristic(
    id="validation-better-than-training",
    group="curves",
    title_passed="Validation is not much better than training",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss", "validation loss"),
    order=310,
    families=("curve-shape",),
    whole_training=True,
)
