"""The recorder for Ultralytics: `UltralyticsSCRAM("logs/yolo").attach(model)` before `model.train(...)`."""

from __future__ import annotations

import os
import sys
from typing import Any

from ultralytics.engine.model import Model
from ultralytics.engine.trainer import BaseTrainer

from scram_plugin.training.guarded import guarded
from scram_plugin.training.torch.adapter import Adapter


class UltralyticsSCRAM(Adapter):
    """Records a training with Ultralytics as `scram_plugin.watch` does, and the losses and metrics of each epoch.

    Args:
        log_dir: the log directory; by default that of the training (`save_dir`).
        options: as for `scram_plugin.watch`: every, source, print_findings, stop_on, on_finding.

    The scalars have the names and steps (epochs, from 1) of Ultralytics' own TensorBoard log.
    """

    trainer_name = "yolo"

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self.log_dir, self.options = log_dir, options
        self._trained = False  # an epoch has ended, and its metrics follow

    def attach(self, model: Model) -> UltralyticsSCRAM:
        """Record all trainings of this model."""
        model.add_callback("on_train_start", self._on_train_start)
        model.add_callback("on_train_epoch_end", self._on_train_epoch_end)
        model.add_callback("on_fit_epoch_end", self._on_fit_epoch_end)
        model.add_callback("on_train_end", self._on_train_end)
        model.add_callback("teardown", self._teardown)
        return self

    def _on_train_start(self, trainer: BaseTrainer) -> None:
        self._trained = False
        self.begin(trainer.model, [trainer.optimizer], trainer.save_dir)

    def _on_train_epoch_end(self, trainer: BaseTrainer) -> None:
        self._trained = True

    @guarded
    def _on_fit_epoch_end(self, trainer: BaseTrainer) -> None:
        # the evaluation of the best weights after the training ends in the same event: it is no epoch
        if self._watch is None or not self._trained:
            return
        self._trained = False
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        values = {**losses, **trainer.lr, **trainer.metrics}
        self._watch.scalars(trainer.epoch + 1, {tag: float(value) for tag, value in values.items()}, ended=True)
        trainer.stop = trainer.stop or self.should_stop

    def _on_train_end(self, trainer: BaseTrainer) -> None:
        self.end()

    def _teardown(self, trainer: BaseTrainer) -> None:
        """The trainer ends, perhaps by an exception that is being raised."""
        if self._watch is not None:
            self._watch.__exit__(*sys.exc_info())
