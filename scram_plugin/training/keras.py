"""The Keras callback: `model.fit(..., callbacks=[SCRAM(log_dir="logs/exp1")])`."""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from scram_plugin import schema
from scram_plugin.training import call_site
from scram_plugin.training.model_facts import facts, fit_facts
from scram_plugin.training.summary_writer import SummaryWriter

BLOCK = 128  # batches in a block, at most
SECONDS = 5.0  # and seconds between two blocks, at most
# The default sampling: every 50th batch costs less than the noise of timing (see `make bench`).
EVERY = 50


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """An exception inside SCRAM becomes one warning; after it the callback does nothing more."""

    @functools.wraps(method)
    def wrapper(self: SCRAM, *args: Any, **kwargs: Any) -> Any:
        if self._broken:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self._fail(error)
            return None

    return wrapper


class SCRAM(keras.callbacks.Callback):
    """Logs raw statistics of a training for SCRAM's tab in TensorBoard, and prints what it finds.

    Example::

        from scram_plugin import SCRAM

        model.fit(x, y, validation_split=0.1, callbacks=[SCRAM(log_dir="logs/exp1")])

    Args:
        log_dir: where to write. Metrics go to ``train/`` and ``validation/`` below it with the tags of
            `keras.callbacks.TensorBoard` (not, where such a callback writes to the same place), SCRAM's own to ``scram/``.
        every: measure inputs, targets and outputs in detail in every n-th batch. The loss and the extremes of every batch
            are recorded in any case.
        source: record the lines of the program that define, compile and fit the model, so that fixes can be shown in them.
        print_findings: print new findings at the end of an epoch, and at once for an error.
        stop_on: "error" ends the training after a new finding of that severity; None never does.
        on_finding: called with each new finding, a dictionary as in ``scram check --format json``.

    The training is not changed: on the CPU losses and weights are bit for bit those without the callback. An exception
    inside it becomes one warning. Raises ValueError for arguments that make no sense.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        every: int = EVERY,
        source: bool = True,
        print_findings: bool = True,
        stop_on: str | None = None,
        on_finding: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every={every!r}: give a whole number of batches, at least 1")
        if stop_on not in (None, "error"):
            raise ValueError(f'stop_on={stop_on!r}: give "error" or None')
        self.log_dir = os.fspath(log_dir)
        self.every, self.source, self.print_findings, self.stop_on = every, source, print_findings, stop_on
        self.on_finding = on_finding
        self._broken = False
        self._writer: SummaryWriter | None = None
        self._step: Any = None  # InstrumentedStep, on a backend that has one
        self._new_findings: Any = None
        self._unprinted: list[dict[str, Any]] = []
        self._lock = threading.Lock()  # the writer's thread may flush while the training waits for something
        self._batches = 0  # over all fits
        self._epochs = 0  # over all fits
        self._base = 0  # batches before this epoch
        self._epoch = 0
        self._written = 0  # rows of the table of batches
        self._times: list[float] = []
        self._measured: list[tuple[int, float, Any]] = []
        self._flushed = 0.0
        self._nonfinite = False  # seen in this fit already
        self._expected = False  # Keras has announced a batch to this callback
        self._row: Any = None

    # ---- the course of a fit, as Keras calls it

    @_guarded
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        here = sys._getframe()
        fit, user = call_site.fit_frame(here), call_site.user_frame(here)
        self._own_scalars = not call_site.tensorboard_writes_to(fit, self.log_dir)
        self._writer = SummaryWriter(self.log_dir, self._flush_if_idle, self._fail)
        self._offset: int | None = None
        self._nonfinite, self._flushed = False, time.monotonic()
        source = call_site.source(user) if self.source and user is not None else None
        built = facts(self.model, fit_facts(fit, self.params, self.every), source)
        self._writer.text(schema.FACTS_TAG, json.dumps(built, default=str))
        self._install()
        if self.print_findings or self.stop_on or self.on_finding:
            from scram_plugin.training.printing import new_findings

            self._new_findings = self._new_findings or new_findings(self.log_dir)

    @_guarded
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._offset is None:  # a second fit goes on where the first one ended
            self._offset = max(self._epochs - epoch, 0)
        self._epoch, self._base = epoch + self._offset, self._batches
        self._print()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._expected = True

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._broken:
            return
        self._expected = False
        now, done = time.time(), self._base + batch + 1
        self._times.extend([now] * (done - self._batches))
        self._batches = done
        if self._row is not None:
            self._measured.append((done - 1, now, self._row))
            self._row = None
        # Keras has turned the logs into floats already, so that looking costs nothing. It is the mean since the epoch began:
        # non-finite from the first non-finite batch on.
        loss = logs.get("loss", 0.0) if logs else 0.0
        if loss - loss != 0.0 and not self._nonfinite:
            self._nonfinite = True
            self._report_at_once()
        elif len(self._times) >= BLOCK or time.monotonic() - self._flushed > SECONDS:
            self._flush()

    @_guarded
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert self._writer is not None
        self._epochs = self._epoch + 1
        if self._own_scalars:
            logs = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
            training = {f"epoch_{name}": value for name, value in logs.items() if not name.startswith("val_")}
            rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
            if rate is not None:
                training["epoch_learning_rate"] = float(keras.ops.convert_to_numpy(rate))
            validation = {f"epoch_{name[4:]}": value for name, value in logs.items() if name.startswith("val_")}
            self._writer.scalars("train", self._epoch, training)
            if validation:
                self._writer.scalars("validation", self._epoch, validation)
        self._flush()
        self._look()

    @_guarded
    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._end("stopped" if self.model.stop_training else "finished")
        self._print()

    # ---- the instrumented step

    def _install(self) -> None:
        """Put the dispatcher in the place of the model's train function, where that is possible."""
        if keras.backend.backend() != "tensorflow" or self.model.distribute_strategy.num_replicas_in_sync > 1:
            return
        stale = getattr(self.model.train_function, "scram_plain", None)
        if stale is not None:  # left by a fit that was interrupted
            self.model.train_function = stale
        self._step = _instrumented(self.model, self._fail)
        self._step.take()
        callback = weakref.proxy(self)
        step, model = self._step, self.model

        def dispatch(iterator: Any) -> Any:
            try:
                expected, broken = callback._expected, callback._broken
            except ReferenceError:
                expected, broken = False, True
            if not expected or broken:  # a fit without this callback: leave the model as it was
                model.train_function = step.plain
                return step.plain(iterator)
            return callback._run(iterator)

        dispatch.scram_plain = self._step.plain  # type: ignore[attr-defined]
        self.model.train_function = dispatch

    def _run(self, iterator: Any) -> Any:
        """One call of the train function: measured or only recorded."""
        step = self._step
        try:
            if not self._due():
                return step.record(iterator)
            from scram_plugin.training.instrumented_step import KEY

            logs = step.measure(iterator)
            if isinstance(logs, dict) and KEY in logs:
                logs = dict(logs)
                self._row = logs.pop(KEY)
            return logs
        except (KeyboardInterrupt, Exception) as error:
            if not isinstance(error, StopIteration) and type(error).__name__ != "OutOfRangeError":
                self._interrupted(error)
            raise

    def _due(self) -> bool:
        """The second batch (the first should not wait for a second compilation), then every n-th; never a short last one."""
        at, steps = self._batches, self.params.get("steps")
        if (
            steps is not None
            and steps > 1
            and at - self._base + self.model.steps_per_execution >= steps > self.model.steps_per_execution
        ):
            return False
        first = 1 if steps is None or steps > 2 else 0
        return (at - first) % self.every < self.model.steps_per_execution and at + self.model.steps_per_execution > first

    # ---- writing

    @_guarded
    def _flush(self) -> None:
        """Hand the rows that were recorded since the last time to the writer."""
        with self._lock:
            self._flushed = time.monotonic()
            if self._writer is None:
                return
            times, self._times = self._times, []
            measured, self._measured = self._measured, []
            if self._step is not None and times:
                rows = self._step.take()
                count = len(rows)
                # Keras announces whole executions; where the data ended within one, fewer steps were made
                self._batches -= max(len(times) - count, 0) if self._step.columns else 0
                if count and self._step.columns:
                    steps = np.arange(self._batches - count, self._batches)
                    epochs = np.full((count, 1), self._epoch, np.float32)
                    values = np.concatenate([epochs, rows], axis=1)
                    self._writer.rows(schema.BATCHES, ("epoch", *self._step.columns), steps, np.array(times[:count]), values)
            if measured:
                at, when, vectors = zip(*measured, strict=True)
                self._writer.rows(schema.STATISTICS, self._step.measured_columns, np.array(at), np.array(when), list(vectors))

    def _flush_if_idle(self) -> None:
        if self._times and time.monotonic() - self._flushed > SECONDS:
            self._flush()

    def _interrupted(self, error: BaseException) -> None:
        """Keras does not call on_train_end when fit raises."""
        self._end(type(error).__name__)

    def _end(self, how: str) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.text(schema.END_TAG, how)
            self._writer.close()
            self._writer = None
        if self._step is not None and getattr(self.model.train_function, "scram_plain", None) is self._step.plain:
            self.model.train_function = self._step.plain

    def _fail(self, error: Exception) -> None:
        if not self._broken:
            self._broken = True
            warnings.warn(
                f"SCRAM stopped recording: {type(error).__name__}: {error}. The training goes on; please report this.",
                stacklevel=2,
            )

    # ---- findings

    @_guarded
    def _report_at_once(self) -> None:
        self._flush()
        self._look()
        if self._unprinted and self.print_findings:
            print()  # leave Keras's progress bar as it is
        self._print()

    def _look(self) -> None:
        if self._new_findings is None or self._writer is None:
            return
        self._writer.flush()
        for finding in self._new_findings.look():
            self._unprinted.append(finding)
            if self.on_finding is not None:
                self.on_finding(finding)
            if self.stop_on is not None and finding["severity"] == self.stop_on:
                self.model.stop_training = True

    def _print(self) -> None:
        """Print what is waiting; called where no progress bar is half-drawn."""
        findings, self._unprinted = self._unprinted, []
        if findings and self.print_findings:
            from scram_plugin.training.printing import print_findings

            print_findings(findings)


_steps: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _instrumented(model: keras.Model, on_error: Callable[[Exception], None]) -> Any:
    """The instrumented step of a model; that of an earlier fit, if the model was not compiled again since."""
    from scram_plugin.training.instrumented_step import InstrumentedStep

    step = _steps.get(model)
    if step is None or step.plain is not model.train_function:
        step = _steps[model] = InstrumentedStep(model, on_error)
    step.on_error = on_error
    return step
