"""A callback for Keras Tuner, or a loop over settings: ``tuner.search(..., callbacks=[StopHopeless("val_loss", "min")])``."""

from __future__ import annotations

from typing import Any

import keras

from scram_plugin.sweeps.risks import RISKS
from scram_plugin.tuners.trials import Judge, Trial, is_higher, reported


class StopHopeless(keras.callbacks.Callback):
    """Stops a `fit` that is so much slower than all earlier ones that reached the goal that hardly any such training has ever
    reached one. One callback is given to all trials of a search: it knows what the earlier ones have reported.

    `monitor`: a name in the logs of Keras; `mode`: "max" or "min". `goal`: the value to reach; by default what the best quarter
    of the finished trials has reached. `risk`: the share of good trials that may be stopped by mistake, 0.01, 0.02 or 0.05.
    Raises ValueError for others.
    """

    def __init__(self, monitor: str, mode: str, goal: float | None = None, risk: float = RISKS[0]) -> None:
        super().__init__()
        self._monitor, self._judge = monitor, Judge(is_higher(mode), goal, risk)
        self._trials: list[Trial] = []
        self.stopped: dict[int, str] = {}  # the number of a fit, from 0 on, and why it was stopped

    def __deepcopy__(self, memo: dict[int, Any]) -> StopHopeless:
        """Keras Tuner copies callbacks for each trial: the copies share what is known of the others."""
        copied = StopHopeless.__new__(StopHopeless)
        copied.__dict__.update(self.__dict__)
        return copied

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._own = Trial(str(len(self._trials)))
        self._trials.append(self._own)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._own.values |= reported({epoch + 1: (logs or {}).get(self._monitor)})
        found = self._judge.stop(self._own, self._trials)
        if found is not None:
            self.stopped[int(self._own.name)] = found.text
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._own.running = False
