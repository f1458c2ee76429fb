"""Decides how much is recorded of each step, so that recording takes only a small share of the time."""

from __future__ import annotations

import time

from scram_plugin.training.sampling import EVERY, due

SHARE = 0.01  # share of the time that rows may take
MEASURING = 0.005  # share of the time that measured steps may take in addition
FIRST = 64  # first steps, recorded in full at any cost, since most faults show early
LONGEST = 64  # largest number of steps from one that is recorded in full to the next
UNSEEN = 1.5  # ratio of the true cost to the measured one: calling a hook takes time, too
PAUSE = 4  # times the usual time; the excess is a pause (a validation or a checkpoint) and does not count as step time


class Pace:
    """Decides which steps are recorded in full (with inputs, targets and outputs), and which are measured in detail.

    If `every` is given, every n-th step is measured and all are recorded in full. Otherwise, if steps are so short that this
    would slow the training down, most steps are recorded with their loss only, and fewer are measured.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._period = 1
        self._cost = self._measuring_cost = 0.0  # seconds since the last check of the cost; and in the last measured step
        self._last = time.time()
        self._usual = 0.0  # usual time of a step, seconds
        self._time = self._since = 0.0  # seconds that steps took, without pauses: now, and at the last check of the cost
        self._measured = 0.0  # `_time` when a step was last measured
        self.full, self.measuring = True, due(0, every or EVERY)

    def spent(self, seconds: float, measuring: bool) -> None:
        """Add time (seconds) that SCRAM used in the present step; `measuring`: whether that step is measured."""
        if measuring:
            self._measuring_cost += seconds
        else:
            self._cost += seconds

    def step(self, number: int, ends: list[float]) -> None:
        """Decide how to record step `number` (from 0). `ends`: when the steps before it ended, in seconds since 1970."""
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
            while share > SHARE and self._period < LONGEST:
                self._period, share = 2 * self._period, share / 2
            if share < SHARE / 4 and self._period > 1:
                self._period //= 2
            self._cost, self._since = 0.0, self._time
        self.full = self.measuring or number < FIRST or number % self._period == 0

    def alike(self, number: int) -> int:
        """How many steps, from brief step `number` on, are recorded with their loss only, however long they take."""
        return min(EVERY - (number - 1) % EVERY, self._period - number % self._period)
