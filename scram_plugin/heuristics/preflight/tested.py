"""What the active tests before a training found, as the facts tell it; shared by the heuristics that judge it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

HOW = (
    "scram preflight train.py\n"
    "scram_plugin.preflight(model, (x_train, y_train))  # Keras\n"
    "scram_plugin.preflight(model, train_loader, loss=loss_function, optimizer=optimizer)  # PyTorch"
)


def tested(run: TrainingRun, name: str) -> Mapping[str, Any]:
    """The numbers of one active test. Raises NotChecked where it was not made, Inconclusive where it could not be."""
    found = (run.facts.get("preflight") or {}).get(name)
    if not found:
        raise NotChecked("this was not tested before the training", HOW)
    if found.get("reason"):
        raise Inconclusive(str(found["reason"]))
    return found


def whole_of(curve: Curve) -> dict[str, Any]:
    """Where a finding stands that is of the whole test: the fields of a `Finding`."""
    return {
        "first_step": int(curve.steps[0]),
        "last_step": int(curve.steps[-1]),
        "axis": "batch",
        "curves": [curve.source()],
    }
