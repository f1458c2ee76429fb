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
from scram_plugin.sweeps.pace import FEWEST_NONFINITE
from scram_plugin.sweeps.risks import RISKS
from scram_plugin.sweeps.stopping import Stop, goal_of, stop

MODES = ("max", "min")


@dataclass
class Trial:
    """What a trial has reported: step -> value. A value may be NaN or infinite."""

    name: str
    values: dict[int, float] = field(default_factory=dict)
    running: bool = True


class Judge:
    """Tells when a trial can be stopped. `higher`: whether higher values are better; `goal` and `risk` are those of `goal_of`
    and `stop`. Raises BadOption for others."""

    def __init__(self, higher: bool, goal: float | None = None, risk: float = RISKS[0]) -> None:
        if risk not in RISKS:
            raise BadOption(f"risk={risk!r}: give one of {', '.join(map(str, RISKS))}")
        if goal is not None and not math.isfinite(goal):
            raise BadOption(f"goal={goal!r}: give a finite number")
        self._higher, self._goal, self._risk = higher, goal, risk
        self._ended: dict[str, tuple[dict[int, float], Review | None]] = {}  # name -> what was reported, and its review

    def stop(self, trial: Trial, others: Iterable[Trial]) -> Stop | None:
        """The reason to stop a trial now; None if it may still become good."""
        known = [other for other in others if other.name != trial.name]
        own = self._review(trial)
        if own is None:  # nothing that it reported is finite
            lost = len(trial.values) >= FEWEST_NONFINITE
            return Stop(trial.name, max(trial.values), None, "The value is not a finite number.", 0.0) if lost else None
        reviews = [review for other in known if (review := self._known(other)) is not None]
        running = {trial.name, *(other.name for other in known if other.running)}
        return stop(own, goal_of([*reviews, own], value=self._goal, live=running), self._risk)

    def _known(self, trial: Trial) -> Review | None:
        """The review of another trial, made once if it has ended."""
        if trial.running:
            return self._review(trial)
        known = self._ended.get(trial.name)
        if known is None or known[0] != trial.values:
            known = self._ended[trial.name] = dict(trial.values), self._review(trial)  # a paused one goes on
        return known[1]

    def _review(self, trial: Trial) -> Review | None:
        steps = np.array(sorted(trial.values), int)
        values = np.array([trial.values[int(step)] for step in steps], float)
        if not np.isfinite(values).any():
            return None
        axis = "epoch" if steps[0] == 0 else "step"  # which is counted from 0
        curve = Curve("", "", axis, steps, np.zeros(len(steps)), values, 0, 0)
        return Review(trial.name, (), None, (), scores=(score_of("value", curve, self._higher),))


def is_higher(mode: str) -> bool:
    """Raises BadOption for a mode that is none."""
    if mode not in MODES:
        raise BadOption(f"mode={mode!r}: give 'max' or 'min'")
    return mode == "max"


def reported(values: Mapping[int, object]) -> dict[int, float]:
    """What a tuner has kept, as numbers."""
    return {int(step): float(value) for step, value in values.items() if isinstance(value, int | float | np.number)}
