"""The recorder for Hugging Face Transformers: `Trainer(callbacks=[TransformersSCRAM()])`."""

from __future__ import annotations

import os
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from scram_plugin.training.torch.watch import Watch


class TransformersSCRAM(TrainerCallback):
    """Records a training with the Trainer of Hugging Face as `scram_plugin.watch` does.

    Args:
        log_dir: the log directory; by default ``scram`` in the trainer's output directory.
        options: as for `scram_plugin.watch`: every, source, print_findings, stop_on, on_finding.

    Metrics of an evaluation (``eval_loss``) are recorded, too. The loss of every step is always recorded.
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self.log_dir, self.options = log_dir, options
        self._watch: Watch | None = None
        self._metrics: dict[str, float] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        optimizer = kwargs.get("optimizer")
        optimizer = getattr(optimizer, "optimizer", optimizer)  # without the wrapper of accelerate
        log_dir = self.log_dir or os.path.join(args.output_dir or ".", "scram")
        self._watch = Watch(kwargs["model"], optimizer, log_dir=log_dir, **self.options)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        metrics = kwargs.get("metrics") or {}
        usual = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")
        self._metrics = {
            f"val_{name.removeprefix('eval_')}": float(value)
            for name, value in metrics.items()
            if name.startswith("eval_") and name not in usual and isinstance(value, int | float)
        }
        self._log(control)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not control.should_evaluate:  # otherwise an evaluation follows, whose metrics belong to this epoch
            self._log(control)

    def _log(self, control: TrainerControl) -> None:
        if self._watch is None:
            return
        metrics, self._metrics = self._metrics, {}
        self._watch.log(**metrics)
        control.should_training_stop = control.should_training_stop or self._watch.should_stop

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._watch is not None:
            self._watch.close()
