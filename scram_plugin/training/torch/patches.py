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
    """Told of what happens anywhere in the program; none of the methods may raise."""

    def before_backward(self, tensors: Any) -> None: ...

    def after_backward(self) -> None: ...

    def fetched(self, iterator: Any, batch: Any, seconds: float) -> None: ...


_watchers: tuple[Watcher, ...] = ()
_originals: dict[tuple[Any, str], Any] = {}


def add(watcher: Watcher) -> None:
    global _watchers
    if not _watchers:
        _replace(torch.autograd, "backward", _backward)
        _replace(dataloader._BaseDataLoaderIter, "__next__", _next)
    _watchers = (*_watchers, watcher)


def remove(watcher: Watcher) -> None:
    global _watchers
    _watchers = tuple(w for w in _watchers if w is not watcher)
    if not _watchers:
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
        watchers = _watchers  # one that fails leaves
        for watcher in watchers:
            watcher.before_backward(tensors)
        result = original(tensors, *args, **kwargs)
        for watcher in watchers:
            watcher.after_backward()
        return result

    return backward


def _next(original: Any) -> Any:
    def following(iterator: Any) -> Any:
        begin = time.perf_counter()
        batch = original(iterator)
        for watcher in _watchers:
            watcher.fetched(iterator, batch, time.perf_counter() - begin)
        return batch

    return following
