"""In which memory tensors are, and whether it was written to since: what was found of them need not be found again.

PyTorch counts what it writes itself, but not what NumPy writes to memory that both share, nor what goes through `.data`. So of
memory that PyTorch did not allocate nothing is held, and of other memory some of the values are compared, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from scram_plugin.training.torch.statistics import Tensors

COMPARED = 64  # values of a tensor, to see changes that are not counted
Found = TypeVar("Found")


def version(tensor: torch.Tensor) -> int:
    """How often a tensor was written to; 0 for one of `torch.inference_mode`, of which nothing is counted."""
    return 0 if tensor.is_inference() else tensor._version


def place(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Equal for two tensors in the same memory with the same version. While it is held, no other memory has the same name."""
    layout = tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
    return StorageWeakRef(tensor.untyped_storage()), version(tensor), *layout


def _is_counted(tensor: torch.Tensor) -> bool:
    """Whether a change of the values would be seen: of memory of this process that PyTorch allocated, in one piece."""
    own = tensor.device.type == "cpu" and tensor.is_contiguous() and not (tensor.is_inference() or tensor.is_shared())
    return own and hasattr(torch.UntypedStorage, "resizable") and tensor.untyped_storage().resizable()


def _some(tensor: torch.Tensor) -> list[float]:
    """Values that are evenly spread."""
    flat = tensor.reshape(-1)
    return flat[:: max(len(flat) // COMPARED, 1)].tolist()  # type: ignore[no-any-return]


class Unchanged:
    """Whether tensors are those of the last call, and have the values that they had then, as far as that can be known."""

    def __init__(self) -> None:
        self._last: list[tuple[Any, ...]] | None = None

    def __call__(self, tensors: Tensors) -> bool:
        counted = all(_is_counted(t) for _, t in tensors)
        now = [(name, *place(t), _some(t)) for name, t in tensors] if counted else None
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
