"""What the recorder knows of the training and of the validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scram_plugin import schema
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

REPEATED = 10  # batches with the same mean, to the last digit, which are no chance; by bench-limits
MORE_EVALUATED = 3  # times the examples that are trained on; sound programs evaluate 1.3 times as many: by bench-strangers
OF_A_POINT = 3  # numbers of an example: points of a space are evaluated on a grid, which has many; by definition


def data_of(run: TrainingRun, part: str) -> Mapping[str, Any]:
    """``samples`` and ``counts`` of the "training" or the "validation" data, as far as they are known."""
    return (run.facts.get("data") or {}).get(part) or {}


def always_the_same(run: TrainingRun, name: str) -> bool:
    """Whether the mean of an input, such as ``x0``, is the same in every batch, to the last digit."""
    means = run.statistic(schema.BATCHES, column(name, None, "mean"))
    return means is not None and len(means.finite) >= REPEATED and bool(np.ptp(means.finite.values) == 0)


def is_constant(run: TrainingRun, name: str) -> bool:
    """Whether all values of inputs or targets, such as ``x0``, are one and the same number."""
    low, high = (run.statistic(schema.STATISTICS, column(name, None, which)) for which in ("min", "max"))
    return low is not None and high is not None and len(low) > 0 and bool(low.values.min() == high.values.max())


class FewExamples(NamedTuple):
    """The different examples that a training saw again and again, and those of an evaluation.

    `twice`: how often an example came more than once in a batch, as where examples are equal.
    """

    different: int
    evaluated: int
    twice: int

    @property
    def evaluates_more(self) -> bool:
        """Whether far more examples are evaluated than trained on, which nobody does who has a choice."""
        return self.evaluated >= MORE_EVALUATED * self.different


def few_examples(run: TrainingRun) -> FewExamples | None:
    """None where there are many, where that is not known, and of points of a line, a plane or a space."""
    seen = run.loop.get("examples") or {}
    if not seen.get("different") or seen.get("size", 0) <= OF_A_POINT:
        return None
    return FewExamples(seen["different"], seen.get("evaluated", 0), seen.get("twice", 0))
