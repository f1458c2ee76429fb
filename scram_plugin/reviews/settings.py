"""With which settings a training run was made, wherever they were told: texts, files beside the log, SCRAM's own facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scram_plugin.logs.other_settings import LARGEST_OTHER
from scram_plugin.logs.settings import Value
from scram_plugin.logs.training_run import TrainingRun

_OF_THE_MODEL = ("parameters", "trainable_parameters")


def settings(run: TrainingRun) -> dict[str, Value]:
    """Name -> value. The canonical names come first, then those of the facts, then what has no other name than its path."""
    known = {name: setting.value for name, setting in run.settings.items()}
    return {**run.told[1], **dict(_of_facts(run.facts)), **known}


def _of_facts(facts: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    model, optimizer, loss, fit = (facts.get(key) or {} for key in ("model", "optimizer", "loss", "fit"))
    told = {
        "optimizer": optimizer.get("class"),
        "learning rate": optimizer.get("learning_rate"),
        "schedule": optimizer.get("schedule"),
        **{f"optimizer {key.replace('_', ' ')}": value for key, value in (optimizer.get("settings") or {}).items()},
        "loss": loss.get("name"),
        "batch size": fit.get("batch_size"),
        "epochs": fit.get("epochs"),
        "examples": fit.get("samples"),
        "layers": len(model.get("layers") or []) or None,
        **{key.replace("_", " "): model.get(key) for key in _OF_THE_MODEL},
        "precision": facts.get("dtype_policy"),
    }
    for name, value in told.items():
        if isinstance(value, str) or (isinstance(value, int | float) and abs(value) <= LARGEST_OTHER):  # which no NaN is
            yield name, value


def program(run: TrainingRun) -> str:
    """The file that trained it; "" where SCRAM did not record it."""
    return str((run.facts.get("source") or {}).get("file") or "")
