"""Models that are never called themselves: the program calls methods of them, or their parts."""

from __future__ import annotations

import torch

from scram_plugin.training.torch import ownership
from scram_plugin.training.torch.compiled import is_compiled
from scram_plugin.training.torch.hooks import Hooks

TRIES = 50  # backward passes of other models, at most, before the first one of this model


class Parts:
    """`used`: parts of the model have hooks, and count as it. `waiting`: they have, from the next step on."""

    def __init__(self, model: torch.nn.Module, hooks: Hooks, used: bool) -> None:
        self._model, self._hooks = model, hooks
        self._tries = TRIES
        self.used, self.waiting = used, False

    def called(self) -> None:
        """The model itself is called."""
        self._tries = 0

    def has(self, loss: torch.Tensor) -> bool:
        """Whether a loss, before which the model was not called, depends on it all the same. Then its parts get hooks."""
        if not self._tries:
            return False
        if is_compiled(self._model, loss) or not ownership.depends_on(loss, list(self._model.parameters())):
            self._tries -= 1
            return False
        if not self.used:
            parts = children(self._model)
            self.used, self.waiting = True, bool(parts)
            self._hooks.instead(parts)
        return True


def children(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The parts of a model that its program may call instead of it: not containers, but what is in them."""
    found: list[torch.nn.Module] = []
    for child in module.children():
        contains = isinstance(child, torch.nn.ModuleList | torch.nn.ModuleDict)
        found += children(child) if contains else [child] if any(p.requires_grad for p in child.parameters()) else []
    return found
