"""Models that are compiled, or wrapped for several devices."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.torch.axes import nodes
from scram_plugin.training.torch.copies import ours
from scram_plugin.training.torch.graph import operation

if hasattr(torch.compiler, "is_compiling"):
    is_compiling = torch.compiler.is_compiling
else:  # before PyTorch 2.3
    from torch._dynamo.external_utils import is_compiling  # type: ignore[no-redef]


def transforming() -> bool:
    """Whether the program is not computing, but compiling, tracing, or transforming a function (`torch.func`)."""
    return is_compiling() or torch._C._is_tracing() or torch._C._functorch.peek_interpreter_stack() is not None


def is_compiled(model: torch.nn.Module, loss: torch.Tensor) -> bool:
    """Whether a loss comes from compiled code, or the model has been compiled: hooks on its parts would be compiled, too."""
    utils = sys.modules.get("torch._dynamo.utils")
    if utils is None or not utils.counters["stats"]["calls_captured"]:
        return False
    if any(operation(node).startswith("CompiledFunction") for node in nodes(loss)):
        return True
    kind = torch._dynamo.OptimizedModule
    return any(issubclass(type(thing), kind) and thing._orig_mod is model for thing in gc.get_objects())


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The module inside the result of `torch.compile`, `DataParallel` or `DistributedDataParallel`, else the model itself."""
    inner: torch.nn.Module = getattr(model, "_orig_mod", model)
    if isinstance(inner, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
        inner = inner.module
    return inner


class AroundCompiled:
    """Hooks around a model that was compiled in place: ordinary hooks would be compiled together with the model."""

    def __init__(self, model: torch.nn.Module, before: Callable[..., None], after: Callable[..., None]) -> None:
        self._model, self._original = model, model._compiled_call_impl
        original = self._original

        def call(*args: Any, **kwargs: Any) -> Any:
            before(model, args, kwargs)
            output = original(*args, **kwargs)
            after(model, args, output)
            return output

        model._compiled_call_impl = self._call = ours(call)

    def remove(self) -> None:
        if self._model._compiled_call_impl is self._call:
            self._model._compiled_call_impl = self._original
