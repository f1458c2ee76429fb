"""`watch` for Keras: records a training loop that a program writes itself with `tf.GradientTape`."""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import keras
import numpy as np

from scram_plugin import schema
from scram_plugin.training import blocks, call_site, program_files
from scram_plugin.training.blocks import SECONDS
from scram_plugin.training.guarded import guarded, warn
from scram_plugin.training.keras import fit as keras_fit
from scram_plugin.training.keras import tape_patches
from scram_plugin.training.keras.loss_facts import loss_facts
from scram_plugin.training.keras.model_facts import called, facts, facts_of_several, names, optimizer_facts
from scram_plugin.training.keras.ownership import untrained
from scram_plugin.training.keras.statistics import axes
from scram_plugin.training.keras.tape_recorder import TapeRecorder
from scram_plugin.training.keras.tape_trace import StepSeen
from scram_plugin.training.looks import Looks
from scram_plugin.training.process import Clock
from scram_plugin.training.sampling import EVERY, Thinning, check_every
from scram_plugin.training.session import session
from scram_plugin.training.structures import leaves
from scram_plugin.training.summary_writer import SummaryWriter, directory

LEAST = 8  # examples of an evaluation: fewer are a trial
NO_STEPS = (
    "SCRAM has seen no training step. It records the steps of the model and the optimizer that are passed to watch(), from the"
    " first call of the function that makes a step: call watch() before it. A function with `jit_compile=True`, or one that"
    " several replicas run, is not recorded."
)


@dataclass
class Evaluation:
    """An evaluation that goes on: the steps before it, the epoch that it ends, the mean loss of that epoch's steps, and so far
    the sum of its losses and the number of its examples."""

    steps: int
    epoch: int
    training: dict[str, float]
    loss: float = 0.0
    examples: int = 0


