"""Finds out whether other models are trained in the same loop, such as a generator and its discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

LEAST = 3  # consecutive steps that follow another model's backward pass; a single skipped step does not count


class Company:
    """Counts the steps of this model in a row that follow a backward pass of another model, or a step of its optimizer."""

    def __init__(self, model: torch.nn.Module, parameters: Sequence[torch.Tensor], beside: Callable[[], None]) -> None:
        """`beside` is called before each step of another model's optimizer."""
        self._beside = beside
        self._met = False
        self._steps = 0
        self.found = False  # whether another model is trained in the same loop
        self._own = {id(p) for p in (*model.parameters(), *parameters)}
        self._known: dict[int, bool] = {}  # id of an optimizer -> whether it is another model's

    def other(self, met: bool = True) -> None:
        """A backward pass was another model's, or one for another optimizer alone, or its gradients were discarded."""
        self._met |= met

    def stepping(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Some optimizer is about to step. It is another model's if it has none of this one's parameters."""
        if id(optimizer) not in self._known:
            held = (p for group in optimizer.param_groups for p in group["params"])
            self._known[id(optimizer)] = not any(id(p) in self._own for p in held)
        if self._known[id(optimizer)]:
            self._met = True
            self._beside()

    def step(self) -> None:
        """A step of this model has ended."""
        self._steps = self._steps + 1 if self._met else 0
        self._met = False
        self.found |= self._steps >= LEAST
