"""The recorder for Lightning: `Trainer(callbacks=[LightningSCRAM()])`."""

from __future__ import annotations

import os
import re
from typing import Any

try:
    from lightning.pytorch import Callback as Callback
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
except ImportError:  # the name of the package before 2.0
    from pytorch_lightning import Callback as Callback
    from pytorch_lightning import LightningModule, Trainer
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from scram_plugin.training.guarded import guarded
from scram_plugin.training.torch.adapter import Adapter
from scram_plugin.training.torch.parts import children

_OF_VALIDATION = re.compile(r"^(val|valid|validation|eval)[_/]")


class LightningSCRAM(Callback, Adapter):
    """Records a training with Lightning as `scram_plugin.watch` does.

    Args:
        log_dir: the log directory; by default that of the trainer's logger.
        options: as for `scram_plugin.watch`: every, source, print_findings, stop_on, on_finding.

    Validation metrics that the module logs (``val_loss``) are recorded, too; where none has such a name, the loss that it
    computes in the validation is. The loss of every batch is always recorded.
    """

    trainer_name = "lightning"

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self.log_dir, self.options = log_dir, options

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # `training_step` may call the module, or only its parts
        watching = []
        for one in trainer.callbacks:
            if isinstance(one, EarlyStopping):
                watching.append(("EarlyStopping", one.monitor, one.mode))
            elif isinstance(one, ModelCheckpoint) and one.save_top_k not in (-1, 0):  # all of them, or none
                watching.append(("ModelCheckpoint", one.monitor, one.mode))
        parts, place = children(pl_module), trainer.log_dir or "logs"
        self.begin(pl_module, list(trainer.optimizers), place, parts, watching, trainer.max_epochs or 0)

    @guarded
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        recorder = self._watch.recorder if self._watch is not None else None
        told = any(map(_OF_VALIDATION.match, trainer.callback_metrics))
        if recorder is not None and not told and not trainer.sanity_checking:
            recorder.settle()  # no name tells which metrics are of the validation

    @guarded
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._watch is None:
            return
        metrics = {
            f"val_{_OF_VALIDATION.sub('', name)}": float(value)
            for name, value in trainer.callback_metrics.items()
            if _OF_VALIDATION.match(name)
        }
        self._watch.log(trainer.current_epoch, **metrics)
        if self.should_stop:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.end(stopped=trainer.should_stop)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._watch is not None:
            self._watch.__exit__(type(exception), exception, exception.__traceback__)
