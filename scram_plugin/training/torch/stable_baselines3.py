"""The recorder for Stable-Baselines3: `model.learn(..., callback=StableBaselines3SCRAM("logs/ppo"))`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter

from scram_plugin.training.guarded import guarded
from scram_plugin.training.torch.adapter import Adapter
from scram_plugin.training.torch.parts import children


class StableBaselines3SCRAM(BaseCallback, Adapter):
    """Records a training with Stable-Baselines3 as `scram_plugin.watch` does, and the scalars that the model logs.

    Args:
        log_dir: the log directory; by default that of the model's own TensorBoard log, or else ``logs``.
        options: as for `scram_plugin.watch`: every, source, print_findings, stop_on, on_finding.

    The scalars have the names and steps (`num_timesteps`) of the model's own TensorBoard log. A step of the training is one of
    the optimizer; with a critic of its own (SAC, TD3) one of the actor's, and its loss is the sum of all since the last one.
    """

    trainer_name = "stable-baselines3"

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self.log_dir, self.options = log_dir, options
        self._scalars = Scalars(self)

    def _on_training_start(self) -> None:
        policy, log_dir = self.model.policy, self.logger.dir if self.model.tensorboard_log else None
        # the networks of a policy are made in the order actor, critic, and trained in the other one
        made = [optimizer for module in policy.modules() if (optimizer := getattr(module, "optimizer", None)) is not None]
        held = {id(p) for optimizer in made for group in optimizer.param_groups for p in group["params"]}
        # the methods of a policy call its parts; copies of these as targets are not trained
        parts = [part for part in children(policy) if any(id(p) in held for p in part.parameters())]
        self._detach()  # from a training before that ended by an exception
        self.begin(policy, made[::-1], log_dir or "logs", parts)
        self.logger.output_formats.append(self._scalars)

    def _on_step(self) -> bool:
        return not self.should_stop

    def _on_training_end(self) -> None:
        self._detach()
        self.end()

    def fail(self, error: Exception) -> None:
        self._detach()
        super().fail(error)

    def _detach(self) -> None:
        if self._scalars in self.logger.output_formats:
            self.logger.output_formats.remove(self._scalars)

    @guarded
    def logged(self, values: Mapping[str, Any], excluded: Mapping[str, Any], step: int) -> None:
        """The model logs: write what its own writer for TensorBoard would write."""
        if self._watch is not None:
            numbers = {
                tag: float(value)
                for tag, value in values.items()
                if isinstance(value, int | float | np.number) and "tensorboard" not in (excluded.get(tag) or ())
            }
            self._watch.scalars(step, numbers)


class Scalars(KVWriter):
    """One of the outputs of a logger: passes what it logs to the recorder."""

    def __init__(self, recorder: StableBaselines3SCRAM) -> None:
        self._recorder = recorder

    def write(self, key_values: Mapping[str, Any], key_excluded: Mapping[str, Any], step: int = 0) -> None:
        self._recorder.logged(key_values, key_excluded, step)

    def close(self) -> None: ...
