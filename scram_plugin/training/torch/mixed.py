"""Whether the gradients of a step are those of two losses: of this model's, and of one that another network minimises."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch

from scram_plugin.training.torch.ownership import depends_on

SURE = 3  # times that both losses went through the other network, after which that is not looked at again


class Mixed:
    """Follows the gradients from one `clear` to the next: a backward pass through this model, a step of another network's
    optimizer, and another backward pass that goes through the same outputs of this model and through that network, too."""

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self._own = {id(p) for p in parameters}
        self._strange: weakref.WeakKeyDictionary[torch.optim.Optimizer, bool] = weakref.WeakKeyDictionary()
        self.steps = 0
        self.alone = True  # nothing else clears gradients or takes steps
        self._seen = 0
        self._forward: int | None = None  # the forward pass through which the first backward pass went
        self._other: list[torch.Tensor] = []  # parameters of the optimizer that has stepped since
        self._through = self._both = False

    def clear(self) -> None:
        """The gradients of this model are cleared, or used by its optimizer."""
        self._forward, self._other, self._through, self._both = None, [], False, False

    def backward(self, forward: int, loss: torch.Tensor) -> None:
        """A backward pass begins, after so many forward passes; it may turn out not to reach this model."""
        self._through = False
        if self._other and forward == self._forward:
            self._through = self._seen >= SURE or depends_on(loss, self._other)

    def reached(self, forward: int) -> None:
        """It went through this model."""
        if self._forward is None:
            self._forward = forward
        elif self._through:
            self._both = True

    def other_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Some optimizer is about to step."""
        if optimizer not in self._strange:
            held = (p for group in optimizer.param_groups for p in group["params"])
            self._strange[optimizer] = not any(id(p) in self._own for p in held)
        if self._strange[optimizer]:
            self.alone = False
            if self._forward is not None:
                self._other = [p for group in optimizer.param_groups for p in group["params"]]

    def step(self) -> bool:
        """A step of this model has ended. Returns whether its gradients were those of two losses."""
        mixed = self._both
        self._seen += mixed
        self.steps += mixed
        self.clear()
        return mixed

    def facts(self) -> dict[str, Any]:
        return {"mixed": self.steps} if self.steps else {}
