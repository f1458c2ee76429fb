"""The recorder for Hugging Face Transformers: `Trainer(callbacks=[TransformersSCRAM()])`."""

from __future__ import annotations

import os
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from scram_plugin.training.guarded import guarded
from scram_plugin.training.torch.adapter import Adapter

COSTS = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")  # of an evaluation: no metrics


class TransformersSCRAM(TrainerCallback, Adapter):
    """Records a training with the Trainer of Hugging Face, or one of TRL's, as `scram_plugin.watch` does.

    Args:
        log_dir: the log directory; by default ``scram`` in the trainer's output directory.
        options: as for `scram_plugin.watch`: every, source, print_findings, stop_on, on_finding.

    What the trainer logs (``train/loss``, ``eval/loss``, ``train/reward``) is recorded by the names and steps of its own
    TensorBoard log. The metrics of epochs are, too, unless it evaluates after some steps (`eval_strategy="steps"`). The loss of
    every step is always recorded.
    """

    trainer_name = "hugging face"

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self.log_dir, self.options = log_dir, options
        self._metrics: dict[str, float] = {}
        self._ended = False  # an epoch has, whose evaluation follows

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        optimizer = kwargs.get("optimizer")
        optimizer = getattr(optimizer, "optimizer", optimizer)  # without the wrapper of accelerate
        self._metrics, self._ended = {}, False
        mode = {True: "max", False: "min"}.get(args.greater_is_better) if args.load_best_model_at_end else None
        best = [(type(args).__name__, args.metric_for_best_model, mode)]
        given = [] if optimizer is None else [optimizer]
        self.begin(kwargs["model"], given, os.path.join(args.output_dir or ".", "scram"), callbacks=best)

    @guarded
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs = {name: float(value) for name, value in (kwargs.get("logs") or {}).items() if isinstance(value, int | float)}
        if self._watch is not None:
            self._watch.scalars(state.global_step, {_tag(name): value for name, value in logs.items()})
            self._stop(control)

    @guarded
    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._metrics = {
            f"val_{name.removeprefix('eval_')}": float(value)
            for name, value in (kwargs.get("metrics") or {}).items()
            if name.startswith("eval_") and name not in COSTS and isinstance(value, int | float)
        }
        if self._ended:
            self._end_epoch(args, state, control)

    @guarded
    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._ended = True
        if not control.should_evaluate:  # otherwise an evaluation follows, whose metrics belong to this epoch
            self._end_epoch(args, state, control)

    def _end_epoch(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        metrics, self._metrics, self._ended = self._metrics, {}, False
        if self._watch is None:
            return
        if str(getattr(args.eval_strategy, "value", args.eval_strategy)) == "steps":  # its evaluations are no epochs
            self._watch.scalars(state.global_step, {}, ended=True)
        else:
            self._watch.log(**metrics)
        self._stop(control)

    def _stop(self, control: TrainerControl) -> None:
        control.should_training_stop = control.should_training_stop or self.should_stop

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.end(stopped=state.global_step < state.max_steps)


def _tag(name: str) -> str:
    """The tag under which the trainer's own TensorBoard callback writes what it logs."""
    part = next((part for part in ("eval", "test") if name.startswith(f"{part}_")), None)
    return f"train/{name}" if part is None else f"{part}/{name.removeprefix(f'{part}_')}"
