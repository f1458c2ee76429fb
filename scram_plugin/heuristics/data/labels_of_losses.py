"""Labels of a kind for which a loss is not made: fractions of class numbers, zeros under a percentage, classes for a hinge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.edits import Edit, change_targets, set_loss
from scram_plugin.heuristics.heuristic import NotChecked
from scram_plugin.heuristics.limits import ROUNDED
from scram_plugin.heuristics.measured import output, sums
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

DIFFERENCES = ("MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh")
HINGES = ("Hinge", "SquaredHinge")
MOST_NUMBERS = 50  # classes, as in the recorder: more whole numbers are amounts; by bench-limits
EVEN_AT_MOST, UNEVEN_AT_LEAST = 2.0, 0.25  # times the mean number of examples of a class, as in the recorder; by bench-limits
NEARLY_SAME = 0.01  # relative: so near two numbers are the same, with the rounding of float32; by definition
AROUND_ZERO = 0.5  # of the spread of the targets: with a mean so near 0, many are near 0; by definition
HALF_SURE = 0.5  # a label of a binary loss that is the largest one and still means "no"; by definition
FEWEST_CLASSES = 3  # whole numbers of fewer classes are shares, too; by definition

Misfit = tuple[str, Edit | None, str, str]  # cause, edit, evidence, what the loss expects


def labels_that_do_not_fit(run: TrainingRun, loss: str, units: Any, low: Curve, high: Curve) -> Misfit | None:
    """None if the labels fit, as far as this is known. `low` and `high`: the smallest and the largest label of each batch."""
    found = _fractions(run, loss, units, low, high) or _percentage(run, loss, units) or _hinge(run, loss, units, low, high)
    return found or _grades(run, loss, units)


def several_numbers(run: TrainingRun) -> bool:
    """Whether a target is several numbers, for example one for each class."""
    return any(run.statistic(table, "y0/mean/0") is not None for table in (schema.STATISTICS, schema.VALIDATION))


def _fractions(run: TrainingRun, loss: str, units: Any, low: Curve, high: Curve) -> Misfit | None:
    """Labels that were divided, as images are: what is left of a class number is nearly 0."""
    least, most = float(low.finite.values.min()), float(high.finite.values.max())
    if several_numbers(run):
        return _of_one_hot(run, loss, least, most)
    by: float | None = None
    if loss == "SparseCategoricalCrossentropy" and isinstance(units, int) and units > 1:
        if not (np.mod(high.finite.values, 1) > ROUNDED).any():
            return None
        by = (units - 1) / most if most > 0 else None
        expected = "The loss cuts off what follows the point: it expects class numbers."
    elif "Binary" in loss and least == 0 and 0 < most < HALF_SURE and _two_values(run, most):
        by, expected = 1 / most, "The loss expects the labels 0 and 1."
    else:
        return None
    said = f"The labels go from {least:g} to {most:g}, and are no whole numbers."
    return "fractions", _multiplied(run, by), said, expected


def _of_one_hot(run: TrainingRun, loss: str, least: float, most: float) -> Misfit | None:
    """One number of each target is not 0, and always the same, as in one-hot labels that were divided."""
    targets = sums(run, "y0")
    if targets is None or not (loss in DIFFERENCES or "Crossentropy" in loss) or least != 0 or not 0 < most < 1 - NEARLY_SAME:
        return None
    if not np.allclose(targets[np.isfinite(targets)], most, rtol=NEARLY_SAME):
        return None
    said = f"The targets of an example sum to {number(most)}, and their largest number is {number(most)}, too."
    return "fractions", _multiplied(run, 1 / most), said, "One-hot labels sum to 1."


def _multiplied(run: TrainingRun, by: float | None) -> Edit | None:
    """Multiply the labels by what they were divided by, if that is known to be a whole number."""
    if by is None or abs(by - round(by)) > NEARLY_SAME * by:
        return None
    return change_targets(run.facts, f"({{0}} * {round(by)}).round()")


def _two_values(run: TrainingRun, most: float) -> bool:
    """Whether all targets are 0 or `most`: of two values, the spread follows from the mean."""
    spread, mean = (run.statistic(schema.STATISTICS, column("y0", None, which)) for which in ("std", "mean"))
    if spread is None or mean is None or len(spread) != len(mean) or not len(spread.finite):
        return False
    shares = mean.values / most
    return bool(
        np.allclose(
            spread.values, most * np.sqrt(np.clip(shares * (1 - shares), 0, None)), rtol=NEARLY_SAME, atol=NEARLY_SAME * most
        )
    )


def _percentage(run: TrainingRun, loss: str, units: Any) -> Misfit | None:
    """A percentage error of targets that are 0, or around it: it is divided by next to nothing."""
    zero, mean, spread = (run.statistic(schema.STATISTICS, column("y0", None, which)) for which in ("zero", "mean", "std"))
    if loss != "MeanAbsolutePercentageError" or zero is None or not len(zero.finite) or mean is None or spread is None:
        return None
    middle, width = (float(np.median(curve.finite.values)) if len(curve.finite) else math.nan for curve in (mean, spread))
    if zero.finite.values.max() > 0:
        said = f"{percent(float(np.mean(zero.finite.values)))} of the targets are 0: their errors are divided by 0.0000001."
    elif abs(middle) < AROUND_ZERO * width:
        said = f"The targets are {number(middle)} ± {number(width)}: the errors of those near 0 are divided by next to nothing."
    else:
        return None
    better = _loss_of_classes(run, units) or ("mean_absolute_error" if not _classes(run) else None)
    return "percentage", set_loss(run.facts, better) if better else None, said, "The loss expects targets that are far from 0."


def _hinge(run: TrainingRun, loss: str, units: Any, low: Curve, high: Curve) -> Misfit | None:
    """Keras makes -1 and 1 of labels that are all 0 or 1, and of no others."""
    values = np.concatenate([low.finite.values, high.finite.values])
    if loss in HINGES and not np.isin(values, (-1.0, 0.0, 1.0)).all():
        said = f"The labels go from {values.min():g} to {values.max():g}, and the loss multiplies the outputs by them."
    elif loss == "CategoricalHinge" and isinstance(units, int) and units > 1 and not several_numbers(run):
        said = f"Each example has one number as its label; there are {units} outputs."
    else:
        return None
    better = _loss_of_classes(run, units)
    expected = "A categorical hinge expects one-hot labels." if loss == "CategoricalHinge" else "A hinge expects -1 and 1."
    return "hinge", set_loss(run.facts, better) if better else None, said, expected


def _grades(run: TrainingRun, loss: str, units: Any) -> Misfit | None:
    """Class numbers that a single output is to give, in a program that asks how often it gives exactly these."""
    accuracy = run.signal("training accuracy") or run.signal("validation accuracy")
    classes = _classes(run)
    if loss not in DIFFERENCES or units not in (1, None) or accuracy is None or classes < FEWEST_CLASSES:
        return None
    said = f"The labels are the whole numbers from 0 to {classes - 1}, nearly as many of each, and an accuracy is measured."
    expected = "The loss compares a single output with the number, as if the order of the classes meant something."
    return "class-numbers", None, said, expected


def _classes(run: TrainingRun) -> int:
    """How many classes the targets are the numbers of, nearly as many of each; 0 if they are others."""
    counts = np.array(data_of(run, "training").get("counts") or [], float)
    if not 1 < len(counts) <= MOST_NUMBERS or several_numbers(run):
        return 0
    shares = counts * len(counts) / counts.sum()
    return len(counts) if shares.max() <= EVEN_AT_MOST and shares.min() >= UNEVEN_AT_LEAST else 0


def _loss_of_classes(run: TrainingRun, units: Any) -> str | None:
    """The cross-entropy that fits the outputs and the targets, if both are of classes."""
    try:
        activation = output(run).activation
    except NotChecked:
        return None
    targets = sums(run, "y0")
    if activation == "softmax" and isinstance(units, int) and units > 1:
        one_hot = targets is not None and math.isclose(float(np.median(targets)), 1, abs_tol=NEARLY_SAME)
        return "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy" if targets is None else None
    return "binary_crossentropy" if activation == "sigmoid" and _classes(run) == FEWEST_CLASSES - 1 else None
