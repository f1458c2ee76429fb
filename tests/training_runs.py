"""Training runs in memory: series as if they had been read from an event file. No framework, no file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scram_plugin.logs.event_file import EventFile, PointBuffer
from scram_plugin.logs.layout import Layouts
from scram_plugin.logs.run import Run
from scram_plugin.logs.storage import Local
from scram_plugin.logs.training_run import TrainingRun


def training_run(curves: Mapping[str, np.ndarray | tuple[np.ndarray, np.ndarray]]) -> TrainingRun:
    """A training run with these tags: values at the steps 0, 1, 2, ..., or steps with their values; a second apart."""
    file, run = EventFile(), Run("in memory", Local(), Layouts())
    for tag, series in curves.items():
        steps, values = series if isinstance(series, tuple) else (np.arange(len(series)), series)
        column = file.scalars[tag] = PointBuffer()
        column.extend(steps.astype("i8"), np.arange(len(steps), dtype="f8"), values.astype("f8"))
    run.files["in memory"] = file
    run.index()
    return TrainingRun("in memory", {"in memory": ""}, {"in memory": run})
