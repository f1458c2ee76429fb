"""What a check looked at, beside its limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scram_plugin.logs.curve import CurveName


@dataclass(frozen=True)
class Measure:
    """What a check looked at: a quantity in words, its value in this run, and the limit beyond which there is a finding.

    `above`: a finding needs more than the limit; else it needs less. `limit` is None where a finding does not depend on one.
    """

    what: str
    value: float
    limit: float | None = None
    above: bool = True
    percent: bool = False  # value and limit are shares of 1, to be told in percent
    curve: CurveName | None = None

    @property
    def nearness(self) -> float:
        """How near the value is to its limit: 1 at the limit, 0 infinitely far from it or without a limit."""
        if not self.limit or not self.value or not math.isfinite(self.value):
            return 0.0
        return abs(self.value / self.limit if self.above else self.limit / self.value)
