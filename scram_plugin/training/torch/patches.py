"""Patches of PyTorch while a training is watched: where a backward pass begins, where the program waits for data, and what is
copied of a model.

Without a watcher the functions are PyTorch's own. Watchers must handle their own exceptions, so that none reaches the program.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.jit._recursive as scripting
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import dataloader

from scram_plugin.training.torch.compiled import is_compiling
from scram_plugin.training.torch.copies import is_ours, ours, without_hooks
from scram_plugin.training.torch.graph import FUNCTIONS


def _nothing(*_: Any) -> None: ...


class Watcher(Protocol):
    """Functions that are called for events anywhere in the program. None may raise. Call `changed` after replacing one."""

    @property
    def before_backward(self) -> Callable[[Any], None]: ...

    @property
    def after_backward(self) -> Callable[..., None] | None: ...

    @property
    def fetched(self) -> Callable[[Any, Any, float], None]:
        """Called with the iterator of a loader, the batch that it returned, and the seconds that it took."""

    @property
    def each_batch(self) -> bool:
        """Whether `fetched` is called for each batch, or only for the first batch of an iterator."""

    @property
    def compared(self) -> Callable[[str, Any, Any, Any, str], None]:
        """Called with the name of a loss function, its outputs, targets, result and reduction, where gradients are off."""
        return _nothing

    @property
    def operated(self) -> Callable[[torch.Tensor, torch.Tensor], None]:
        """Called with two tensors that an evaluation compares, or subtracts."""
        return _nothing

    @property
    def derived(self) -> Callable[[Any, Any, bool], None]:
        """Called with what `torch.autograd.grad` derived, the derivatives, and whether these have a graph themselves."""
        return _nothing

    @property
    def switching(self) -> Callable[[Any, bool], None]:
        """Called with a module that is put in training mode, or in evaluation mode, and whether it is the former."""
        return _nothing

    @property
    def cleared(self) -> Callable[[Any], None]:
        """Called with the model or the optimizer whose gradients are cleared, before that."""
        return _nothing

    @property
    def stepping(self) -> Callable[[Any], None]:
        """Called with an optimizer that is about to step."""
        return _nothing

    def off(self) -> contextlib.AbstractContextManager[None]:
        """While open, no hooks are on the model."""


OPERATORS = ("__eq__", "eq", "__sub__", "sub")  # by which a program compares outputs with targets
PASSES = 20  # backward passes: fewer show no habit
_INHERITED = object()  # in place of a function that a class has from its base
_watchers: tuple[Watcher, ...] = ()
_originals: dict[tuple[Any, str], Any] = {}
# the functions to call, so that a step has nothing to look up
_before: tuple[Callable[[Any], None], ...] = ()
_after: tuple[Callable[[], None], ...] = ()
_cleared: tuple[Callable[[Any], None], ...] = ()
_derived: tuple[Callable[[Any, Any, bool], None], ...] = ()
_stepping: tuple[Callable[[Any], None], ...] = ()
_of_steps: Any = None  # PyTorch's handle of the hook of all optimizers
_backwards = {"all": 0, "kept": 0}  # backward passes since the patches were made, and those of them that kept their graph
_each_batch = False
_batch: Any = None
_batch_size: int | None = None


def add(watcher: Watcher) -> None:
    """Call the functions of a watcher from now on; the first one installs the patches."""
    global _watchers, _of_steps
    if not _watchers:
        _of_steps = register_optimizer_step_pre_hook(ours(_step))
        _replace(torch.autograd, "backward", _backward)
        _replace(torch.autograd, "grad", _deriving)
        _replace(dataloader._BaseDataLoaderIter, "__next__", _next)
        _replace(torch.nn.Module, "__reduce_ex__", without_hooks)
        _replace(torch.optim.Optimizer, "zero_grad", _clearing)
        _replace(torch.nn.Module, "zero_grad", _clearing)
        _replace(torch.nn.Module, "train", _switching)  # `eval` calls it
        _replace(scripting, "create_script_module", _without_watchers)
        if (export := sys.modules.get("torch.export")) is not None:  # PyTorch 2.1 exports hooks with the model
            _replace(export, "export", _without_watchers)
    _watchers = (*_watchers, watcher)
    changed()


def changed() -> None:
    """Read the functions of all watchers again."""
    global _before, _after, _cleared, _derived, _stepping, _each_batch
    _before = tuple(w.before_backward for w in _watchers)
    _after = tuple(w.after_backward for w in _watchers if w.after_backward is not None)
    _cleared = tuple(w.cleared for w in _watchers if w.each_batch)
    _derived = tuple(w.derived for w in _watchers if w.each_batch)
    _stepping = tuple(w.stepping for w in _watchers if w.each_batch)
    _each_batch = any(w.each_batch for w in _watchers)


def last_labels() -> torch.Tensor | None:
    """The second part of a loader's last batch (inputs, labels); None if the batch was not such a pair."""
    pair = isinstance(_batch, list | tuple) and len(_batch) == 2
    return _batch[1] if pair and isinstance(_batch[1], torch.Tensor) else None


