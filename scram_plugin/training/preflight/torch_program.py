"""The loop of a program that trains with PyTorch: watched for some steps, with what goes into them kept for the tests.

Nothing of the program is known before: the model is what is called first, in training, and has parameters of an optimiser.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import itertools
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from scram_plugin.training.preflight.flight import STEPS, UNTIL_EVALUATED, Done, Flight, Mute
from scram_plugin.training.preflight.subject import FIRST, Batch
from scram_plugin.training.preflight.torch_subject import TorchSubject, own_loss
from scram_plugin.training.structures import mapped
from scram_plugin.training.torch import patches
from scram_plugin.training.torch.compiled import is_compiling
from scram_plugin.training.torch.data_facts import LoaderPass
from scram_plugin.training.torch.graph import loss_of, named
from scram_plugin.training.torch.search import ModelSearch, optimizers_of

CLIPS = ("clip_grad_norm_", "clip_grad_value_")


class Loop(patches.Watcher):
    """Watches what modules are called and where ways back begin, from the import of PyTorch on."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._original = torch.nn.Module.__call__
        self._depth = 0
        self._model: torch.nn.Module | None = None
        self._subject: TorchSubject | None = None
        self._watch: Any = None
        self._loss: Any = None  # (outputs, targets) -> loss
        self._called: tuple[torch.nn.Module, Any, Any] | None = None  # the last module without parameters: a loss, perhaps
        self._x: Any = None  # of this step
        self._outputs: Any = None
        self.batches: list[Batch] = []  # the first ones of the training
        self._seen = 0  # batches
        self._evaluated: list[Batch] = []
        self._begin = time.monotonic()
        self._last: Any = None  # what a loader gave last: its iterator, the batch, and the seconds
        self._passes: Any = None  # the data of the training
        self._pass: int | None = None  # batches of the first pass through the data, if a second one has begun
        self._away = False  # the model was evaluated
        self._called_asleep: torch.nn.Module | None = None  # the last module that was called in evaluation mode, and learns
        self._known_asleep: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
        self._asleep: torch.nn.Module | None = None  # one that is trained in evaluation mode, by mistake or on purpose
        self._steps = 0  # of optimizers
        self._stepped = register_optimizer_step_post_hook(self._has_stepped)
        self._ways = 0  # backward passes before the model was known

        def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self._call(module, args, kwargs)

        torch.nn.Module.__call__ = call
        self._clips: Callable[[torch.nn.Module], object] | None = None  # what the program does to gradients before a step
        places = itertools.product((torch.nn.utils, torch.nn.utils.clip_grad), CLIPS)
        self._of_clips = {(place, name): getattr(place, name) for place, name in places}
        for (place, name), clip in self._of_clips.items():
            setattr(place, name, self._noting(clip))
        patches.add(self)
        self._search = ModelSearch(self._take_off)
        _mute()

    def off(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def close(self) -> None:
        torch.nn.Module.__call__ = self._original
        for (place, name), clip in self._of_clips.items():
            setattr(place, name, clip)
        self._search.close()
        self._stepped.remove()
        patches.remove(self)
        if self._watch is not None:
            self._watch.close()

    def failed(self, error: Exception) -> None:
        """The program has ended with an exception."""
        if self._watch is not None:
            self._watch.__exit__(type(error), error, error.__traceback__)

    def land(self) -> None:
        """The program has ended: make the tests with what was seen."""
        if self._subject is None:
            return
        subject, watch = self._subject, self._watch
        subject.loss, subject.clip = self._loss or _unknown, self._clips
        if self._last is not None:
            subject.batch_size = LoaderPass(self._last[0]).facts().get("batch_size")
        subject.batches, subject.training = self.batches[:FIRST], self.batches[: self._pass]
        subject.validation = self._evaluated or None
        subject.facts = watch.facts
        self._flight.fly(subject, lambda: None)

    def _noting(self, clip: Any) -> Any:
        @functools.wraps(clip)
        def clipped(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            given = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            known, ids = self._model.named_parameters() if self._model is not None else (), {id(p) for p in given}
            if names := {name for name, p in known if id(p) in ids}:  # otherwise they are those of another network

                def clip_same(model: torch.nn.Module) -> object:
                    return clip([p for name, p in model.named_parameters() if name in names], *args, **kwargs)

                self._clips = clip_same
            return clip(given, *args, **kwargs)

        return clipped

    def _call(self, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        outermost = self._depth == 0 and not is_compiling()
        training = outermost and torch.is_grad_enabled() and (module.training or module is self._asleep)
        if training and self._model is None:
            self._look(module)
        known = outermost and module is self._model
        if training and known:
            if self._enough() or time.monotonic() - self._begin > self._flight.seconds / 2:
                raise Done
            self._x, self._called = _kept(_as_one(module, args, kwargs)), None
        elif known:
            self._away = True
            if not module.training and len(self._evaluated) < STEPS and not self._repeats():
                self._evaluated.append(Batch(_kept(_as_one(module, args, kwargs)), None))
        if outermost and not module.training and torch.is_grad_enabled() and self._model is None:
            learns = any(parameter.requires_grad for parameter in module.parameters())
            self._called_asleep = module if learns else self._called_asleep
        self._depth += 1
        try:
            result = self._original(module, *args, **kwargs)
        finally:
            self._depth -= 1
        if training and known:
            self._outputs = result
        elif outermost and self._x is not None and len(args) >= 2 and next(module.parameters(), None) is None:
            self._called = module, args, result
        return result

    def _keep(self, batch: Batch) -> None:
        self._seen += 1
        if len(self.batches) < STEPS:
            self.batches.append(batch)

    def _has_stepped(self, *_: object) -> None:
        self._steps += self._model is not None

    def _enough(self) -> bool:
        """Whether the short training has had its steps, and an evaluation or all of the data, which may come later."""
        whole = self._away or self._pass is not None
        return (whole and self._steps >= STEPS) or self._seen >= UNTIL_EVALUATED

    def _look(self, module: torch.nn.Module) -> None:
        """Take off, if an optimizer has parameters of the module."""
        if self._ways >= STEPS:
            raise Done  # a training of something else
        self._search.look(module)

    def _take_off(self, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
        from scram_plugin.training.torch.watch import Watch

        self._model, self._begin = model, time.monotonic()
        self._subject = TorchSubject(model, optimizers[0], None, [])
        self._watch = Watch(model, optimizers, self._flight.log_dir, every=8, print_findings=False)
        if self._last is not None:  # which the watch has not seen
            self._passes = LoaderPass(self._last[0])
            self._watch.recorder.fetched(*self._last)

    def _repeats(self) -> bool:
        """Whether a loader gives the data of the training, once more."""
        dataset = LoaderPass(self._last[0]).dataset if self._last is not None else None
        return dataset is not None and self._passes is not None and dataset is self._passes.dataset

    # ---- as a watcher of PyTorch

    def before_backward(self, tensors: Any) -> None:
        self._ways += self._model is None
        if self._model is None and (called := self._called_asleep) is not None and called not in self._known_asleep:
            self._known_asleep.add(called)  # all objects are searched for optimizers: only once for each module
            self._asleep = called if optimizers_of(called) else self._asleep
        x, outputs, called = self._x, self._outputs, self._called
        self._x = self._outputs = self._called = None
        if x is None or outputs is None or not isinstance(tensors, torch.Tensor):
            return
        try:
            found = _loss(tensors, outputs, called)
        except Exception:  # a loss that cannot be told
            found = None
        if found is None:
            self._keep(Batch(x, None))
            return
        self._loss, target = found
        self._keep(Batch(x, target))

    after_backward = None
    each_batch = True

    def fetched(self, iterator: Any, batch: Any, seconds: float) -> None:
        self._last = iterator, batch, seconds
        if self.batches and LoaderPass.begins(iterator) and LoaderPass(iterator).same(self._passes):
            self._pass = self._pass or self._seen


def _loss(loss: torch.Tensor, outputs: Any, called: tuple[Any, Any, Any] | None) -> tuple[Any, Any] | None:
    """How a loss is computed from outputs and targets, and the targets of this step; None where that cannot be told."""
    by = called if called is not None and called[2] is loss and len(called[1]) == 2 else None
    if by is not None and by[1][0] is outputs:
        return copy.deepcopy(by[0]), _kept(by[1][1])
    if isinstance(outputs, torch.Tensor) and outputs.dim():
        if by is not None and isinstance(target := by[1][1], torch.Tensor):
            return _fitting(copy.deepcopy(by[0]), target, outputs, loss)
        for known in named(loss_of(loss), []) if loss.grad_fn is not None else []:
            given = {} if known.ignored is None else {"ignore_index": known.ignored}
            function = getattr(torch.nn, known.name)(**given)
            if known.target is not None and (found := _fitting(function, known.target, outputs, loss)) is not None:
                return found
        return None
    return (_of_model, None) if own_loss(outputs) is loss else None


def _fitting(function: Any, target: torch.Tensor, outputs: torch.Tensor, loss: torch.Tensor) -> tuple[Any, torch.Tensor] | None:
    """A function of the outputs, as they are or reshaped as the targets need them, that gives this loss; and the targets."""
    given = outputs.detach()
    ways: list[tuple[Any, torch.Tensor]] = [(function, target)]
    if target.dim() and given.shape != target.shape and given.numel() == target.numel():
        whole = target if len(target) == len(given) else target.reshape(given.shape)
        ways.append((lambda o, t: function(o.reshape(t.shape), t), whole))
    if given.dim() > 2 and target.dim() == 1 and given.shape[:-1].numel() == len(target):
        ways.append((lambda o, t: function(o.flatten(0, -2), t.flatten()), target.reshape(given.shape[:-1])))
    for way, targets in ways:
        with contextlib.suppress(RuntimeError, ValueError, IndexError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the shapes may not fit; this only tries them
            if torch.allclose(way(given, targets), loss.detach(), rtol=1e-4):
                return way, _kept(targets)
    return None


def _of_model(outputs: Any, targets: Any) -> Any:
    return own_loss(outputs)


def _unknown(outputs: Any, targets: Any) -> torch.Tensor:
    raise ValueError("how the program computes its loss could not be told")


def _as_one(model: torch.nn.Module, args: Any, kwargs: Any) -> Any:
    """The arguments of a call as a `Batch` has them."""
    if not kwargs:
        return args[0] if len(args) == 1 else list(args)
    return dict(inspect.signature(model.forward).bind(*args, **kwargs).arguments)


def _kept(structure: Any) -> Any:
    """A copy, since a program may use its buffers again."""
    return mapped(structure, lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf)


def _mute() -> None:
    from scram_plugin.training import torch as ours

    ours.watch = Mute  # type: ignore[assignment, misc]
