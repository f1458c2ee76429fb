"""`Trainer.train` of Hugging Face in a run of a proof: recorded, and ended when the budget is used up."""

from __future__ import annotations

import functools
from typing import Any

from transformers import TrainerCallback

from scram_plugin.training.proof.budget import Budget, BudgetUsed
from scram_plugin.training.proof.torch_loop import ProofLoop
from scram_plugin.training.torch.transformers import TransformersSCRAM


def install(trainer_class: Any, log_dir: str, budget: Budget, loop: ProofLoop) -> None:
    """From now on each `train` of this class is recorded; one that begins when the budget is used up ends the program."""
    original = trainer_class.train

    @functools.wraps(original)
    def train(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        if budget.used:
            raise BudgetUsed
        loop.of_trainer = True
        if not any(isinstance(callback, TransformersSCRAM) for callback in trainer.callback_handler.callbacks):
            trainer.add_callback(TransformersSCRAM(log_dir, print_findings=False))
        trainer.add_callback(_TransformersLimit(budget))
        return original(trainer, *args, **kwargs)

    trainer_class.train = train


class _TransformersLimit(TrainerCallback):
    """Ends the training, after an evaluation if the program makes any."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._budget.batch():
            self._stop(args, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._budget.epoch(whole=not self._budget.used):
            self._stop(args, control)

    def _stop(self, args: Any, control: Any) -> None:
        control.should_training_stop = True
        if str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no":
            control.should_evaluate = True
