"""What the best constant answer costs: guessing by the frequencies of the classes, or always giving the mean of the targets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.measured import channels, chooses_class, class_counts, is_mean
from scram_plugin.heuristics.names import loss_class
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

BETTER = 0.97  # share of the loss of guessing; above it nothing was learned; by bench-limits
LABELS = 100  # labels of measured batches that are enough for their frequencies; by bench-limits
OF_A_CLASS = 10  # labels of a first batch for each class in it: with fewer, rare ones are missing; by definition
EXAMPLES = 16  # of a first batch, whose labels stand for those of all; by bench-limits
ALL_BINARY = 0.9  # of the spread of zeros and ones: values in between would make it smaller; by bench-limits


@dataclass(frozen=True)
class Guess:
    """Guessing by class frequencies: its `loss`, the share of each class in the labels, and whether a loss is better."""

    loss: float
    shares: np.ndarray

    def is_beaten_by(self, loss: float) -> bool:
        return loss < BETTER * self.loss


def guessing(run: TrainingRun) -> Guess | None:
    """None if the loss is not the cross-entropy of classes alone, or the labels were not counted."""
    counts = np.array(data_of(run, "training").get("counts") or _zeros_and_ones(run), float)
    if not counts.any() and (labels := class_counts(run, "y0")) is not None and labels.sum() >= LABELS:
        counts = labels
    first = np.array((run.facts.get("loss") or {}).get("counts") or [0], float)  # where an example has many labels
    rows = (run.facts.get("fit") or {}).get("batch_size") or 0  # the labels of one example are alike
    if not counts.any() and rows >= EXAMPLES and first.sum() >= max(LABELS, OF_A_CLASS * np.count_nonzero(first)):
        counts = first
    if not (chooses_class(run) and is_mean(run) and "Crossentropy" in loss_class(run)) or np.count_nonzero(counts) < 2:
        return None
    shares = counts[counts > 0] / counts.sum()
    return Guess(float(-(shares * np.log(shares)).sum()), shares)


def variance_of_targets(run: TrainingRun) -> float | None:
    """The mean squared error of a model that always answers the mean of all targets; None where that is not the loss.

    Targets of several numbers have other means each, so that the best constant answer is better than that.
    """
    spread, mean = (run.statistic(schema.STATISTICS, column("y0", None, which)) for which in ("std", "mean"))
    if loss_class(run) != "MeanSquaredError" or not is_mean(run) or spread is None or not len(spread.finite):
        return None
    between = float(np.var(mean.finite.values)) if mean is not None and len(mean.finite) else 0.0
    return float(np.mean(spread.finite.values**2)) + between


def entropy_of_labels(run: TrainingRun) -> float | None:
    """The binary cross-entropy of always answering the frequency of each label; None where an example has one label or none."""
    shares = np.array([np.mean(curve.finite.values) for curve in channels(run, "y0", "mean").values() if len(curve.finite)])
    if not len(shares) or "BinaryCrossentropy" not in loss_class(run) or not is_mean(run):
        return None
    unsure = shares[(shares > 0) & (shares < 1)]
    return float(-(unsure * np.log(unsure) + (1 - unsure) * np.log1p(-unsure)).sum()) / len(shares)


def _zeros_and_ones(run: TrainingRun) -> list[float]:
    """The shares of the targets 0 and 1, by their mean in all recorded batches; empty if there are other values between."""
    low, high, mean = (run.statistic(schema.BATCHES, column("y0", None, which)) for which in ("min", "max", "mean"))
    spread = run.statistic(schema.STATISTICS, column("y0", None, "std"))
    if low is None or high is None or mean is None or spread is None or not len(mean.finite) or not len(spread.finite):
        return []
    ones, measured = float(np.mean(mean.finite.values)), float(np.sqrt(np.mean(spread.finite.values**2)))
    binary = low.values.min() == 0 and high.values.max() == 1 and measured > ALL_BINARY * math.sqrt(ones * (1 - ones))
    return [1 - ones, ones] if binary else []
