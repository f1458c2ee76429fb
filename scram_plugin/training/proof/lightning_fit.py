"""Lightning's `Trainer.fit` in a run of a proof: recorded, and ended when the budget is used up."""

from __future__ import annotations

import functools
from typing import Any

from scram_plugin.training.proof.budget import Budget, BudgetUsed
from scram_plugin.training.proof.torch_loop import ProofLoop
from scram_plugin.training.torch.lightning import Callback, LightningSCRAM


def install(trainer_class: Any, log_dir: str, budget: Budget, loop: ProofLoop) -> None:
    """From now on each `fit` of this class is recorded; one that begins when the budget is used up ends the program."""
    original = trainer_class.fit

    @functools.wraps(original)
    def fit(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        if budget.used:
            raise BudgetUsed
        loop.of_trainer = True
        if not any(isinstance(callback, LightningSCRAM) for callback in trainer.callbacks):
            trainer.callbacks.append(LightningSCRAM(log_dir, print_findings=False))
        trainer.callbacks.append(_LightningLimit(budget))
        return original(trainer, *args, **kwargs)

    trainer_class.fit = fit


class _LightningLimit(Callback):
    """Ends the fit; Lightning still runs the validation."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._batches = budget, 0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._batches = 0

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self._batches += 1
        if self._budget.batch():
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self._budget.epoch(whole=not self._budget.used or self._batches >= trainer.num_training_batches):
            self._stop(trainer)

    def _stop(self, trainer: Any) -> None:
        trainer.fit_loop.min_epochs, trainer.fit_loop.epoch_loop.min_steps = 0, None  # else it goes on so long
        trainer.should_stop = True
