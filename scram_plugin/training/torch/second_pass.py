"""One more forward pass of a model, to look at its layers, after which everything is as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from scram_plugin.training.torch.graph import layers


@contextlib.contextmanager
def untouched(model: torch.nn.Module) -> Iterator[None]:
    """Buffers of the model (the running statistics of a batch normalisation) and all random states are put back at the end.

    The pass works on copies of the buffers: a way back that is still to come may need them as they are.
    """
    buffers = [(m._buffers, name, b) for m in model.modules() for name, b in m._buffers.items() if b is not None]
    python, numpy = random.getstate(), np.random.get_state()
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda" and p.device.index is not None})
    try:
        for owner, name, buffer in buffers:
            owner[name] = buffer.detach().clone()
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for owner, name, buffer in buffers:
            owner[name] = buffer


@contextlib.contextmanager
def hooked(
    model: torch.nn.Module,
    before: Callable[[str, torch.nn.Module, Any], None] | None,
    after: Callable[[str, torch.nn.Module, Any], None],
) -> Iterator[None]:
    """While it is open, `before(path, module, inputs)` and `after(path, module, output)` are told of each layer's calls.

    They must not raise: they run within the program's own forward pass.
    """
    handles: list[Any] = []
    try:
        for path, module in layers(model):
            if before is not None:
                handles.append(module.register_forward_pre_hook(lambda m, i, path=path: before(path, m, i)))
            handles.append(module.register_forward_hook(lambda m, i, o, path=path: after(path, m, o)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def first(structure: Any, examples: int) -> Any:
    """The same arguments with fewer examples: tensors that are as long as the first one are cut."""
    lengths = [t.shape[0] for t in _tensors(structure) if t.dim()]
    return _cut(structure, lengths[0] if lengths else -1, examples)


def _tensors(structure: Any) -> list[torch.Tensor]:
    if isinstance(structure, torch.Tensor):
        return [structure]
    parts = structure.values() if isinstance(structure, dict) else structure if isinstance(structure, list | tuple) else ()
    return [t for part in parts for t in _tensors(part)]


def _cut(structure: Any, length: int, examples: int) -> Any:
    if isinstance(structure, torch.Tensor):
        return structure[:examples] if structure.dim() and structure.shape[0] == length else structure
    if type(structure) is dict:
        return {key: _cut(part, length, examples) for key, part in structure.items()}
    if type(structure) in (list, tuple):
        return type(structure)(_cut(part, length, examples) for part in structure)
    return structure
