"""What the recorder knows of the training and of the validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scram_plugin.logs.training_run import TrainingRun


def data_of(run: TrainingRun, part: str) -> Mapping[str, Any]:
    """``samples`` and ``counts`` of the "training" or the "validation" data, as far as they are known."""
    return (run.facts.get("data") or {}).get(part) or {}
