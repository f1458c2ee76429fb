"""The metrics of epochs: those that the program logs, and those of evaluations that it makes and does not log."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from scram_plugin.training.blocks import write_metrics
from scram_plugin.training.summary_writer import SummaryWriter


class Epochs:
    """Writes the metrics of epochs. Names of the validation begin with ``val_``.

    `means` are the losses of the steps since the last metrics. Once the program logs, only what it logs is written.
    """

    def __init__(self, writer: SummaryWriter, optimizers: list[torch.optim.Optimizer]) -> None:
        self._writer, self._optimizers = writer, optimizers
        self.means: list[np.ndarray] = []
        self.logged = False  # the program says when an epoch ends
        self.tells = False  # and logs metrics
        self._last: int | None = None  # epoch of the last evaluation that the program did not log
        self._held: list[tuple[int, dict[str, float]]] = []  # a first evaluation: a single one is no curve
        self._curve = False

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        found = self._whole(metrics)
        if metrics or "loss" in found:  # else an evaluation has told what is known of the epoch
            write_metrics(self._writer, epoch, found)
        self.logged = True
        if metrics:
            self.tells, self._held = True, []

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write what a trainer logs, by its own names."""
        self.logged, self.tells, self._held = True, True, []
        if values:
            self._writer.scalars("train", step, values)

    def at_once(self) -> None:
        """Write the first evaluation, too, without waiting for a second one."""
        self._curve = True

    @property
    def seen(self) -> bool:
        """Whether there was any evaluation."""
        return self.logged or self._last is not None

    def taken(self, epoch: int) -> bool:
        """Whether this epoch has an evaluation already: there are several in it, or the program has no loader."""
        return self._last is not None and epoch <= self._last

    def evaluated(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """The program has made an evaluation that it may not log; the first one of an epoch counts."""
        if self.taken(epoch):
            return
        self._last = epoch
        self._held.append((epoch, self._whole({f"val_{name}": value for name, value in metrics.items()})))
        if len(self._held) > 1 or self._curve:
            for when, values in self._held:
                write_metrics(self._writer, when, values)
            self._held, self._curve = [], True

    def _whole(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Metrics with the mean loss of the steps since the last ones, and the learning rate."""
        found = dict(metrics)
        if self.means and "loss" not in found:
            found["loss"] = float(np.mean(np.concatenate(self.means)))
        if self._optimizers:
            found["learning_rate"] = float(self._optimizers[0].param_groups[0]["lr"])
        self.means = []
        return found
