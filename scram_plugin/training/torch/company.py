"""Finds out whether other models are trained in the same loop, such as a generator and its discriminator."""

from __future__ import annotations

from collections.abc import Sequence

import torch

LEAST = 3  # consecutive steps that follow another model's backward pass; a single skipped step does not count


class Company:
    """Counts the steps of this model in a row that follow a backward pass of another model, or a step of its optimizer."""

    def __init__(self, model: torch.nn.Module, parameters: Sequence[torch.Tensor]) -> None:
        self._met = False
        self._steps = 0
        self.found = False  # whether another model is trained in the same loop
        self._own = {id(p) for p in (*model.parameters(), *parameters)}
        self._known: dict[int, bool] = {}  # id of an optimizer -> whether it is another model's

    def other(self, met: bool = True) -> None:
        """A backward pass was another model's, or one for another optimizer alone, or its gradients were discarded."""
        self._met |= met

    def is_other(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether an optimizer that takes a step trains none of this model's parameters."""
        if (found := self._known.get(id(optimizer))) is None:
            held = (p for group in optimizer.param_groups for p in group["params"])
            self._known[id(optimizer)] = found = not any(id(p) in self._own for p in held)
        self._met |= found
        return found

    def step(self) -> None:
        """A step of this model has ended."""
        self._steps = self._steps + 1 if self._met else 0
        self._met = False
        self.found |= self._steps >= LEAST
