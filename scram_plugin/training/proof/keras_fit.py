"""Keras's `fit` in a run of a proof: recorded, and ended when the budget is used up."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Sequence
from typing import Any

import keras

from scram_plugin.proof_run import RunResult
from scram_plugin.training.keras.agreement import at_end
from scram_plugin.training.keras.callback import SCRAM
from scram_plugin.training.looks import Looks
from scram_plugin.training.proof.budget import Budget, BudgetUsed


def install(log_dir: str, budget: Budget, told: RunResult) -> None:
    """From now on each `fit` is recorded to `log_dir`; one that begins when the budget is used up ends the program."""
    original = keras.Model.fit

    @functools.wraps(original)
    def fit(model: Any, *args: Any, **kwargs: Any) -> Any:
        if budget.used:
            raise BudgetUsed
        given = inspect.signature(original).bind(model, *args, **kwargs)
        known = _listed(given.arguments.get("callbacks"))
        limit = _KerasLimit(budget, told, known, first=not told.batches)
        given.arguments["callbacks"] = _with_ours(given.arguments.get("callbacks"), known, log_dir, limit)
        history = original(*given.args, **given.kwargs)
        validation = given.arguments.get("validation_data")
        data = (validation, None) if validation is not None else (given.arguments.get("x"), given.arguments.get("y"))
        with contextlib.suppress(Exception):  # of a model that takes its data in another form
            told.agreement = at_end(model, *data)
        return history

    keras.Model.fit = fit


def _listed(callbacks: Any) -> list[Any]:
    """The callbacks as they were given to `fit`: a list, a single one, a `CallbackList`, or none."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return list(callbacks.callbacks)
    found = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    return [callback for callback in found if callback is not None]


def _with_ours(callbacks: Any, known: Sequence[Any], log_dir: str, limit: keras.callbacks.Callback) -> Any:
    """The callbacks of a fit with a recorder, which is the program's own if it has one, and the limit."""
    recorders = [callback for callback in known if isinstance(callback, SCRAM)]
    for recorder in recorders:
        recorder.log_dir = log_dir
        recorder._looks = Looks(log_dir, False, None, None)
    added = [limit] if recorders else [SCRAM(log_dir, print_findings=False), limit]
    if isinstance(callbacks, keras.callbacks.CallbackList):
        for callback in added:
            callbacks.append(callback)
        return callbacks
    return [*known, *added]


class _KerasLimit(keras.callbacks.Callback):
    """Ends the fit; Keras still runs the validation of the epoch that it ends in."""

    def __init__(self, budget: Budget, told: RunResult, others: Sequence[Any], first: bool) -> None:
        super().__init__()
        self._budget, self._told, self._others, self._first = budget, told, others, first
        self._last = -1  # the number of the last batch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._last = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for _ in range(max(batch - self._last, 1)):  # several are run at once with `steps_per_execution`
            used = self._budget.batch()
        self._last = batch
        if used:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        steps = self.params.get("steps")
        if self._budget.epoch(whole=not self._budget.used or steps is None or self._last + 1 >= steps):
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Note to which epoch the fit goes back at its end: its weights are what the user gets."""
        stops = [c for c in self._others if isinstance(c, keras.callbacks.EarlyStopping) and c.restore_best_weights]
        best = [c.best_epoch for c in stops if c.best_weights is not None]
        self._told.kept = int(best[-1]) if best and self._first else None  # the epochs of further fits have other numbers
