"""How far a training run is from the thresholds of a check: found by moving them until the outcome changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scram_plugin.heuristics.heuristic import Finding, Heuristic
from scram_plugin.logs.training_run import TrainingRun

REACH = 4.0  # thresholds are moved up to this factor, up and down
STRIDE = 1.25  # the factor of each move; then the turning point is narrowed down
NARROW = 0.01  # to this relative precision


@dataclass(frozen=True)
class Margin:
    """An option, its value, and the nearest value that would change the outcome; `finding`: what would be found then, or
    None if nothing would be."""

    option: str
    value: float
    turns_at: float
    finding: Finding | None

    @property
    def factor(self) -> float:
        """The factor by which the option would have to be moved."""
        return max(self.turns_at / self.value, self.value / self.turns_at)


def margins(run: TrainingRun, heuristic: Heuristic, options: Mapping[str, Any], seconds: float = 5.0) -> list[Margin]:
    """For each threshold of a check the nearest value, within reach, at which a finding would appear or disappear.

    The nearest threshold is first. What is not found within `seconds` is left out. Whole numbers say how much evidence is
    required; they are not thresholds. A value of 1 or below is a fraction.
    """
    if seconds <= 0:
        return []
    end = time.monotonic() + seconds
    now = _found(run, heuristic, options)
    if now is _SILENT:
        return []
    turns = []
    for name, value in movable(heuristic, options).items():
        both = (_turn(run, heuristic, options, name, up, now, end) for up in (True, False))
        nearest = [margin for margin in both if margin is not None]
        turns += [m for m in sorted(nearest, key=lambda m: m.factor)[:1] if value > 1 or m.turns_at <= 1]
    return sorted(turns, key=lambda m: m.factor)


def movable(heuristic: Heuristic, options: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds of a check: its options that are no whole number and no switch, with their values."""
    values = {option.name: options[option.name] for option in heuristic.options}
    return {name: value for name, value in values.items() if isinstance(value, float) and value > 0}


_SILENT = object()  # the check cannot decide


def _found(run: TrainingRun, heuristic: Heuristic, options: Mapping[str, Any]) -> Any:
    try:
        return next(iter(heuristic.check(run, options)), None)
    except Exception:  # it cannot decide, or fails with these options: no evidence
        return _SILENT


def _turn(
    run: TrainingRun, heuristic: Heuristic, options: Mapping[str, Any], name: str, up: bool, now: Any, end: float
) -> Margin | None:
    value = options[name]

    def at(factor: float) -> tuple[float, Any]:
        moved = value * factor
        return moved, _found(run, heuristic, {**options, name: moved})

    same, factor = 1.0, 1.0
    while factor < REACH:
        if time.monotonic() > end:
            return None
        factor *= STRIDE
        moved, found = at(factor if up else 1 / factor)
        if found is not _SILENT and (found is None) != (now is None):
            break
        same = factor
    else:
        return None
    while factor / same > 1 + NARROW and time.monotonic() < end:
        middle = (same * factor) ** 0.5
        tried, outcome = at(middle if up else 1 / middle)
        if outcome is not _SILENT and (outcome is None) != (now is None):
            factor, moved, found = middle, tried, outcome
        else:
            same = middle
    return Margin(name, float(value), float(moved), found)
