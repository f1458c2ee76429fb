"""A second forward pass of a model, to measure its layers. Afterwards everything is as it was."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from scram_plugin.training.torch.copies import ours
from scram_plugin.training.torch.graph import Calls, layers

INNER = frozenset(vars(torch.nn.Module()))  # attributes that each module has
EXAMPLES = 32  # examples of a batch that are used in a second forward pass


def _held(module: torch.nn.Module) -> dict[str, tuple[Any, list[Any] | None]]:
    """The attributes of a module of its program's own, with the entries of lists."""
    own = {name: value for name, value in vars(module).items() if name not in INNER}
    return {name: (value, list(value) if type(value) is list else None) for name, value in own.items()}


@contextlib.contextmanager
def untouched(model: torch.nn.Module) -> Iterator[None]:
    """Restore the buffers of the model (running statistics of a batch normalisation), the attributes of its modules (a hidden
    state, a counter) and all random states at the end. What is printed meanwhile is not shown.

    The pass works on copies of the buffers, since a backward pass that follows may need the originals unchanged.
    """
    attributes = [(vars(m), _held(m)) for m in model.modules()]
    buffers = [(m._buffers, name, b) for m in model.modules() for name, b in m._buffers.items() if b is not None]
    python, numpy = random.getstate(), np.random.get_state()
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda" and p.device.index is not None})
    try:
        for owner, name, buffer in buffers:
            owner[name] = buffer.detach().clone()
        with torch.random.fork_rng(devices=devices), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for held, before in attributes:
            for name in held.keys() - before.keys() - INNER:
                del held[name]
            for name, (value, parts) in before.items():
                held[name] = value
                if parts is not None:
                    value[:] = parts
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
    """While open, `before(path, module, inputs)` and `after(path, module, output)` are called for each call of a layer.

    They must not raise: they run within the program's own forward pass.
    """
    handles: list[Any] = []
    try:
        for path, module in layers(model):
            if before is not None:
                handles.append(module.register_forward_pre_hook(ours(lambda m, i, path=path: before(path, m, i))))
            handles.append(module.register_forward_hook(ours(lambda m, i, o, path=path: after(path, m, o))))
        yield
    finally:
        for handle in handles:
            handle.remove()


class Apart:
    """Forward passes of a model that are no part of the training. `passing`: one of them runs."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self.passing = False

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Context of such a pass."""
        self.passing = True
        try:
            with untouched(self._model):
                yield
        finally:
            self.passing = False

    def calls(self, inputs: tuple[Any, Any]) -> tuple[Calls, Any]:
        """The calls of the layers for some examples of these inputs, and the outputs."""
        args, kwargs = first(inputs, EXAMPLES)
        calls = Calls()
        with self(), hooked(self._model, calls.begin, calls.end), torch.enable_grad():
            return calls, self._model._call_impl(*args, **kwargs)

    def look(self, inputs: tuple[Any, Any], look: Callable[[str, torch.nn.Module, Any], None]) -> None:
        """Call `look` with the output of each layer for some examples of these inputs."""
        args, kwargs = first(inputs, EXAMPLES)
        with self(), hooked(self._model, None, look):
            self._model._call_impl(*args, **kwargs)


def first(structure: Any, examples: int) -> Any:
    """The same arguments with at most so many examples: tensors with as many rows as the first one are cut."""
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
