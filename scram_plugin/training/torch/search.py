"""Finds the model of a program of which nothing is known: what is called first in training, and has an optimizer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

WRAPPERS = ("Lightning", "Accelerated")  # how classes of optimizers begin that hold another one


class ModelSearch:
    """Calls `found(model, optimizers)` once. `look` is to be told of each module that is called in training, from outside."""

    def __init__(self, found: Callable[[torch.nn.Module, list[torch.optim.Optimizer]], None]) -> None:
        self._found = found
        self.model: torch.nn.Module | None = None
        self._looked: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()  # modules without an optimizer when first called
        self._candidate: torch.nn.Module | None = None  # the last of these: the model, if no other is found
        self._stepped = register_optimizer_step_post_hook(self._optimizer_stepped)

    def close(self) -> None:
        self._stepped.remove()

    def look(self, module: torch.nn.Module) -> None:
        """Take the module for the model, if an optimizer has parameters of it."""
        if self.model is not None or module in self._looked or next(module.parameters(), None) is None:
            return
        self._looked.add(module)  # all objects are searched for optimizers: only once for each module
        self._candidate = module
        if optimizers := optimizers_of(module):
            self._take(module, optimizers)

    def _optimizer_stepped(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """The first step of an optimizer that was made later than the module was called, or has no parameter of it."""
        if self.model is None and self._candidate is not None:
            self._take(self._candidate, [optimizer])

    def _take(self, module: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
        self.model = module
        self._found(module, optimizers)


def optimizers_of(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """All optimizers in this process that have a parameter of the model."""
    parameters = {id(p) for p in model.parameters()}
    kinds = ((thing, type(thing)) for thing in gc.get_objects())
    # Lightning and Accelerate wrap an optimizer in another that cannot be copied, or takes no hooks
    known = [t for t, kind in kinds if issubclass(kind, torch.optim.Optimizer) and not kind.__name__.startswith(WRAPPERS)]
    return [o for o in known if any(id(p) in parameters for g in o.param_groups for p in g["params"])]