class TapeWatch:
    """Records a training until `close` or the end of the ``with`` block.

    Example::

        with scram_plugin.watch(model, optimizer, log_dir="logs/exp1") as scram:
            for epoch in range(10):
                for x, y in dataset:
                    train_step(x, y)  # with a tf.GradientTape, and optimizer.apply_gradients
                scram.log(val_loss=validate(model))

    Args:
        model: the model that is called in each step, or several.
        optimizer: the optimizer, or several. A step ends when the last one has applied its gradients. Without one it is the
            first that trains the model.
        log_dir, every, source, print_findings, stop_on, on_finding: as `scram_plugin.SCRAM` has them.

    Raises TypeError or ValueError for invalid arguments. The training is not changed: on the CPU, losses and weights are bit
    for bit the same as without it. An exception inside it becomes one warning.
    """

    def __init__(
        self,
        model: keras.Model | list[keras.Model] | tuple[keras.Model, ...],
        optimizer: Any = None,
        log_dir: str | os.PathLike[str] = "logs",
        every: int = EVERY,
        source: bool = True,
        print_findings: bool = True,
        stop_on: str | None = None,
        on_finding: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer] if optimizer is not None else []
        models = list(model) if isinstance(model, list | tuple) else [model]
        if wrong := [m for m in models if not isinstance(m, keras.Model)]:
            raise TypeError(f"model is a {type(wrong[0]).__name__}: give the keras.Model that is trained, or a list of them")
        if wrong := [o for o in optimizers if not isinstance(o, keras.optimizers.Optimizer)]:
            raise TypeError(f"optimizer is a {type(wrong[0]).__name__}: give a keras.optimizers.Optimizer, or a list of them")
        check_every(every)
        self.log_dir, self.every, self.models, self.optimizers = directory(log_dir), every, models, optimizers
        self._looks = Looks(self.log_dir, print_findings, stop_on, on_finding)
        self._looks.begin()
        self.broken = self.should_stop = False
        self.facts: dict[str, Any] = {}  # facts of the model and the training; empty until the first step
        self._session = session(models[0], self.log_dir)
        self._first, self._resumed = self._session.batches, self._session.batches > 0
        self._lock = threading.RLock()
        self._clock, self._thinnings = Clock(), dict[tuple[str, ...], Thinning]()
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []  # values and times that are not written
        self._passed = time.time()  # when the last rows came
        self._measured: list[tuple[tuple[str, ...], int, float, np.ndarray]] = []
        self._columns: tuple[str, ...] = ()
        self._means: list[np.ndarray] = []  # losses of the steps of this epoch
        self._evaluation: Evaluation | None = None
        self._held: list[tuple[int, dict[str, float]]] = []  # a single evaluation is no curve
        self._logged = self._nonfinite = self._traced = False
        self._flushed = time.monotonic()
        frame = call_site.user_frame(sys._getframe())
        known = [one for m in models for one in called(m)], {name for m in models for name in names(m)}
        self._source = program_files.source(frame, keras_fit.roles, *known) if source and frame is not None else None
        self._writer: SummaryWriter | None = SummaryWriter(self.log_dir, lambda: None, self.fail)
        self.recorder = TapeRecorder(models, optimizers, every, self)
        tape_patches.add(self.recorder, optimizers)
        atexit.register(self._exit)

    # ---- called by the program

    def __enter__(self) -> TapeWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(kind.__name__ if kind is not None else "finished")

    def close(self, how: str = "finished") -> None:
        """End the recording: write the rest, and how the training ended."""
        self._end(how)

    @guarded
    def log(self, epoch: int | None = None, **metrics: Any) -> None:
        """Log the metrics of an epoch that has ended. Those of the validation begin with ``val_``: ``log(val_loss=0.3)``.

        `epoch` counts from 0; by default it is the next one. Without ``loss``, the mean loss of the epoch's steps is logged.
        """
        if self._writer is None:
            return
        if epoch is not None:
            self._session.epochs = int(epoch)
        self._logged, self._held = True, []
        self.recorder.take()
        given = {name: float(value) for name, value in metrics.items()}
        with self._lock:
            of_steps = self._evaluation.training if self._evaluation is not None else self._mean()
            if self._evaluation is not None:  # it was that of this epoch
                self._session.epochs, self._evaluation = self._evaluation.epoch if epoch is None else int(epoch), None
            blocks.write_metrics(self._writer, self._session.epochs, {**of_steps, **self._rate(), **given})
            self._next_epoch()
        self._look()

    # ---- called by the recorder, from the thread of the training or one of TensorFlow's

    def built(self, step: StepSeen) -> None:
        fit: dict[str, Any] = {"every": self.every}
        x = next((leaf for leaf in leaves(step.x) if axes(leaf)), None)
        if x is not None and x.shape[0] is not None:
            fit["batch_size"] = int(x.shape[0])
        built = facts(self.models[0], fit, self._source)
        if len(self.models) > 1:
            built["model"] = facts_of_several(self.models)
        made = leaves(step.y_pred)
        if built["model"]["output_units"] is None and len(made) == 1 and (axes(made[0]) or 0) > 1:
            built["model"]["output_units"] = made[0].shape[-1]
        built["optimizer"] = optimizer_facts(self.optimizers[0])
        loss = step.compared.loss if step.compared is not None else None
        built["loss"] = loss_facts(loss, self._source is not None)
        if loss is None:
            built["loss"]["custom"] = True
        if step.compared is not None and step.compared.shapes:
            built["loss"]["shapes"] = step.compared.shapes
        built["jit_compile"] = False
        built["session"], built["resumed"] = self._session.id, self._resumed
        with self._lock:
            self.facts = built
            self._tell()

    def rows(self, columns: tuple[str, ...], values: np.ndarray) -> None:
        now = time.time()
        with self._lock:
            if columns != self._columns and self._rows:
                self._flush()
            self._columns = columns
            times = np.linspace(self._passed, now, len(values) + 1)[1:]
            self._passed = now
            self._rows.append((values, times))
            if columns[:1] == ("loss",):
                self._means.append(values[:, 0])
        broken = not self._nonfinite and not np.isfinite(values).all()
        self._nonfinite |= broken
        if broken or time.monotonic() - self._flushed > SECONDS:
            self._flush()
            if broken:
                self._look(at_once=True)

    def measured(self, columns: tuple[str, ...], step: int, values: np.ndarray) -> None:
        with self._lock:
            self._measured.append((columns, self._first + step, time.time(), np.array(values, np.float32)))

    def evaluated(self, steps: int, loss: float, examples: int) -> None:
        begins = self._evaluation is None or steps != self._evaluation.steps
        if begins:  # before the lock is held: a step in another thread may pass on its rows
            self.recorder.take()
        with self._lock:
            if self._evaluation is None or begins:
                self._settle()
                self._evaluation = Evaluation(steps, self._session.epochs, self._mean())
                self._next_epoch()
            self._evaluation.loss += loss * examples
            self._evaluation.examples += examples

    def fail(self, error: Exception) -> None:
        if not self.broken:
            self.broken = True
            tape_patches.remove(self.recorder)
            if self._writer is not None:
                self._writer.stop(error)
            warn(error)

    # ---- writing

    def _settle(self) -> None:
        """An evaluation has ended: write its loss, where the program does not log."""
        found, self._evaluation = self._evaluation, None
        if self._writer is None or found is None or found.examples < LEAST or not found.steps or self._logged:
            return
        metrics = {"val_loss": found.loss / found.examples, **found.training}
        self._held.append((found.epoch, {**metrics, **self._rate()}))
        if len(self._held) > 1 or found.epoch > 1:
            for epoch, values in self._held:
                blocks.write_metrics(self._writer, epoch, values)
            self._held = []
        self._look()

    def _mean(self) -> dict[str, float]:
        """The mean loss of the steps since it was asked for the last time."""
        means, self._means = self._means, []
        return {"loss": float(np.mean(np.concatenate(means)))} if means else {}

    def _rate(self) -> dict[str, float]:
        rate = optimizer_facts(next(iter(self.optimizers), None)).get("learning_rate")
        return {} if rate is None else {"learning_rate": rate}

    def _next_epoch(self) -> None:
        self._flush()
        self._session.epochs += 1

    def _tell(self) -> None:
        """Write the facts as they are known now; the last ones count."""
        if self._writer is not None and self.facts:
            self._writer.text(schema.FACTS_TAG, json.dumps(self.facts, default=str))

    def _flush(self) -> None:
        with self._lock:
            self._flushed = time.monotonic()
            if self._writer is None:
                return
            rows, self._rows = self._rows, []
            times: list[float] = []
            if rows:
                values, when = np.concatenate([v for v, _ in rows]), np.concatenate([t for _, t in rows])
                times = when.tolist()
                first = self._session.batches
                self._session.batches += len(values)
                epoch = np.full((len(values), 1), self._session.epochs, np.float32)
                steps = np.arange(first, first + len(values))
                self._writer.rows(
                    schema.BATCHES, ("epoch", *self._columns), steps, when, np.concatenate([epoch, values], axis=1)
                )
                if not self._traced and not np.isfinite(values).all() and (origin := self.recorder.flaws) is not None:
                    self._traced = True
                    number, columns, counts = origin
                    at = np.array([self._first + number])
                    self._writer.rows(schema.ORIGIN, columns, at, np.array([times[-1]]), counts[None])
            measured, self._measured = self._measured, []
            for columns, step, at_time, vector in measured:
                thinning = self._thinnings.setdefault(columns, Thinning())
                self._writer.rows(schema.STATISTICS, columns, np.array([step]), np.array([at_time]), [vector], thinning)
            if measured and times:
                blocks.write_process(self._writer, self._clock.row(times), measured[-1][1], measured[-1][2])

    def _look(self, at_once: bool = False) -> None:
        """Review what is on disk, and print new findings."""
        if self.facts:
            found = {"loop": self.recorder.loop_facts(), **({"beside": True} if self.recorder.beside else {})}
            if self.recorder.trained:
                left = untrained(self.recorder.trainable(), self.recorder.trained, self.recorder.path)
                found["optimizer"] = {**self.facts["optimizer"], "untrained": left}
            if not found.items() <= self.facts.items():
                self.facts |= found
                self._tell()
        self.should_stop |= self._looks.look(self._writer, at_once)
        self._looks.show()

    def _exit(self) -> None:
        """The program ends, by itself or by an exception, and has not closed this."""
        kind = getattr(sys, "last_type", None)
        self._end(kind.__name__ if kind is not None else "finished")

    def _end(self, how: str) -> None:
        if self._writer is None:
            return
        if not self.broken:
            self._finish(how)
        tape_patches.remove(self.recorder)
        atexit.unregister(self._exit)
        writer, self._writer = self._writer, None
        writer.close()

    @guarded
    def _finish(self, how: str) -> None:
        assert self._writer is not None
        self._settle()
        self.recorder.take()
        self._flush()
        if how == "finished" and not self.recorder.steps:
            warnings.warn(NO_STEPS, stacklevel=5)
        self._writer.text(schema.END_TAG, how)
        self._look(at_once=True)
