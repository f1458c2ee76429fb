"""How much is recorded of each step, so that recording takes a small part of the time only."""

from __future__ import annotations

import time

from scram_plugin.training.sampling import EVERY, due

SHARE = 0.01  # of the time, that rows may take
MEASURING = 0.005  # of the time, that measured steps may take beside these
FIRST = 64  # steps that are recorded in full at any price: a training that goes wrong does so early
LONGEST = 64  # steps between two that are recorded in full, at most
UNSEEN = 1.5  # times what is seen of the cost: calling a hook takes its time, too
PAUSE = 4  # times as long as usual: what is above it is a pause, for a validation or a checkpoint, and no time of steps


class Pace:
    """Which steps are recorded in full (with inputs, targets and outputs), and which are measured in depth.

    Where `every` is given, every n-th is measured and all are recorded in full. Else steps that are so short that this would
    be felt are recorded with their loss alone, but for every n-th, and measured less often.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._period = 1
        self._cost = self._measuring_cost = 0.0  # since the cost was last looked at; and of the last step that was measured
        self._last = time.time()
        self._usual = 0.0  # time of a step
        self._time = self._since = 0.0  # that steps took, without pauses: now, and when the cost was last looked at
        self._measured = 0.0  # the time when a step was last measured
        self.full, self.measuring = True, due(0, every or EVERY)

    def spent(self, seconds: float, measuring: bool) -> None:
        """Time that was taken of the present step, which is measured or not."""
        if measuring:
            self._measuring_cost += seconds
        else:
            self._cost += seconds

    def step(self, number: int, ends: list[float]) -> None:
        """Decide of the step with this number, from 0; those before it have ended then, in seconds since 1970."""
        if self._every is not None:
            self.measuring = due(number, self._every)
            return
        for end in ends:
            taken, self._last = max(end - self._last, 0.0), end  # a clock may be set back
            taken = min(taken, PAUSE * (self._usual or taken))
            self._usual += 0.1 * (taken - self._usual) if self._usual else taken
            self._time += taken
        pause = self._measuring_cost * UNSEEN / MEASURING
        self.measuring = due(number, EVERY) and (number < FIRST or self._time >= self._measured + pause)
        if self.measuring:
            self._measured, self._measuring_cost = self._time, 0.0
        if number % FIRST == 0 and number:
            share = self._cost * UNSEEN / max(self._time - self._since, 1e-9)
            if share > SHARE and self._period < LONGEST:
                self._period *= 2
            elif share < SHARE / 4 and self._period > 1:
                self._period //= 2
            self._cost, self._since = 0.0, self._time
        self.full = self.measuring or number < FIRST or number % self._period == 0

    def alike(self, number: int) -> int:
        """How many steps from this number on are as this one, of which the loss alone is recorded, whatever they take."""
        return min(EVERY - (number - 1) % EVERY, self._period - number % self._period)
