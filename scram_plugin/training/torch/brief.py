"""Steps of which the loss alone is recorded.

In a step of a millisecond each call of a Python function is felt, since the caches hold the data of the step. So there are two
calls only, which keep what they see; what it means is found out later, for all these steps at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.torch.graph import unscaled

Number = torch.Tensor | float


class Brief:
    """The ends of steps, and in steps in brief the ways back.

    `on_cpu`: elsewhere to ask for a number would wait for the device. `odd()` is called when a loss is not finite, `ended()`
    when as many steps have ended as `begin` was told. None of these may raise.
    """

    def __init__(self, on_cpu: bool, odd: Callable[[], None], ended: Callable[[], None]) -> None:
        self._on_cpu, self._odd, self._ended = on_cpu, odd, ended
        self._ways: list[Number | None] = []  # the loss of each; None if it was no single number
        self._ends: list[tuple[float, int]] = []  # of steps: when, and after how many ways
        self._scaled = False
        self._steps = 1

    def begin(self, steps: int, scaled: bool) -> None:
        """So many steps follow; `scaled`: their losses are multiplied by a `GradScaler`."""
        self._steps, self._scaled = steps, scaled

    def before_backward(self, loss: Any) -> None:
        try:
            if self._scaled:
                loss = unscaled(loss)
            value = loss.item() if self._on_cpu else loss.detach().reshape(())
        except Exception:  # no single tensor, or no single number
            self._ways.append(None)
            return
        self._ways.append(value)
        if self._on_cpu and value - value != 0.0:
            self._odd()

    def end(self, *_: Any) -> None:
        """A step has ended."""
        self._ends.append((time.time(), len(self._ways)))
        if len(self._ends) >= self._steps:
            self._ended()

    def take(self) -> list[tuple[float, list[Number | None]]]:
        """The steps that have ended since: when, and the loss of each of their ways back."""
        found, start = [], 0
        for when, stop in self._ends:
            found.append((when, self._ways[start:stop]))
            start = stop
        self._ends, self._ways = [], self._ways[start:]
        self._steps = max(self._steps - len(found), 1)
        return found

    def last(self) -> Number | None:
        """The loss of the last way back."""
        return self._ways[-1]

    def pending(self) -> list[Number | None]:
        """The ways back of a step that has not ended; they are not told again."""
        found, self._ways = self._ways, []
        return found
