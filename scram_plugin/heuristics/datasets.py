"""What the recorder knows of the training and of the validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

REPEATED = 10  # batches with the same mean, to the last digit, which are no chance; by bench-limits


def data_of(run: TrainingRun, part: str) -> Mapping[str, Any]:
    """``samples`` and ``counts`` of the "training" or the "validation" data, as far as they are known."""
    return (run.facts.get("data") or {}).get(part) or {}


def always_the_same(run: TrainingRun, name: str) -> bool:
    """Whether the mean of an input, such as ``x0``, is the same in every batch, to the last digit."""
    means = run.statistic(schema.BATCHES, column(name, None, "mean"))
    return means is not None and len(means.finite) >= REPEATED and bool(np.ptp(means.finite.values) == 0)
