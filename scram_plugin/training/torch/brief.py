"""Steps of which the loss alone is recorded.

In a step of a millisecond each call of a Python function is felt, since the caches hold the data of the step. So there are two
calls only, which keep what they see; what it means is found out later, for all these steps at once.
"""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable, Sequence
from typing import Any

from scram_plugin.training.torch.graph import unscaled
from scram_plugin.training.torch.rows import Number


class Brief:
    """The ends of steps, and in steps in brief the ways back.

    `on_cpu`: elsewhere to ask for a number would wait for the device. `odd(loss)` is told of one that is not finite, `ended()`
    when as many steps have ended as `begin` was told. None of these may raise.
    """

    def __init__(self, on_cpu: bool, odd: Callable[[float], None], ended: Callable[[], None]) -> None:
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
            self._odd(value)

    def end(self, *_: Any) -> None:
        """A step has ended."""
        self._ends.append((time.time(), len(self._ways)))
        if len(self._ends) >= self._steps:
            self._ended()

    def take(self, mine: Sequence[bool]) -> tuple[list[float], list[Number]]:
        """When the steps since have ended, and their losses; without those that had none.

        `mine`: of the ways back of a step, which are of the loss. The last one is the last one of each step.
        """
        times, losses, start = [], [], 0
        for when, stop in self._ends:
            if own := self._own(self._ways[start:stop], mine):
                times.append(when)
                losses.append(functools.reduce(operator.add, own))
            start = stop
        self._steps = max(self._steps - len(self._ends), 1)
        self._ends, self._ways = [], self._ways[start:]
        return times, losses

    def pending(self, mine: Sequence[bool]) -> tuple[list[Number], int]:
        """The losses of a step that has not ended, and how many ways back there were. They are not told again."""
        ways, self._ways = self._ways, []
        return self._own(ways, mine), len(ways)

    def _own(self, ways: list[Number | None], mine: Sequence[bool]) -> list[Number]:
        # where a scaler has skipped a step, its ways come first; else a step may have more ways than another
        more = [not self._scaled] * (len(ways) - len(mine))
        which = [*more, *mine[max(len(mine) - len(ways), 0) :]]
        return [loss for loss, own in zip(ways, which, strict=True) if own and loss is not None]
