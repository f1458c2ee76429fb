"""The hooks of fully recorded steps: around the forward pass of a model or its parts, and before a step of its optimizers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from scram_plugin.training.torch.compiled import AroundCompiled

HOOKED = torch.optim.Optimizer.profile_hook_step(lambda *_: None).__code__  # of a step that calls its hooks


def calls_hooks(step: Any) -> bool:
    """Whether a function, or one that it wraps, is PyTorch's wrapper that calls the hooks of a step."""
    while step is not None:
        if getattr(step, "__code__", None) is HOOKED:
            return True
        step = getattr(step, "__wrapped__", None)
    return False


class Hooks:
    """Hooks that can be put on and taken off again. `parts`: the model, and parts of it that may be called instead of it."""

    def __init__(
        self,
        parts: Sequence[torch.nn.Module],
        optimizers: Sequence[torch.optim.Optimizer],
        before: Callable[..., None],
        after: Callable[..., None],
        before_step: Callable[..., None],
    ) -> None:
        self._parts, self._optimizers = parts, optimizers
        self._before, self._after, self._before_step = before, after, before_step
        self._handles: list[Any] = []
        self._steps: dict[type[torch.optim.Optimizer], Any] = {type(optimizer): None for optimizer in optimizers}
        self.renew()

    def renew(self) -> None:
        """Call the hooks of steps again, where `torch.compile` has taken off their wrapper, as it did in older PyTorch."""
        for kind, seen in self._steps.items():
            if (step := kind.step) is not seen:
                if getattr(step, "hooked", False) and not calls_hooks(step):
                    kind.step = step = torch.optim.Optimizer.profile_hook_step(step)
                    step.hooked = True
                    for optimizer in self._optimizers:
                        if type(optimizer) is kind and "step" in optimizer.__dict__:
                            _call_hooks(optimizer, optimizer.__dict__["step"])
                self._steps[kind] = step

    def instead(self, parts: Sequence[torch.nn.Module]) -> None:
        """Put the hooks on these parts, too."""
        self.detach()
        self._parts = (self._parts[0], *parts)
        self.attach()

    def __bool__(self) -> bool:
        """Whether they are on."""
        return bool(self._handles)

    def attach(self) -> None:
        model = self._parts[0]
        if getattr(model, "_compiled_call_impl", None) is not None:
            self._handles = [AroundCompiled(model, self._before, self._after)]
        else:
            for part in self._parts:
                self._handles.append(part.register_forward_pre_hook(self._before, with_kwargs=True))
                self._handles.append(part.register_forward_hook(self._after))
        self._handles += [optimizer.register_step_pre_hook(self._before_step) for optimizer in self._optimizers]

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


def _call_hooks(optimizer: torch.optim.Optimizer, step: Any) -> None:
    """Call the hooks around the step that an optimizer has for itself: a schedule counts steps, and calls what it found."""
    around = torch.optim.Optimizer.profile_hook_step(lambda _, *args, **kwargs: step(*args, **kwargs))
    optimizer.step = functools.wraps(step)(functools.partial(around, optimizer))
