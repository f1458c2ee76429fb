"""Results of the active tests before a training, read from the facts; shared by the heuristics of this group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked
from scram_plugin.logs.training_run import TrainingRun

HOW = (
    "scram preflight train.py\n"
    "scram_plugin.preflight(model, (x_train, y_train))  # Keras\n"
    "scram_plugin.preflight(model, train_loader, loss=loss_function, optimizer=optimizer)  # PyTorch"
)


def tested(run: TrainingRun, name: str) -> Mapping[str, Any]:
    """The numbers of one active test. Raises NotChecked if the test was not run, Inconclusive if it could not be run."""
    found = (run.facts.get("preflight") or {}).get(name)
    if not found:
        raise NotChecked("this was not tested before the training", HOW)
    if found.get("reason"):
        raise Inconclusive(str(found["reason"]))
    return dict(found)
