"""What the recorders of trainers share: each holds a `Watch`, and no failure of its own ends the training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from scram_plugin.training.guarded import warn
from scram_plugin.training.torch.watch import Watch


class Adapter:
    """A recorder whose trainer calls it. Methods that are `guarded` detach it after a failure, with one warning.

    `log_dir`: as its user gave it, or None. `options`: of `scram_plugin.watch`.
    """

    log_dir: str | os.PathLike[str] | None = None
    options: dict[str, Any]
    broken = False
    trainer_name = ""  # its name, as the conventions of logs have it
    _watch: Watch | None = None

    def begin(
        self,
        model: torch.nn.Module,
        optimizers: list[torch.optim.Optimizer],
        log_dir: str | os.PathLike[str],
        parts: Sequence[torch.nn.Module] = (),
        callbacks: Sequence[tuple[str, Any, Any]] | None = None,
        epochs: int = 0,
    ) -> None:
        """A training begins. `callbacks`: class, monitor and mode of what looks for the best value of a metric. `epochs`: how
        long it is to train; 0 if that is not known.

        Raises TypeError or ValueError for invalid options, as `Watch` does.
        """
        if self._watch is not None:
            self._watch.close("an exception")  # of a training before, which nobody ended
        self.broken = False
        self._watch = Watch(model, optimizers, log_dir=self.log_dir or log_dir, parts=parts, **self.options)
        self._watch.trainer, self._watch.planned = {"trainer": self.trainer_name}, {"epochs": epochs} if epochs > 0 else {}
        if callbacks is not None:
            known = [dict(zip(("class", "monitor", "mode"), map(str, one), strict=True)) for one in callbacks if all(one)]
            self._watch.trainer["callbacks"] = known

    @property
    def should_stop(self) -> bool:
        """Whether `stop_on` asks for the end of the training."""
        return self._watch is not None and self._watch.should_stop

    def end(self, stopped: bool = False) -> None:
        """The training has ended; `stopped`: before the time that was given to it."""
        if self._watch is not None:
            self._watch.close("stopped" if stopped else "finished")

    def fail(self, error: Exception) -> None:
        self.broken = True
        if self._watch is None:
            warn(error)
        else:
            self._watch.fail(error)
