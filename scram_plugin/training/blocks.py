"""Writes the metrics of epochs, and the smaller tables: ``origin`` (of the first non-finite value), ``process`` and
``validation``."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from scram_plugin import schema
from scram_plugin.training.summary_writer import SummaryWriter

_LABELS = re.compile(r"which is outside the valid range of \[\d+, \d+\)\.\s+Label values: ((?:-?\d+ ?)+)")
BLOCK = 128  # batches in a block, at most
SECONDS = 5.0  # seconds between two blocks, at most

if TYPE_CHECKING:
    from scram_plugin.training.keras.instrumented_step import InstrumentedStep


def write_origin(writer: SummaryWriter, step: InstrumentedStep, batches: int, when: float) -> bool:
    """Write what the tripwire recorded of the first non-finite value. Returns whether it had recorded anything.

    `batches` is the number of batches that were taken from the ring; `when` is in seconds since 1970.
    """
    origin = step.origin()
    if origin is not None:
        before, columns, flaws = origin
        writer.rows(schema.ORIGIN, columns, np.array([batches - before]), np.array([when]), flaws[None])
    return origin is not None


def write_metrics(writer: SummaryWriter, epoch: int, metrics: Mapping[str, float]) -> None:
    """Write the metrics of an epoch; the names of those of the validation begin with ``val_``."""
    validation = {f"epoch_{name[4:]}": value for name, value in metrics.items() if name.startswith("val_")}
    training = {f"epoch_{name}": value for name, value in metrics.items() if not name.startswith("val_")}
    writer.scalars("train", epoch, training)
    if validation:
        writer.scalars("validation", epoch, validation)


def write_process(writer: SummaryWriter, row: dict[str, float], step: int, when: float) -> None:
    """Write one row (column -> value) of the table ``process``, unless it is empty; `when` is in seconds since 1970."""
    if row:
        writer.rows(schema.PROCESS, tuple(row), np.array([step]), np.array([when]), np.array([list(row.values())]))


def write_refused(writer: SummaryWriter, error: BaseException, epoch: int, step: int) -> None:
    """Write the range of the labels of a batch that TensorFlow refused, since one is no class: its error tells them all."""
    found = _LABELS.search(str(error))
    if found is not None:
        labels = [int(label) for label in found[1].split()]
        columns, values = ("epoch", *(schema.column("y0", None, which) for which in ("min", "max"))), (min(labels), max(labels))
        writer.rows(
            schema.BATCHES, columns, np.array([step]), np.array([time.time()]), np.array([[epoch, *values]], np.float32)
        )


def write_validation(writer: SummaryWriter, rows: tuple[tuple[str, ...], np.ndarray] | None, step: int) -> None:
    """Write the table ``validation``: columns, and values of shape (parts, columns). `step` is the step of the first row."""
    if rows is not None:
        columns, values = rows
        steps = step + np.arange(len(values))
        writer.rows(schema.VALIDATION, columns, steps, np.full(len(values), time.time()), values)
