"""`watch`: what a PyTorch training does, logged for SCRAM."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch

from scram_plugin import schema
from scram_plugin.training import blocks, call_site
from scram_plugin.training.blocks import SECONDS
from scram_plugin.training.guarded import guarded, warn
from scram_plugin.training.looks import Looks
from scram_plugin.training.process import Clock
from scram_plugin.training.sampling import EVERY, Thinning, check_every
from scram_plugin.training.session import session
from scram_plugin.training.summary_writer import SummaryWriter
from scram_plugin.training.torch import loop, patches, statistics
from scram_plugin.training.torch.data_facts import Source, are_labels
from scram_plugin.training.torch.graph import Loss
from scram_plugin.training.torch.model_facts import facts
from scram_plugin.training.torch.owner import Flow
from scram_plugin.training.torch.recording import Recorder
from scram_plugin.training.torch.replicas import first, replicas, writer

PARTS = 8  # batches of validation data that are measured
BLOCK = 1024  # steps that are written together, at most: where there are many in a second, to write takes time of them
NO_STEPS = (
    "SCRAM has seen no training step. It sees those of the model and the optimizer that watch() was given: does the program"
    " call others? If a function that makes the whole step is compiled, compile the model instead."
)


class Watch:
    """A training that is watched, until `close` or the end of the ``with`` block.

    Example::

        with scram_plugin.watch(model, optimizer, log_dir="logs/exp1") as scram:
            for epoch in range(10):
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_function(model(x), y)
                    loss.backward()
                    optimizer.step()
                scram.log(val_loss=validate(model))

    Args:
        model: the module that is called in each step. It may be compiled, or wrapped for several devices.
        optimizer: the optimiser, or several; a step ends when the last one has stepped. Without it, with the way back.
        log_dir: where to write. What `log` is given goes to ``train/`` and ``validation/`` below it, SCRAM's own to ``scram/``.
        every: measure layers, gradients, inputs and outputs in detail in every n-th step; by default in every 50th, or in fewer
            where steps are so short that it would take more than a two-hundredth of the time. Every step's loss is recorded.
        source: record the lines of the program that make the model and train it, so that fixes can be shown in them.
        print_findings: print new errors and warnings when `log` is called and at the end, errors at once.
        stop_on: "error" sets `should_stop` after a new finding of that severity; None never does.
        on_finding: called with each new finding, a dictionary as in ``scram check --format json``.
        parts: parts of the model that the program calls by themselves, instead of the model.

    Raises TypeError or ValueError for arguments that make no sense. While it is open, nothing of the training is changed: on
    the CPU losses and weights are bit for bit those without it. An exception inside it becomes one warning.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | list[torch.optim.Optimizer] | tuple[torch.optim.Optimizer, ...] | None = None,
        log_dir: str | os.PathLike[str] = "logs",
        every: int | None = None,
        source: bool = True,
        print_findings: bool = True,
        stop_on: str | None = None,
        on_finding: Callable[[dict[str, Any]], None] | None = None,
        parts: Sequence[torch.nn.Module] = (),
    ) -> None:
        optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer] if optimizer is not None else []
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model is a {type(model).__name__}: give the torch.nn.Module that is trained")
        if wrong := [o for o in optimizers if not isinstance(o, torch.optim.Optimizer)]:
            raise TypeError(f"optimizer is a {type(wrong[0]).__name__}: give a torch.optim.Optimizer, or a list of them")
        if every is not None:
            check_every(every)
        self.log_dir, self.every, self.optimizers = os.fspath(log_dir), every, optimizers
        # where several processes train together, one of them tells
        telling = (print_findings, stop_on, on_finding) if first() else (False, None, None)
        self._looks = Looks(self.log_dir, *telling)
        self._looks.begin()
        self.broken = self.should_stop = False
        self._session = session(model, self.log_dir)
        self._first = self._session.batches  # steps that were made before this watch
        self._means: list[np.ndarray] = []  # losses of the epoch
        self._measured: list[tuple[tuple[str, ...], int, float, np.ndarray]] = []
        self._clock = Clock()
        # by columns: a part of the model that is not called in each step has no statistics in the others
        self._thinnings: dict[tuple[str, ...], Thinning] = {}
        self._flushed = time.monotonic()
        self._resumed = self._session.batches > 0
        self._epoch, self._logged = self._session.epochs, False
        self._epochs = [(0, self._epoch)]  # of the steps that are not written: the first one of each epoch
        self._source_of_data: Source | None = None  # of the last batch
        self._training: Source | None = None
        self._labelled = True  # what the data give beside the inputs is what the loss compares
        self._validation: list[statistics.Named] | None = []  # None once it is written
        self.facts: dict[str, Any] = {}  # of what was built; empty until the first step
        frame = call_site.user_frame(sys._getframe())
        self._source = call_site.source(frame, loop.roles) if source and frame is not None else None
        self._writer: SummaryWriter | None = writer(self.log_dir, self.fail)
        self.recorder: Recorder | None = None
        try:
            # in several processes the same steps have to be measured
            self.recorder = Recorder(model, optimizers, every or (EVERY if replicas() > 1 else None), self, parts)
        except Exception as error:
            self.fail(error)
        atexit.register(self._exit)

    # ---- what the program calls

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(kind.__name__ if kind is not None else "finished", trace)

    def close(self) -> None:
        """The training has ended: write what is left, and leave the model and its optimiser as they were."""
        self._end("finished")

    @guarded
    @torch.no_grad()
    def log(self, epoch: int | None = None, **metrics: Any) -> None:
        """An epoch has ended; `metrics` of the validation begin with ``val_``: ``log(accuracy=0.9, val_loss=0.3)``.

        `epoch` counts from 0 and goes on by itself if it is not given; so the training loss, the mean over the epoch's steps.
        """
        if self._writer is None:
            return
        if epoch is not None:
            self._epoch = int(epoch)
            self._epochs[-1] = self._epochs[-1][0], self._epoch
        self._flush()
        values = {name: float(value) for name, value in metrics.items()}
        if self._means and "loss" not in values:
            values["loss"] = float(np.mean(np.concatenate(self._means)))
        training = {f"epoch_{name}": value for name, value in values.items() if not name.startswith("val_")}
        if self.optimizers:
            training["epoch_learning_rate"] = float(self.optimizers[0].param_groups[0]["lr"])
        self._writer.scalars("train", self._epoch, training)
        validation = {f"epoch_{name[4:]}": value for name, value in values.items() if name.startswith("val_")}
        if validation:
            self._writer.scalars("validation", self._epoch, validation)
        self._logged, self._means = True, []
        self._next_epoch()
        self._look()

    # ---- what the recorder tells

    def built(self, inputs: Any, outputs: Any, calls: int, losses: list[Loss], flow: Flow) -> None:
        assert self.recorder is not None
        given = patches.last_labels()
        target = given if given is not None else next((s.target for s in losses if s.target is not None), None)
        self._training = self._source_of_data
        fit: dict[str, Any] = {"every": self.every or EVERY}
        if self._training is not None:
            fit |= self._training.facts()
        if replicas() > 1:
            fit["replicas"] = replicas()
        x = statistics.numbers("x", inputs)
        if not fit.get("batch_size") and x:
            fit["batch_size"] = len(x[0][1])
        tensors = {"inputs": [t for _, t in x], "outputs": outputs, "targets": target}
        optimizer = self.optimizers[0] if self.optimizers else None
        built = facts(self.recorder.inner, optimizer, flow, losses, tensors, self.recorder.precision, fit, self._source)
        built["jit_compile"] = self.recorder.compiled
        built["model"]["calls"] = calls
        if self._training is not None:
            self._labelled = are_labels(given, losses)
            built["data"] = {"training": self._training.data(self._labelled)}
        built["session"], built["resumed"] = self._session.id, self._resumed
        self.facts = built
        self.recorder.depth.told(built["model"]["layers"])
        self._tell()

    def stepped(self) -> None:
        assert self.recorder is not None
        self._catch_up()
        if self.recorder.company.found and not self.facts.get("beside"):
            self.facts["beside"] = True
            self._tell()
        if len(self.recorder.rows) >= BLOCK or time.monotonic() - self._flushed > SECONDS:
            self._flush()

    def measured(self, batch: int, found: statistics.Named) -> None:
        columns, vector = statistics.flatten(found)
        self._measured.append((columns, self._first + batch, time.time(), vector.cpu().numpy()))

    def nonfinite(self, batch: int, columns: tuple[str, ...], counts: np.ndarray) -> None:
        if self._writer is not None:
            self._writer.rows(schema.ORIGIN, columns, np.array([self._first + batch]), np.array([time.time()]), counts[None])
        self._flush()
        self._look(at_once=True)  # something is lost already

    def evaluated(self, inputs: Any) -> None:
        if self._validation is None or self.recorder is None or not self.recorder.batch:
            return
        x = statistics.numbers("x", inputs)
        source = self._source_of_data
        if x and not self._validation and source is not None and not source.same(self._training):
            self._told_of_validation(source)
        if x:
            self._validation.append(statistics.tensors(x, [], []))
            if len(self._validation) == PARTS:
                self._write_validation()

    def fetched(self, iterator: Any, seconds: float | None) -> bool:
        if seconds is not None:
            self._clock.waits.append(seconds)
        known = self._source_of_data
        if known is not None and known.iterator() is iterator and not Source.begins(iterator):
            return False
        self._source_of_data = source = Source(iterator)
        if not source.same(self._training):
            return self._training is not None and self._validation is not None
        if Source.begins(iterator) and not self._logged:  # nobody else tells of epochs
            self._next_epoch()
        return False

    def fail(self, error: Exception) -> None:
        if self.broken:
            return
        self.broken = True
        if self.recorder is not None:
            self.recorder.close()
        if self._writer is not None:
            self._writer.stop()
        warn(error)

    # ---- writing

    def _next_epoch(self) -> None:
        self._epoch += 1
        self._session.epochs = self._epoch
        self._catch_up()
        if self.recorder is not None:
            self._epochs.append((self.recorder.batch, self._epoch))

    def _catch_up(self) -> None:
        """Count the steps that have ended."""
        if self.recorder is not None:
            self.recorder.catch_up()
            self._session.batches = self._first + self.recorder.batch

    def _told_of_validation(self, source: Source) -> None:
        self.facts.setdefault("data", {})["validation"] = source.data(self._labelled)
        self.facts["fit"]["validation"] = True
        self._tell()

    def _tell(self) -> None:
        """Log what is known of the training, in place of what was known before."""
        if self._writer is not None:
            self._writer.text(schema.FACTS_TAG, json.dumps(self.facts, default=str))

    def _write_validation(self) -> None:
        if self._writer is None or not self._validation:
            return
        self._catch_up()
        rows = [statistics.flatten(part) for part in self._validation]
        same = [values.cpu().numpy() for columns, values in rows if columns == rows[0][0]]
        blocks.write_validation(self._writer, (rows[0][0], np.stack(same)), self._session.batches)
        self._validation = None

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self.recorder is None or self._writer is None:
            return
        times: list[float] = []
        self._catch_up()
        begins, epochs = zip(*self._epochs, strict=True)
        self._epochs = self._epochs[-1:]
        for i, block in enumerate(self.recorder.rows.take()):
            columns, values = block.columns, block.values
            if i == 0:  # of all steps; what follows is of some
                of_steps = np.array(epochs, np.float32)[np.searchsorted(begins, block.steps, "right") - 1]
                columns, values = ("epoch", *columns), np.concatenate([of_steps[:, None], values], axis=1)
            self._writer.rows(schema.BATCHES, columns, self._first + block.steps, block.times, values)
            if i == 0:
                self._means.append(block.values[:, 0])
                times = block.times.tolist()
        measured, self._measured = self._measured, []
        for columns, group in itertools.groupby(measured, key=lambda entry: entry[0]):
            _, steps, when, vectors = zip(*group, strict=True)
            thinning = self._thinnings.setdefault(columns, Thinning())
            self._writer.rows(schema.STATISTICS, columns, np.array(steps), np.array(when), list(vectors), thinning)
        if measured:
            blocks.write_process(self._writer, self._clock.row(times), measured[-1][1], measured[-1][2])

    def _look(self, at_once: bool = False) -> None:
        """Review what is on disk, and print what is new."""
        self.should_stop |= self._looks.look(self._writer, at_once)
        self._looks.show()

    def _exit(self) -> None:
        self._end("SystemExit")

    def _end(self, how: str, trace: TracebackType | None = None) -> None:
        try:
            if self._writer is not None and not self.broken:
                self._finish(how, trace)
        finally:
            if self.recorder is not None:
                self.recorder.close()
        if self._writer is None:
            return
        atexit.unregister(self._exit)
        writer, self._writer = self._writer, None
        writer.close()

    @guarded
    @torch.no_grad()
    def _finish(self, how: str, trace: TracebackType | None) -> None:
        assert self._writer is not None
        self._flush()
        if how == "finished" and self.recorder is not None and not self.recorder.batch:
            warnings.warn(NO_STEPS, stacklevel=6)
        if how != "finished" and self.recorder is not None and (row := self.recorder.last_words(trace)) is not None:
            columns, values = row
            values = np.concatenate([np.full((1, 1), self._epoch, np.float32), values], axis=1)
            at = np.array([self._first + self.recorder.batch])
            self._writer.rows(schema.BATCHES, ("epoch", *columns), at, np.array([time.time()]), values)
        self._write_validation()
        self._writer.text(schema.END_TAG, how)
        self._look(at_once=True)