def always_retained() -> bool:
    """Whether all backward passes so far, and at least `PASSES` of them, kept their graph by ``retain_graph=True``."""
    return _backwards["kept"] == _backwards["all"] >= PASSES


def last_batch() -> Any:
    """The last batch that a loader returned while a training was watched."""
    return _batch


def last_batch_size() -> int | None:
    """The batch size of the loader that returned the last batch; None if it has none."""
    return _batch_size


def remove(watcher: Watcher) -> None:
    """No longer call the functions of a watcher; the last one removes the patches."""
    global _watchers, _batch, _batch_size
    _watchers = tuple(w for w in _watchers if w is not watcher)
    changed()
    if not _watchers:
        _batch = _batch_size = None
        _backwards.update(all=0, kept=0)
        _restore(list(_originals))
        _of_steps.remove()


def compare(on: bool) -> None:
    """Report what an evaluation compares with its targets, or no longer: only while one runs, so that a step has PyTorch's own
    functions, and their warnings the program's lines."""
    if on and _watchers:
        for name in FUNCTIONS:
            _replace(torch.nn.functional, name, _comparing)
        for name in OPERATORS:
            _replace(torch.Tensor, name, _operating)
    elif not on:
        _restore([(torch.nn.functional, name) for name in FUNCTIONS] + [(torch.Tensor, name) for name in OPERATORS])


def _restore(places: list[tuple[Any, str]]) -> None:
    for owner, name in places:
        # other code may have wrapped our function since: then it stays, and does nothing
        if (owner, name) in _originals and is_ours(getattr(owner, name)):
            original = _originals.pop((owner, name))
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _replace(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    if (owner, name) in _originals or not hasattr(owner, name):
        return
    original = getattr(owner, name)
    _originals[owner, name] = original if name in vars(owner) else _INHERITED
    setattr(owner, name, ours(functools.wraps(original)(around(original))))


def _backward(original: Any) -> Any:
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        _backwards["all"] += 1
        _backwards["kept"] += bool(kwargs.get("retain_graph", args[1] if len(args) > 1 else None))
        for before in _before:
            before(tensors)
        result = original(tensors, *args, **kwargs)
        for after in _after:
            after()
        return result

    return backward


def _deriving(original: Any) -> Any:
    def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(outputs, inputs, *args, **kwargs)
        if not is_compiling():
            for derived in _derived:
                derived(outputs, result, bool(kwargs.get("create_graph", args[2] if len(args) > 2 else False)))
        return result

    return grad


def _step(optimizer: Any, *_: Any) -> None:
    if not is_compiling():
        for stepping in _stepping:
            stepping(optimizer)


def _clearing(original: Any) -> Any:
    def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_compiling():
            for cleared in _cleared:
                cleared(owner)
        return original(owner, *args, **kwargs)

    return zero_grad


def _switching(original: Any) -> Any:
    def train(module: Any, mode: bool = True) -> Any:
        if not is_compiling():
            for watcher in _watchers:
                watcher.switching(module, bool(mode))
        return original(module, mode)

    return train


def _comparing(original: Any) -> Any:
    def compare(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if not is_compiling() and not getattr(result, "requires_grad", False):
            given = {"reduction": "mean", **dict(zip(("input", "target"), args, strict=False)), **kwargs}
            for watcher in _watchers:
                watcher.compared(original.__name__, given.get("input"), given.get("target"), result, given["reduction"])
        return result

    return compare


def _operating(original: Any) -> Any:
    def operate(one: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_compiling() and isinstance(other, torch.Tensor):
            for watcher in _watchers:
                watcher.operated(one, other)
        return original(one, other, *args, **kwargs)

    return operate


def _without_watchers(original: Any) -> Any:
    def create(*args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for watcher in _watchers:
                stack.enter_context(watcher.off())
            return original(*args, **kwargs)

    return create


def _next(original: Any) -> Any:
    def following(iterator: Any) -> Any:
        begin = time.perf_counter()
        batch = original(iterator)
        fetched(iterator, batch, time.perf_counter() - begin)
        return batch

    return following


def fetched(iterator: Any, batch: Any, seconds: float) -> None:
    """A loader has returned a batch, perhaps before anybody watched."""
    global _batch, _batch_size
    _batch, _batch_size = batch, getattr(getattr(iterator, "_index_sampler", None), "batch_size", None)
    if _each_batch or getattr(iterator, "_num_yielded", 1) == 1:
        for watcher in _watchers:
            watcher.fetched(iterator, batch, seconds)
