"""`watch`: records a PyTorch training for SCRAM."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np
import torch

from scram_plugin import schema
from scram_plugin.training import blocks, call_site, program_files
from scram_plugin.training.blocks import SECONDS
from scram_plugin.training.guarded import guarded, warn
from scram_plugin.training.looks import Looks
from scram_plugin.training.process import Clock
from scram_plugin.training.sampling import EVERY, Thinning, check_every
from scram_plugin.training.session import session
from scram_plugin.training.summary_writer import SummaryWriter, directory
from scram_plugin.training.torch import forks, loop, patches, statistics
from scram_plugin.training.torch.data_facts import LoaderPass, are_labels
from scram_plugin.training.torch.epochs import Epochs
from scram_plugin.training.torch.graph import Loss
from scram_plugin.training.torch.model_facts import called, facts
from scram_plugin.training.torch.owner import Flow
from scram_plugin.training.torch.recording import Recorder
from scram_plugin.training.torch.replicas import first, replicas, writer

PARTS = 8  # batches of validation data that are measured, at most
BLOCK = 1024  # steps that are written together, at most; writing more often would slow down short steps
NO_STEPS = (
    "SCRAM has seen no training step. It records the steps of the model and the optimizer that are passed to watch(): does the"
    " program use others? If the model, or a function that runs the whole step, is compiled after `watch`, compile it first:"
    " `model = torch.compile(model)`, then `watch(model, optimizer)`."
)


class Watch:
    """Records a training until `close` or the end of the ``with`` block.

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
        optimizer: the optimizer, or several. A step ends when the last one has stepped; without one, after its backward pass.
        log_dir: the log directory. Metrics passed to `log` go to ``train/`` and ``validation/`` in it, SCRAM's data to
            ``scram/``.
        every: measure layers, gradients, inputs and outputs in detail in every n-th step. By default in every 50th step, or in
            fewer if steps are so short that it would take more than 0.5 % of the time. The loss of every step is recorded.
        source: record the lines of the program that make the model and train it, so that SCRAM can show fixes in them.
        print_findings: print new errors and warnings when `log` is called and at the end, and at once when a value is not
            finite.
        stop_on: "error" sets `should_stop` after a new finding of that severity; None never does.
        on_finding: called with each new finding, a dictionary as in ``scram check --format json``.
        parts: parts of the model that the program calls instead of the whole model.

    Raises TypeError or ValueError for invalid arguments. The training is not changed: on the CPU, losses and weights are bit
    for bit the same as without it. An exception inside it becomes one warning.
    """

    planned: Mapping[str, int] = MappingProxyType({})  # ``epochs``, if a trainer knows it
    trainer: dict[str, Any] | None = None  # facts of what runs the loop; a trainer evaluates with a loader of its own

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
        self.log_dir, self.every, self.optimizers = directory(log_dir), every, optimizers
        # if several processes train together, only rank 0 reports findings
        telling = (print_findings, stop_on, on_finding) if first() else (False, None, None)
        self._looks = Looks(self.log_dir, *telling)
        self._looks.begin()
        self.broken = self.should_stop = False
        self._session = session(model, self.log_dir)
        self._first = self._session.batches  # steps before this watch began
        self._measured: list[tuple[tuple[str, ...], int, float, np.ndarray]] = []
        self._clock = Clock()
        # by columns, since a part of the model that is not called in every step has statistics only in some
        self._thinnings: dict[tuple[str, ...], Thinning] = {}
        self._flushed = time.monotonic()
        self._resumed = self._session.batches > 0
        self._epoch, self._logs = self._session.epochs, 0
        self._epochs = [(0, self._epoch)]  # (first step, epoch) for steps that are not written
        self._source_of_data: LoaderPass | None = None  # of the last batch
        self._training: LoaderPass | None = None
        self._labelled = True  # whether the loader's labels are the targets of the loss
        self._validation: list[statistics.Named] | None = []  # statistics of some batches; None once they are written
        self.facts: dict[str, Any] = {}  # facts of the model and the training; empty until the first step
        frame = call_site.user_frame(sys._getframe())
        self._source = program_files.source(frame, loop.roles, called(model, self.optimizers)) if source and frame else None
        self._writer: SummaryWriter | None = writer(self.log_dir, self.fail)
        self._metrics = Epochs(self._writer, self.optimizers)
        self.recorder: Recorder | None = None
        try:
            # all ranks must measure the same steps
            self.recorder = Recorder(model, optimizers, every or (EVERY if replicas() > 1 else None), self, parts)
        except Exception as error:
            self.fail(error)
        atexit.register(self._exit)
        forks.remember(self)

    # ---- called by the program

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(kind.__name__ if kind is not None else "finished", trace)

    def close(self, how: str = "finished") -> None:
        """End the recording: write the rest, and how the training ended; remove the hooks from model and optimizer."""
        self._end(how)

    @guarded
    @torch.no_grad()
    def log(self, epoch: int | None = None, **metrics: Any) -> None:
        """Log the metrics of an epoch that has ended. Those of the validation begin with ``val_``: ``log(val_loss=0.3)``.

        `epoch` counts from 0; by default it is the next one. Without ``loss``, the mean loss of the epoch's steps is logged.
        """
        if self._writer is None:
            return
        if epoch is not None:
            self._epoch = int(epoch)
            self._epochs[-1] = self._epochs[-1][0], self._epoch
        self._flush()
        self._metrics.log(self._epoch, {name: float(value) for name, value in metrics.items()})
        self._next_epoch()
        self._logged()

    @guarded
    @torch.no_grad()
    def scalars(self, step: int, values: Mapping[str, float], ended: bool = False) -> None:
        """For a recorder of a trainer: write what that logs at a step, tag -> value. `ended`: an epoch has ended with it."""
        if self._writer is None:
            return
        self._flush()
        self._metrics.scalars(step, values)
        if ended:
            self._next_epoch()
        self._logged()

    def _logged(self) -> None:
        self._logs += 1
        if self._logs & (self._logs - 1) == 0:  # the 1st, 2nd, 4th, 8th, ... time, since all facts are written again
            self._tell_of_loop()
        self._look()

    # ---- called by the recorder, see `Owner`

    def built(self, inputs: Any, outputs: Any, calls: int, losses: list[Loss], flow: Flow) -> None:
        assert self.recorder is not None
        given = patches.last_labels()
        target = given if given is not None else next((s.target for s in losses if s.target is not None), None)
        self._training = self._source_of_data
        fit: dict[str, Any] = {"every": self.every or EVERY}
        if self._training is not None:
            fit |= self._training.facts()
        fit |= {**self.planned, **({"replicas": replicas()} if replicas() > 1 else {})}
        x = statistics.numbers("x", inputs)
        if not fit.get("batch_size") and x:
            fit["batch_size"] = len(x[0][1])
        tensors = {"inputs": [t for _, t in x], "outputs": outputs, "targets": target}
        optimizer = self.optimizers[0] if self.optimizers else None
        built = facts(self.recorder.inner, optimizer, flow, losses, tensors, self.recorder.precision, fit, self._source)
        built |= {**(self.trainer or {}), "jit_compile": self.recorder.compiled}
        seen = self.recorder.first
        if seen.untrained:
            built["optimizer"]["untrained"] = seen.untrained
        built["loop"] = seen.facts()
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
        self._tell_of_loop()
        self._look(at_once=True)  # the training is broken already

    def loader(self) -> tuple[int, bool] | None:
        source = self._source_of_data
        return None if source is None else (id(source.batches), source.of_same_data(self._training))

    def validated(self, metrics: dict[str, float]) -> None:
        if self._metrics.tells or self._writer is None or replicas() > 1 or not self._session.batches:
            return
        if self._metrics.taken(self._epoch) and self.trainer is None:  # a trainer counts the epochs itself
            self._next_epoch()
        self._flush()
        self._metrics.evaluated(self._epoch, metrics)

    def evaluated(self, x: statistics.Tensors) -> None:
        if self._validation is None or self.recorder is None or not self.recorder.batch:
            return
        source = self._source_of_data
        other = source is not None and not source.same(self._training)
        if x and not self._validation and source is not None and other:
            self._told_of_validation(source)
        if x and (other or self.trainer is None):
            self._validation.append(self.recorder.depth.of_inputs(statistics.spread(x)))
            if len(self._validation) == PARTS:
                self._write_validation()

    def fetched(self, iterator: Any, seconds: float | None) -> bool:
        if seconds is not None:
            self._clock.waits.append(seconds)
        known = self._source_of_data
        if known is not None and known.iterator() is iterator and not LoaderPass.begins(iterator):
            return False
        self._source_of_data = source = LoaderPass(iterator)
        if not source.same(self._training):
            return self._training is not None and self._validation is not None
        evaluates = self.recorder is not None and self.recorder.order.evaluates()
        if LoaderPass.begins(iterator) and not self._metrics.logged and not evaluates:  # the program does not call `log`
            if self.recorder is not None:
                self.recorder.settle()
            self._next_epoch()
        return False

    def fail(self, error: Exception) -> None:
        if self.broken:
            return
        self.broken = True
        if self.recorder is not None:
            self.recorder.close()
        if self._writer is not None:
            self._writer.stop(error)
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

    def _told_of_validation(self, source: LoaderPass) -> None:
        self.facts.setdefault("data", {})["validation"] = source.data(self._labelled)
        self.facts["fit"]["validation"] = True
        self._tell()

    def _tell(self) -> None:
        """Write the facts as they are known now; the last ones count."""
        if self._writer is not None:
            self._writer.text(schema.FACTS_TAG, json.dumps(self.facts, default=str))

    def _tell_of_loop(self) -> None:
        """Write what is seen of the loop, if that is more than before."""
        if self.recorder is not None and self.facts:
            before = self.facts.get("loop", {})
            of_loop = (self.recorder.first, self.recorder.order, self.recorder.evaluations)
            self.facts["loop"] = before | {name: value for part in of_loop for name, value in part.facts().items()}
            if self.facts["loop"] != before:
                self._tell()

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
            if i == 0:  # this block is of all steps, those that follow are of some
                of_steps = np.array(epochs, np.float32)[np.searchsorted(begins, block.steps, "right") - 1]
                columns, values = ("epoch", *columns), np.concatenate([of_steps[:, None], values], axis=1)
            self._writer.rows(schema.BATCHES, columns, self._first + block.steps, block.times, values)
            if i == 0:
                self._metrics.means.append(block.values[:, 0])
                times = block.times.tolist()
        measured, self._measured = self._measured, []
        for columns, group in itertools.groupby(measured, key=lambda entry: entry[0]):
            _, steps, when, vectors = zip(*group, strict=True)
            thinning = self._thinnings.setdefault(columns, Thinning())
            self._writer.rows(schema.STATISTICS, columns, np.array(steps), np.array(when), list(vectors), thinning)
        if measured:
            blocks.write_process(self._writer, self._clock.row(times), measured[-1][1], measured[-1][2])

    def _look(self, at_once: bool = False) -> None:
        """Review what is on disk, and print new findings."""
        self.should_stop |= self._looks.look(self._writer, at_once)
        self._looks.show()

    def _exit(self) -> None:
        """The program ends, by itself or by an exception, and has not closed this."""
        kind = getattr(sys, "last_type", None)
        self._end(kind.__name__ if kind is not None else "finished", getattr(sys, "last_traceback", None))

    def forked(self) -> None:
        """In a child process that has this object from its parent: the parent goes on recording, and the child does not."""
        self.broken = True
        self._writer = None  # its thread is the parent's
        if self.recorder is not None:
            self.recorder.close()
        atexit.unregister(self._exit)

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
        if self.recorder is not None:
            self.recorder.without_steps()
            self.recorder.settle()
        self._flush()
        self._tell_of_loop()
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
