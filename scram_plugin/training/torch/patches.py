"""Functions of PyTorch that are watched while a training is: where a way back begins, and who waits for data.

While nobody watches, they are PyTorch's own. A watcher's exception is its own affair: it never reaches the program.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.utils.data import dataloader


class Watcher(Protocol):
    """Told of what happens anywhere in the program; none of the functions may raise. After a change call `changed`."""

    @property
    def before_backward(self) -> Callable[[Any], None]: ...

    @property
    def after_backward(self) -> Callable[[], None] | None: ...

    @property
    def fetched(self) -> Callable[[Any, Any, float], None]:
        """Told an iterator of a loader, what it gave, and the seconds that it took."""

    @property
    def each_batch(self) -> bool:
        """Whether `fetched` is told of each batch, or of the first one of a pass."""


_watchers: tuple[Watcher, ...] = ()
_originals: dict[tuple[Any, str], Any] = {}
# what is called, so that nothing is looked up in each step
_before: tuple[Callable[[Any], None], ...] = ()
_after: tuple[Callable[[], None], ...] = ()
_each_batch = False
_batch: Any = None


def add(watcher: Watcher) -> None:
    global _watchers
    if not _watchers:
        _replace(torch.autograd, "backward", _backward)
        _replace(dataloader._BaseDataLoaderIter, "__next__", _next)
    _watchers = (*_watchers, watcher)
    changed()


def changed() -> None:
    """A watcher wants to be told more, or less."""
    global _before, _after, _each_batch
    _before = tuple(w.before_backward for w in _watchers)
    _after = tuple(w.after_backward for w in _watchers if w.after_backward is not None)
    _each_batch = any(w.each_batch for w in _watchers)


def last_labels() -> torch.Tensor | None:
    """What a loader gave beside the inputs in its last batch."""
    pair = isinstance(_batch, list | tuple) and len(_batch) == 2
    return _batch[1] if pair and isinstance(_batch[1], torch.Tensor) else None


def last_batch() -> Any:
    """What a loader gave last, while somebody watched."""
    return _batch


def remove(watcher: Watcher) -> None:
    global _watchers, _batch
    _watchers = tuple(w for w in _watchers if w is not watcher)
    changed()
    if not _watchers:
        _batch = None
        for (owner, name), original in list(_originals.items()):
            # somebody else may have replaced ours since, and calls it: then it stays, and does nothing
            if getattr(getattr(owner, name), "scram", False):
                setattr(owner, name, original)
                del _originals[owner, name]


def _replace(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    if (owner, name) in _originals or not hasattr(owner, name):
        return
    original = _originals[owner, name] = getattr(owner, name)
    instead: Any = functools.wraps(original)(around(original))
    instead.scram = True
    setattr(owner, name, instead)


def _backward(original: Any) -> Any:
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        for before in _before:
            before(tensors)
        result = original(tensors, *args, **kwargs)
        for after in _after:
            after()
        return result

    return backward


def _next(original: Any) -> Any:
    def following(iterator: Any) -> Any:
        global _batch
        begin = time.perf_counter()
        _batch = batch = original(iterator)
        if _each_batch or getattr(iterator, "_num_yielded", 1) == 1:
            seconds = time.perf_counter() - begin
            for watcher in _watchers:
                watcher.fetched(iterator, batch, seconds)
        return batch

    return following
