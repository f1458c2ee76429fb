"""In which memory tensors are, and whether it was written to since: what was found of them need not be found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from scram_plugin.training.torch.statistics import Tensors

Found = TypeVar("Found")


def version(tensor: torch.Tensor) -> int:
    """How often a tensor was written to; 0 for one of `torch.inference_mode`, of which nothing is counted."""
    return 0 if tensor.is_inference() else tensor._version


def place(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Equal for two tensors with the same values in the same memory. While it is held, no other memory has the same name."""
    layout = tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
    return StorageWeakRef(tensor.untyped_storage()), version(tensor), *layout


class Unchanged:
    """Whether tensors are those of the last call, and have the values that they had then."""

    def __init__(self) -> None:
        self._last: list[tuple[Any, ...]] | None = None

    def __call__(self, tensors: Tensors) -> bool:
        now = None if any(t.is_inference() for _, t in tensors) else [(name, *place(t)) for name, t in tensors]
        same, self._last = now is not None and now == self._last, now
        return same


class Once(Generic[Found]):
    """What a function finds of tensors: it is not asked again for those of the last call, as a full batch is in each step."""

    def __init__(self, function: Callable[[Tensors], Found]) -> None:
        self._function, self._same = function, Unchanged()
        self._found: Found | None = None

    def __call__(self, tensors: Tensors) -> Found:
        if not self._same(tensors) or self._found is None:
            self._found = self._function(tensors)
        return self._found
