"""The trials of a tuner, and which of them can no longer become good."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scram_plugin.errors import BadOption
from scram_plugin.logs.curve import Curve
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import score_of
from scram_plugin.sweeps.risks import RISKS
from scram_plugin.sweeps.stopping import Stop, goal_of, stop

MODES = ("max", "min")


@dataclass
class Trial:
    """What a trial has reported: step -> value. A value may be NaN or infinite."""

    name: str
    values: dict[int, float] = field(default_factory=dict)
    running: bool = True


@dataclass(frozen=True)
class Judge:
    """Tells when a trial can be stopped. `higher`: whether higher values are better; `goal` and `risk` are those of `goal_of`
    and `stop`. Raises BadOption for others."""

    higher: bool
    goal: float | None = None
    risk: float = RISKS[0]

    def __post_init__(self) -> None:
        if self.risk not in RISKS:
            raise BadOption(f"risk={self.risk!r}: give one of {', '.join(map(str, RISKS))}")
        if self.goal is not None and not math.isfinite(self.goal):
            raise BadOption(f"goal={self.goal!r}: give a finite number")

    def stop(self, trial: Trial, others: Iterable[Trial]) -> Stop | None:
        """The reason to stop a trial now; None if it may still become good."""
        own = self._review(trial)
        if own is None:
            return None
        reviews = [review for other in others if other.name != trial.name and (review := self._review(other)) is not None]
        running = {trial.name, *(other.name for other in others if other.running)}
        return stop(own, goal_of([*reviews, own], value=self.goal, live=running), self.risk)

    def _review(self, trial: Trial) -> Review | None:
        steps = np.array(sorted(trial.values), int)
        values = np.array([trial.values[int(step)] for step in steps], float)
        if not np.isfinite(values).any():
            return None
        curve = Curve("", "", "step", steps, np.zeros(len(steps)), values, 0, 0)
        return Review(trial.name, (), None, (), scores=(score_of("value", curve, self.higher),))


def is_higher(mode: str) -> bool:
    """Raises BadOption for a mode that is none."""
    if mode not in MODES:
        raise BadOption(f"mode={mode!r}: give 'max' or 'min'")
    return mode == "max"


def reported(values: Mapping[int, object]) -> dict[int, float]:
    """What a tuner has kept, as numbers."""
    return {int(step): float(value) for step, value in values.items() if isinstance(value, int | float | np.number)}
