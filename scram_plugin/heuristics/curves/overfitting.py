"""Overfitting: the validation loss rises again while the training loss does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.noise import condense, noise, smooth
from scram_plugin.heuristics.edits import add_callback, add_dropout
from scram_plugin.heuristics.heuristic import STRICT, Cause, Finding, Heuristic, NotChecked, Option, TooEarly
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    STRICT,
    Option("patience", 5, "validation points that must follow the best one; the strip length of Prechelt (1998)"),
    Option("min_rise", 0.05, "smallest rise that counts, as a fraction of the best validation loss; GL_5 of Prechelt (1998)"),
    Option(
        "noise_factor", 3.0, "smallest rise that counts, in standard deviations of the curve's own noise (the three-sigma rule)"
    ),
)
HOW = "model.fit(..., validation_data=(x_val, y_val))  # or validation_split=0.1"


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if options["strict"]:
        yield from _strict(run)
        return
    validation, training = run.signal("validation loss"), run.signal("training loss")
    if validation is None or training is None:
        missing = "validation" if validation is None else "training"
        raise NotChecked(f"no {missing} loss was logged", HOW)
    validation, training = validation.finite(), training.finite()
    patience = int(options["patience"])
    if len(validation) < patience + 2 or len(training) < 2:
        unit = "epochs with validation" if validation.axis == "epoch" else "validation points"
        raise TooEarly(f"it needs at least {patience + 2} {unit}, there are {len(validation)} with a finite loss")
    yield from _rise(run, training, validation, options)


def _rise(run: TrainingRun, training: Curve, validation: Curve, options: Mapping[str, Any]) -> Iterable[Finding]:
    values, block = condense(validation.values)
    steps = validation.steps[block // 2 :: block][: len(values)]
    level, sigma = smooth(values), noise(values)
    best = int(np.argmin(level))
    after = len(level) - 1 - best
    # the last points together, so that one of them out of line raises nothing
    end = float(np.median(values[-int(options["patience"]) :]))
    rise = end - float(level[best])
    # Near zero a fraction of the best loss is nothing: a hundredth of what was gained is the absolute floor.
    floor = max(options["min_rise"] * abs(level[best]), 0.01 * abs(level[0] - level[best]))
    if after < options["patience"] or rise <= max(floor, options["noise_factor"] * sigma):
        return
    train_best, train_end = _at(training, int(steps[best])), _at(training, int(steps[-1]))
    if train_end - train_best > max(3 * noise(condense(training.values)[0]), 0.05 * abs(train_best)):
        return  # both rise: that is divergence, not overfitting
    half = max(1, len(level) // 20)
    low = max(best - half, 0)
    exact = low + int(np.argmin(values[low : best + half + 1]))  # the best point itself, not its median
    sure = after >= 2 * options["patience"] or rise > max(2 * floor, 2 * options["noise_factor"] * sigma)
    first, last = int(steps[exact]), int(validation.steps[-1])
    unit = validation.axis
    evidence: dict[str, Any] = {
        "best_place": place(unit, first),
        "last_place": place(unit, last),
        "best_step": first,
        "last_step": last,
        "best_loss": float(values[exact]),
        "last_loss": end,
        "rise_percent": 100 * rise / abs(level[best]) if level[best] else None,
        "train_best": train_best,
        "train_last": train_end,
        "noise": sigma,
        "times_noise": rise / sigma if rise < 1000 * sigma else None,  # beyond that there is no noise to speak of
        "threshold": max(floor, options["noise_factor"] * sigma),
    }
    evidence.update(_accuracies(run, first))
    yield Finding(
        severity="warning",
        confidence="likely" if sure else "possible",
        title=f"Overfitting since {place(unit, first)}",
        evidence=evidence,
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=_causes(run, place(unit, first)),
        bad_step=int(steps[min(exact + 1, len(steps) - 1)]),
        best_step=first,
    )


def _at(curve: Curve, step: int) -> float:
    """The level of a curve around a step: the median of the three points nearest to it."""
    nearest = np.argsort(np.abs(curve.steps - step), kind="stable")[:3]
    return float(np.median(curve.values[nearest]))


def _accuracies(run: TrainingRun, step: int) -> dict[str, Any]:
    training, validation = run.signal("training accuracy"), run.signal("validation accuracy")
    if training is None or validation is None or not len(training.finite()) or not len(validation.finite()):
        return {}
    return {
        "train_accuracy": float(training.finite().values[-1]),
        "val_accuracy": float(validation.finite().values[-1]),
    }


def _causes(run: TrainingRun, best: str) -> list[Cause]:
    """Too large a model first, where it is large for the data and nothing regularises it; else too long a training."""
    model, fit = run.facts.get("model", {}), run.facts.get("fit", {})
    parameters, samples = model.get("trainable_parameters"), fit.get("samples")
    stop = Cause(
        "too-long",
        f"The validation loss was lowest at {best}, long before the end.",
        edit=add_callback(run.facts, _EARLY_STOPPING),
    )
    classes = [str(layer.get("class")) for layer in model.get("layers", ())]
    regularised = [
        c for c in classes if c in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "BatchNormalization")
    ]
    regularised += [layer["name"] for layer in model.get("layers", ()) if layer.get("regularized")]
    data = Cause("too-little-data", f"It learned from {samples:,} samples." if samples else "")
    if not classes:
        return [Cause("no-regularization", ""), stop, data]
    if regularised:
        against = f"It has {', '.join(sorted(set(regularised)))} already; that was not enough."
        return [stop, Cause("no-regularization", "", against), data]
    ratio = f" {parameters:,} weights learned from {samples:,} samples." if parameters and samples else ""
    return [
        Cause(
            "no-regularization",
            f"None of the {len(classes)} layers regularises (no dropout, no penalty on the weights).{ratio}",
            edit=add_dropout(run.facts, 0.5),
        ),
        stop,
        data,
    ]


_EARLY_STOPPING = 'EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)'


def _strict(run: TrainingRun) -> Iterable[Finding]:
    """Table 1 of the prototype: validation accuracy falls over two epochs while training accuracy rises."""
    training, validation = run.signal("training accuracy"), run.signal("validation accuracy")
    if training is None or validation is None:
        raise NotChecked("the strict rule needs training and validation accuracy", 'model.compile(..., metrics=["accuracy"])')
    steps = np.intersect1d(training.steps, validation.steps)
    if len(steps) < 3:
        raise TooEarly(f"the strict rule needs at least 3 epochs, there are {len(steps)}")
    train = training.values[np.isin(training.steps, steps)]
    val = validation.values[np.isin(validation.steps, steps)]
    fires = (np.diff(val)[:-1] < 0) & (np.diff(val)[1:] < 0) & (train[2:] > train[:-2])
    if not fires.any():
        return
    at = int(np.flatnonzero(fires)[0])
    first, last, unit = int(steps[at]), int(steps[at + 2]), validation.axis
    yield Finding(
        severity="warning",
        confidence="possible",
        title=f"Validation accuracy falls from {place(unit, first)} on",
        evidence={
            "strict_first": place(unit, first),
            "strict_last": place(unit, last),
            "val_from": float(val[at]),
            "val_to": float(val[at + 2]),
            "train_from": float(train[at]),
            "train_to": float(train[at + 2]),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=_causes(run, place(unit, first)),
        bad_step=int(steps[at + 1]),
        best_step=first,
    )


HEURISTIC = Heuristic(
    id="overfitting",
    group="curves",
    title_passed="No overfitting",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss", "validation loss"),
)
