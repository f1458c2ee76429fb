"""The Keras callback: `model.fit(..., callbacks=[SCRAM(log_dir="logs/exp1")])`."""

from __future__ import annotations

import atexit
import json
import math
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from scram_plugin import schema
from scram_plugin.training import blocks, call_site, program_files
from scram_plugin.training.blocks import BLOCK, SECONDS
from scram_plugin.training.guarded import guarded, warn
from scram_plugin.training.keras import fit as keras_fit
from scram_plugin.training.keras.data_facts import data_facts, validation_rows
from scram_plugin.training.keras.host_rows import HostRows
from scram_plugin.training.keras.loss_facts import of_outputs
from scram_plugin.training.keras.model_facts import called, facts, fit_facts, in_order_of_data, is_built, model_facts, names
from scram_plugin.training.keras.ownership import untrained
from scram_plugin.training.keras.shadow import path_in
from scram_plugin.training.keras.steps import step_of
from scram_plugin.training.looks import Looks
from scram_plugin.training.process import Clock
from scram_plugin.training.sampling import EVERY, Thinning, check_every, due
from scram_plugin.training.session import Session, session
from scram_plugin.training.summary_writer import SummaryWriter, directory


class SCRAM(keras.callbacks.Callback):
    """Records raw statistics of a training for SCRAM's tab in TensorBoard, and prints findings.

    Example::

        from scram_plugin import SCRAM

        model.fit(x, y, validation_split=0.1, callbacks=[SCRAM(log_dir="logs/exp1")])

    Args:
        log_dir: the log directory. Metrics go to ``train/`` and ``validation/`` in it, with the tags of
            `keras.callbacks.TensorBoard`, unless such a callback writes to the same directory. SCRAM's data go to ``scram/``.
        every: measure inputs, targets, outputs, layers and gradients in detail in every n-th batch. The loss, the
            means of inputs, targets and outputs, and the range of the targets are recorded in every batch.
        source: record the lines of the program that define, compile and fit the model, so that SCRAM can show fixes in them.
        print_findings: print new errors and warnings after each epoch, and at once when the loss is not finite. Findings of
            severity info are only in the tab.
        stop_on: "error" stops the training after a new finding of that severity; None never does.
        on_finding: called with each new finding, a dictionary as in ``scram check --format json``.

    The training is not changed: on the CPU, losses and weights are bit for bit the same as without the callback. An exception
    inside the callback becomes one warning. Raises TypeError or ValueError for invalid arguments. A copy, also a
    pickled one, has the arguments and the facts; it records the next fit.
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
        check_every(every)
        self.log_dir = directory(log_dir)
        self.every, self.source, self.print_findings, self.stop_on = every, source, print_findings, stop_on
        self.on_finding = on_finding
        self.broken = False
        self.facts: dict[str, Any] = {}  # facts of the model and the fit; empty until a fit begins
        self._writer: SummaryWriter | None = None
        self._step: Any = None  # see `step_of`
        self._looks = Looks(self.log_dir, print_findings, stop_on, on_finding)
        self._lock = threading.Lock()  # the writer's thread may flush while the training waits for something
        self._session = Session()
        self._base = 0  # batches before this epoch
        self._epoch = 0
        self._times: list[float] = []  # when the batches ended that are not written yet
        self._measured: list[tuple[int, float, Any]] = []
        self._clock = Clock()
        self._thinning = Thinning()
        self._traced = False  # whether the origin of the first non-finite value was written
        self._flushed = 0.0
        self._nonfinite = False  # whether a non-finite loss was seen in this fit
        self._expected = False  # Keras has called `on_train_batch_begin` for a batch
        self._first = 0  # the number of that batch
        self._row: Any = None
        self._second = False  # whether this is the second SCRAM callback in a fit

    # ---- copies: programs that tune, or train in other processes, pickle callbacks or copy them

    def __getstate__(self) -> dict[str, Any]:
        """The arguments, the facts, and what a subclass has added: not what belongs to a fit."""
        added = {name: value for name, value in vars(self).items() if name not in vars(SCRAM())}
        arguments = self.log_dir, self.every, self.source, self.print_findings, self.stop_on, self.on_finding
        return {"arguments": arguments, "added": {**added, "facts": self.facts}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        SCRAM.__init__(self, *state["arguments"])
        self.__dict__.update(state["added"])

    # ---- what Keras calls during a fit

    def set_model(self, model: keras.Model) -> None:
        if self._second:  # in an earlier fit
            self.broken = self._second = False
        super().set_model(model)

    @guarded
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:  # the previous fit was interrupted where Keras calls no callback
            self._end("interrupted")
        here = sys._getframe()
        fit, user = keras_fit.fit_frame(here), call_site.user_frame(here)
        others = [c for c in keras_fit.callbacks(fit) if isinstance(c, SCRAM)]
        if others and others[0] is not self:
            self.broken = self._second = True
            warnings.warn("Two SCRAM callbacks in one fit: only the first one records.", stacklevel=2)
            return
        self._writer = SummaryWriter(self.log_dir, self._flush_if_idle, self.fail)  # first: it tells of what fails from here on
        self._own_scalars = not keras_fit.tensorboard_writes_to(fit, self.log_dir)
        self._session = session(self.model, self.log_dir)
        atexit.register(self._interrupted, SystemExit())
        self._offset: int | None = None
        self._nonfinite, self._flushed, self._expected = False, time.monotonic(), False
        self._times, self._measured = [], []
        self._clock, self._thinning, self._traced = Clock(), Thinning(), False
        source = None
        if self.source and user is not None:
            source = program_files.source(user, keras_fit.roles, called(self.model), names(self.model))
        built = facts(self.model, fit_facts(fit, self.params, self.every), source)
        in_order_of_data(built["model"], fit)
        if several := of_outputs(self.model, fit):
            built["loss"]["outputs"] = several
        built["data"], built["callbacks"] = data_facts(fit), keras_fit.watching(fit)
        built["session"], built["resumed"] = self._session.id, keras_fit.initial_epoch(fit) > 0
        self.facts, self._unbuilt = built, not is_built(self.model)
        self._write_facts()
        blocks.write_validation(self._writer, validation_rows(fit), self._session.batches)
        self._install()
        self._looks.begin()

    @guarded
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._offset is None:  # the epochs of a second fit continue those of the first one
            self._offset = max(self._session.epochs - epoch, 0)
        self._epoch, self._base = epoch + self._offset, self._session.batches
        if self._step is not None and not hasattr(self.model.train_function, "scram_plain"):
            self._install()  # the train function was made again, perhaps to unfreeze layers
        self._looks.show()  # at a time when no progress bar is half-drawn

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._expected, self._first = True, batch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.broken:
            return
        several = self._model.steps_per_execution  # not `model`: on JAX that synchronises all weights
        if (
            several > 1 and batch == self._first and batch % several == 0
        ):  # Keras before 3.7 ends an execution with the number of its first batch
            batch = min(batch + several, self.params.get("steps") or math.inf) - 1
        if self._unbuilt or (getattr(self._step, "pairs", None) and "shapes" not in self.facts["loss"]):
            self._tell_again()
        now, done = time.time(), self._base + batch + 1
        self._times.extend([now] * (done - self._session.batches))
        self._session.batches = done
        if self._row is not None:
            self._measured.append((done - 1, now, self._row))
            self._row = None
        # Keras has already converted the logs to floats, so this check costs nothing. The loss is the mean since the epoch
        # began: it is not finite from the first non-finite batch on.
        loss = logs.get("loss", 0.0) if logs else 0.0
        if isinstance(loss, float) and loss - loss != 0.0 and not self._nonfinite:
            self._nonfinite = True
            self._flush_and_look()
        elif len(self._times) >= BLOCK or time.monotonic() - self._flushed > SECONDS:
            self._flush()

    @guarded
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert self._writer is not None
        self._session.epochs = self._epoch + 1
        if self._own_scalars:
            metrics = dict(_numbers(logs or {}))
            rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
            if rate is not None:
                metrics["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
            blocks.write_metrics(self._writer, self._epoch, metrics)
        self._flush(whole=True)
        self._tell_of_trained()
        self._look()

    @guarded
    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._looks.put_off:
            self._look(at_once=True)
        self._end("stopped" if self.model.stop_training else "finished")
        self._looks.show()  # at a time when no progress bar is half-drawn

    # ---- the instrumented step

    def _install(self) -> None:
        """Replace the model's train function by a dispatcher, if its steps can be recorded."""
        stale = getattr(self.model.train_function, "scram_plain", None)
        if stale is not None:  # left by a fit that was interrupted
            self.model.train_function = stale
        self._step = step_of(self.model, self.fail)
        if self._step is None:
            return
        self._step.begin()
        callback: Any = weakref.proxy(self)
        step, model = self._step, self.model

        def dispatch(*given: Any) -> Any:  # the iterator; on JAX the state and the iterator
            iterator = given[-1]
            try:
                expected, callback._expected = callback._expected and not callback.broken, False
            except ReferenceError:
                expected = False
            if expected:
                return callback._run(*given)
            if type(iterator).__module__.startswith("tensorflow"):  # a fit without this callback: restore the model
                model.train_function = step.plain
            return step.plain(*given)  # otherwise: `train_on_batch`, called by another callback

        dispatch.scram_plain = self._step.plain  # type: ignore[attr-defined]
        self.model.train_function = dispatch

    def _run(self, *given: Any) -> Any:
        """Call the train function once; the step is measured or only recorded."""
        step, iterator = self._step, given[-1]
        try:
            measuring = self._due()
            if isinstance(step, HostRows):
                logs = step.run(measuring, *given)
                self._row = step.row
                return logs
            if self._model.steps_per_execution == 1 and hasattr(iterator, "element_spec"):
                begin = time.perf_counter()
                batch = next(iterator)
                self._clock.waits.append(time.perf_counter() - begin)
                logs = step.of_batch(batch, iterator.element_spec, measuring)
            else:
                logs = (step.measure if measuring else step.record)(iterator)
            if measuring and isinstance(logs, dict) and step.key in logs:
                logs = dict(logs)
                self._row = logs.pop(step.key)
            return logs
        except (KeyboardInterrupt, Exception) as error:
            if not isinstance(error, StopIteration) and type(error).__name__ != "OutOfRangeError":
                self._interrupted(error)
            raise

    def _due(self) -> bool:
        """Whether to measure the next execution; never one with a short last batch, which would need a second compilation."""
        at, steps, several = self._session.batches, self.params.get("steps"), self._model.steps_per_execution
        if steps is not None and steps > several and at - self._base + several >= steps:
            return False
        if steps is not None and steps <= 2:  # in so short an epoch only the first execution can be measured
            return bool(at % self.every < several)
        return any(due(batch, self.every) for batch in range(at, at + several))

    # ---- writing

    @guarded
    def _flush(self, whole: bool = False) -> None:
        """Pass the rows of the batches that have ended to the writer.

        `whole`: an epoch has ended. Keras reports whole executions. If the data ended within one, fewer steps were run, and
        Keras before 3.7 does not report these at all.
        """
        with self._lock:
            self._flushed = time.monotonic()
            if self._writer is None:
                return
            measured, self._measured = self._measured, []
            times: list[float] = []
            if self._step is not None and self._step.columns and (self._times or whole):
                rows = self._step.take(None if whole else len(self._times))
                unannounced = max(len(rows) - len(self._times), 0)
                self._times.extend([time.time()] * unannounced)
                self._session.batches += unannounced
                times, self._times = self._times[: len(rows)], self._times[len(rows) :]
                first = self._session.batches - len(times) - len(self._times)
                if whole:
                    self._session.batches -= len(self._times)
                    self._times = []
                if times:
                    values = np.concatenate([np.full((len(rows), 1), self._epoch, np.float32), rows], axis=1)
                    steps = np.arange(first, first + len(rows))
                    self._writer.rows(schema.BATCHES, ("epoch", *self._step.columns), steps, np.array(times), values)
                    if not self._traced and not np.isfinite(rows).all():
                        self._traced = blocks.write_origin(self._writer, self._step, first + len(rows), times[-1])
            elif self._step is None:
                self._times = []
            if measured:
                at, when, vectors = zip(*measured, strict=True)
                columns = self._step.measured_columns
                self._writer.rows(schema.STATISTICS, columns, np.array(at), np.array(when), list(vectors), self._thinning)
                blocks.write_process(self._writer, self._clock.row(times), at[-1], when[-1])

    @guarded
    def _flush_and_look(self) -> None:
        self._flush()
        self._look(at_once=True)
        self._looks.show(within_progress=True)

    def _flush_if_idle(self) -> None:
        if self._times and time.monotonic() - self._flushed > SECONDS:
            self._flush()

    def _interrupted(self, error: BaseException) -> None:
        """End the recording when `fit` raises or Python exits: Keras does not call `on_train_end` then."""
        self._tell_of(error)
        self._end(type(error).__name__)

    @guarded
    def _tell_again(self) -> None:
        """Many models get their weights with the first batch, and what a step compares is known when it was traced.

        Only from the training's thread: on JAX it has the weights.
        """
        if self._unbuilt:
            self._unbuilt = False
            self.facts["model"] = model_facts(self._model)
        if pairs := getattr(self._step, "pairs", None):
            self.facts["loss"]["shapes"] = pairs
        self._write_facts()

    def _write_facts(self) -> None:
        """As they are known now; the last ones count."""
        if self._writer is not None:
            self._writer.text(schema.FACTS_TAG, json.dumps(self.facts, default=str))

    @guarded
    def _tell_of(self, error: BaseException) -> None:
        self._flush()  # rows stand in their order
        if self._writer is not None:
            blocks.write_refused(self._writer, error, self._epoch, self._session.batches)

    @guarded
    def _tell_of_trained(self) -> None:
        """What a step of the program's own gives to no optimizer: at the end of an epoch all branches were traced."""
        trained = getattr(self._step, "trained", None)
        if trained:
            left = untrained(self._model.trainable_variables, trained, lambda variable: path_in(self._model, variable))
            known = self.facts["optimizer"].get("untrained")
            if left != known and (left["forgotten"] or known):
                self.facts["optimizer"]["untrained"] = left
                self._write_facts()

    def _end(self, how: str) -> None:
        atexit.unregister(self._interrupted)
        self._flush()
        if self._writer is not None:
            self._writer.text(schema.END_TAG, how)
            self._writer.close()
            self._writer = None
        if self._step is not None and getattr(self.model.train_function, "scram_plain", None) is self._step.plain:
            self.model.train_function = self._step.plain

    def fail(self, error: Exception) -> None:
        """End the recording because of `error`, with one warning; the training continues."""
        if not self.broken:
            self.broken = True
            if self._writer is not None:
                self._writer.stop(error)
            warn(error)

    def _look(self, at_once: bool = False) -> None:
        """Review what is on disk, and stop the training if `stop_on` demands it."""
        if self._looks.look(self._writer, at_once):
            self.model.stop_training = True


def _numbers(logs: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The scalars of Keras's logs. A metric that is a mapping (in some versions of Keras) is replaced by its parts."""
    for name, value in logs.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif np.ndim(value) == 0:
            yield name, float(value)
