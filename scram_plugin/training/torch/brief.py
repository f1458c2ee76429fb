"""Brief steps: only their loss is recorded.

In a step of one millisecond each call of a Python function counts, since the processor's caches hold the data of the step. So
there are only two calls, which store values. They are evaluated later, for all these steps at once.
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
    """Stores the ends of steps and, in brief steps, the losses of the backward passes.

    `on_cpu`: losses are read at once; otherwise that would wait for the device. `begins()` is called before each backward pass,
    `odd(value, loss)` with a loss that is not finite, and `ended()` when as many steps have ended as `begin` announced. None
    may raise.
    """

    def __init__(
        self, on_cpu: bool, begins: Callable[[], None], odd: Callable[[float, Any], None], ended: Callable[[], None]
    ) -> None:
        self._on_cpu, self._begins, self._odd, self._ended = on_cpu, begins, odd, ended
        self._ways: list[Number | None] = []  # the loss of each backward pass; None if it was not a scalar
        self._ends: list[tuple[float, int]] = []  # of steps: end (seconds since 1970), and number of backward passes before it
        self._scaled = False
        self._steps = 1

    def __len__(self) -> int:
        """The number of steps that have ended since `take`."""
        return len(self._ends)

    def begin(self, steps: int, scaled: bool) -> None:
        """So many steps follow. `scaled`: a `GradScaler` multiplies their losses."""
        self._steps, self._scaled = steps, scaled

    def before_backward(self, loss: Any) -> None:
        self._begins()
        try:
            if self._scaled:
                loss = unscaled(loss)
            value = loss.item() if self._on_cpu else loss.detach().reshape(())
        except Exception:  # not a single tensor, or not a scalar
            self._ways.append(None)
            return
        self._ways.append(value)
        if self._on_cpu and value - value != 0.0:
            self._odd(value, loss)

    def end(self, *_: Any) -> None:
        """A step has ended."""
        self._ends.append((time.time(), len(self._ways)))
        if len(self._ends) >= self._steps:
            self._ended()

    def take(self, mine: Sequence[bool]) -> tuple[list[float], list[Number]]:
        """The ends (seconds since 1970) and losses of the steps since the last call, without steps that had no loss.

        `mine`: which backward passes of a step belong to its loss. The last entry is for the last pass of each step.
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
        """Remove and return the losses of a step that has not ended, and its number of backward passes."""
        ways, self._ways = self._ways, []
        return self._own(ways, mine), len(ways)

    def _own(self, ways: list[Number | None], mine: Sequence[bool]) -> list[Number]:
        # the passes of a step that a scaler skipped come first; without a scaler a step may have more passes than another
        more = [not self._scaled] * (len(ways) - len(mine))
        which = [*more, *mine[max(len(mine) - len(ways), 0) :]]
        return [loss for loss, own in zip(ways, which, strict=True) if own and loss is not None]
