"""A loop of PyTorch in a run of a proof: recorded, and ended when the budget is used up.

The pass through the training data ends early then, so that the program goes on to its own validation. It ends where it begins
another pass, or makes another step.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import time
import weakref
from typing import Any

import torch
from torch.utils.data import dataloader

from scram_plugin.proof_run import RunResult
from scram_plugin.training import call_site, program_files
from scram_plugin.training.proof.budget import Budget, BudgetUsed
from scram_plugin.training.sampling import EVERY
from scram_plugin.training.torch import loop, patches
from scram_plugin.training.torch.compiled import is_compiling
from scram_plugin.training.torch.model_facts import called
from scram_plugin.training.torch.search import ModelSearch, optimizers_of
from scram_plugin.training.torch.watch import Watch

WITHOUT_STEP = 200  # backward passes without any step: from then on they count as batches; more than people accumulate
LEFT_OVER = 1  # steps after the last pass, with gradients that were accumulated in it; by definition


class ProofLoop:
    """Records what the program trains, from the import of PyTorch on, with a watch of its own or that of the program.

    `of_trainer`: a trainer runs the loop, and its callbacks end it.
    """

    def __init__(self, log_dir: str, budget: Budget, told: RunResult) -> None:
        self._log_dir, self._budget, self._told = log_dir, budget, told
        self.of_trainer = False
        self._watch: Watch | None = None
        self._depth = 0
        self._sampler: Any = None  # of the loader of the training
        self._last: Any = None  # sampler of the last batch of any loader
        self._first: tuple[Any, Any, float] | None = None  # iterator, batch, and seconds that it took, before anybody watches
        self._pass: Any = None  # the iterator of the pass that trains, a weak reference
        self._cut = False  # the last pass was ended early
        self._steps = 0  # of the last pass
        self._over = 0  # steps since the budget was used up
        self._ways = 0  # backward passes before the first step
        self._never_steps = False
        self._original = torch.nn.Module.__call__
        self._search: ModelSearch | None = ModelSearch(self._found)
        torch.nn.Module.__call__ = self._calling(self._original)
        dataloader._BaseDataLoaderIter.__next__ = self._fetching(dataloader._BaseDataLoaderIter.__next__)
        torch.Tensor.backward = self._going_back(torch.Tensor.backward)
        Watch.__init__ = self._watching(Watch.__init__)  # type: ignore[method-assign]

    def close(self, error: BaseException | None) -> None:
        """The program has ended, perhaps by an exception."""
        self._settled()
        if self._watch is None:
            return
        if not self._told.batches and not self.of_trainer:
            self._catch_up()
        if error is not None:
            self._watch.__exit__(type(error), error, error.__traceback__)
        else:
            self._watch.close("stopped" if self._told.used else "finished")
        if self._steps and not self._cut and not self.of_trainer:
            self._budget.epoch()

    # ---- which model is trained

    def _calling(self, original: Any) -> Any:
        def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            outermost = self._depth == 0 and not is_compiling() and module.training and torch.is_grad_enabled()
            if outermost and not self.of_trainer and self._search is not None:
                self._search.look(module)
            self._depth += 1
            try:
                return original(module, *args, **kwargs)
            finally:
                self._depth -= 1

        return call

    def _found(self, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
        watch = Watch(model, optimizers, self._log_dir, print_findings=False, every=EVERY)
        # the statements that make model, optimizer and data may stand in other functions than the step
        frame = _outermost(call_site.user_frame(sys._getframe()))
        watch._source = program_files.source(frame, loop.roles, called(model, optimizers)) if frame is not None else None
        if self._first is not None:
            patches.fetched(*self._first)
            self._first = None

    def _watching(self, original: Any) -> Any:
        """The program's own watch records to the log of this run, and prints nothing."""

        @functools.wraps(original)
        def init(watch: Watch, *args: Any, **kwargs: Any) -> None:
            given = inspect.signature(original).bind(watch, *args, **kwargs)
            given.arguments.update(log_dir=self._log_dir, print_findings=False, stop_on=None, on_finding=None)
            # a run is short, and its cost does not matter: no step is left out to save time
            given.arguments["every"] = given.arguments.get("every") or EVERY
            original(*given.args, **given.kwargs)
            self._begin(watch)

        return init

    def _begin(self, watch: Watch) -> None:
        if self._budget.used:
            raise BudgetUsed  # another training
        if self._search is not None:
            self._search.close()
            self._search = None
            torch.nn.Module.__call__ = self._original
        if self._watch is not None:
            self._watch.close("stopped")
        self._watch = watch
        watch._metrics.at_once()
        assert watch.recorder is not None
        optimizers = watch.optimizers or optimizers_of(watch.recorder.inner)
        if optimizers and not self.of_trainer:
            optimizers[-1].register_step_pre_hook(self._before_step)
            optimizers[-1].register_step_post_hook(self._stepped)
        self._ways, self._never_steps = 0, False

    # ---- how long

    def _before_step(self, *_: Any) -> None:
        if self._budget.used:
            self._over += 1
            if self._sampler is None or self._over > LEFT_OVER:
                raise BudgetUsed

    def _going_back(self, original: Any) -> Any:
        """A program that never steps has batches, too."""

        @functools.wraps(original)
        def backward(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if self._never_steps:
                self._before_step()
            done = original(tensor, *args, **kwargs)
            if self._never_steps:
                self._after_step()
            elif self._watch is not None and not self._told.batches and not self.of_trainer:
                self._ways += 1
                if self._ways > WITHOUT_STEP:
                    self._never_steps = True
                    self._catch_up()
            return done

        return backward

    def _catch_up(self) -> None:
        for _ in range(self._ways):
            self._after_step()

    def _stepped(self, *_: Any) -> None:
        if self._never_steps:  # it does, after many passes
            self._never_steps, self._told.batches = False, 0
        self._after_step()

    def _after_step(self) -> None:
        self._sampler = self._last if self._last is not None else self._sampler
        self._steps += 1
        self._budget.batch()

    def _fetching(self, original: Any) -> Any:
        def following(iterator: Any) -> Any:
            sampler = getattr(iterator, "_index_sampler", None)
            if sampler is not None and sampler is self._sampler:
                self._before_batch(iterator)
            begin = time.perf_counter()
            batch = original(iterator)
            if self._search is not None:
                self._first = iterator, batch, time.perf_counter() - begin
            if sampler is not None:
                if self._sampler is None or (self._pass is None and sampler is self._last):
                    self._pass = weakref.ref(iterator)
                self._last = sampler
            return batch

        return following

    def _before_batch(self, iterator: Any) -> None:
        """The loader of the training is asked for a batch. Raises StopIteration or BudgetUsed when the budget is used up."""
        if getattr(iterator, "_num_yielded", 0) == 0:
            watch = self._watch
            if self.of_trainer or watch is None or watch.recorder is None or not watch.recorder.inner.training:
                return  # an evaluation of the data of the training
            if self._steps:
                self._budget.epoch(whole=not self._cut)
                self._steps = 0
            if self._budget.used:
                self._settled()
                if watch._metrics.seen:
                    raise BudgetUsed
                raise StopIteration  # the evaluation may come after all passes
            self._pass = weakref.ref(iterator)
        elif self._budget.used and self._pass is not None and self._pass() is iterator:
            self._cut = iterator._num_yielded < _length(iterator)
            raise StopIteration

    def _settled(self) -> None:
        """Have an evaluation that is complete written."""
        if self._watch is not None and self._watch.recorder is not None:
            self._watch.recorder.settle()


def _length(iterator: Any) -> float:
    """How many batches a pass has; infinity of a stream without a length."""
    try:
        return len(iterator._index_sampler)
    except (TypeError, NotImplementedError):
        return math.inf


def _outermost(frame: Any) -> Any:
    """The outermost frame of the same file: what it reaches includes all that the program runs."""
    found, above = frame, frame
    while above is not None:
        if above.f_code.co_filename == frame.f_code.co_filename:
            found = above
        above = above.f_back
    return found
