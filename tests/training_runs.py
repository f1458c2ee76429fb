"""Training runs in memory: series as if they had been read from event files. No framework, no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.logs.event_file import EventFile, PointBuffer
from scram_plugin.logs.layout import Layouts
from scram_plugin.logs.run import Run
from scram_plugin.logs.storage import Local
from scram_plugin.logs.training_run import TrainingRun

Values = np.ndarray | list[float]


def training_run(
    curves: Mapping[str, Values | tuple[np.ndarray, np.ndarray]],
    statistics: Mapping[str, Values] | None = None,
    facts: Mapping[str, Any] | None = None,
    batches: Mapping[str, Values] | None = None,
    validation: Mapping[str, Values] | None = None,
    ended: str | None = None,
) -> TrainingRun:
    """A training run with these tags: values at the steps 0, 1, 2, ..., or steps with their values; a second apart.

    `statistics`, `batches` and `validation` are columns of the recorder's tables of that name, `facts` what it wrote of the
    training, `ended` how it wrote that the training ended.
    """
    tables = {schema.STATISTICS: statistics, schema.BATCHES: batches, schema.VALIDATION: validation}
    tags = {schema.column_tag(table, name): values for table, of in tables.items() for name, values in (of or {}).items()}
    recorded = _run(tags)
    if facts is not None:
        recorded.files["in memory"].own.facts.append((0.0, dict(facts)))
    if ended is not None:
        recorded.files["in memory"].own.ends.append((float("inf"), ended))
    logs = {"train": _run(curves), "scram": recorded}
    return TrainingRun("in memory", {"train": "", "scram": "scram"}, logs)


def _run(curves: Mapping[str, Values | tuple[np.ndarray, np.ndarray]]) -> Run:
    file, run = EventFile(), Run("in memory", Local(), Layouts())
    for tag, series in curves.items():
        steps, values = series if isinstance(series, tuple) else (np.arange(len(series)), np.asarray(series))
        points = file.scalars[tag] = PointBuffer()
        points.extend(steps.astype("i8"), np.arange(len(steps), dtype="f8"), values.astype("f8"))
    run.files["in memory"] = file
    run.index()
    return run
