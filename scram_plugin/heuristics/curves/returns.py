"""The return of a policy in levels, and what is known of its updates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scram_plugin.heuristics.curves.checkable import at, enough
from scram_plugin.heuristics.curves.noise import DEVIATION, MEDIAN, error_of_difference, median, noise, sliding_medians
from scram_plugin.heuristics.heuristic import Cause, Inconclusive, NotChecked
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.conventions import higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

LEVELS = 20  # parts of a run, whose medians are its levels; by bench-labelled
AT_THE_END = 2  # of them at the end, which show where a run ended; by bench-labelled
FOR_LEVELS = 20  # points: with fewer a level is a point or two; by definition
LARGE_UPDATE = (
    0.31  # approximate KL divergence of an update: sound PPO runs stay below, collapsed ones pass 2; by bench-labelled
)
LEAPT = 0.5  # of the first return: such a rise is none of chance, however much the return swings; by bench-labelled
LOST = 0.3  # part of the return's gain: a policy that has lost more is poor; by bench-labelled
LOG_RETURN = 'writer.add_scalar("rollout/ep_rew_mean", mean_return, step)'


@dataclass(frozen=True)
class Levels:
    """The levels of a return, and where each begins. `error` is the standard error of a level."""

    curve: Curve
    values: np.ndarray
    begins: np.ndarray
    error: float

    @property
    def best(self) -> int:
        """The highest level but those at the end."""
        return int(np.argmax(self.values[:-AT_THE_END]))

    @property
    def highest(self) -> float:
        return float(self.values[self.best])

    @property
    def lowest(self) -> float:
        """The lowest level before the best one, or after it if that is the first."""
        before = self.values[: self.best]
        return float(before.min() if len(before) else self.values.min())

    @property
    def last(self) -> float:
        """The level at the end, or what the last points are above, all of them: then it is coming back."""
        return max(median(self.curve.values[self.begins[-AT_THE_END] :]), float(self.curve.values[-FOR_A_LEVEL:].min()))

    @property
    def range(self) -> float:
        """What was gained up to the best level."""
        return self.highest - self.lowest

    @property
    def wander(self) -> float:
        """The standard deviation of a level by its changes: means over the last hundred episodes go up and down slowly."""
        return float(DEVIATION * median(np.abs(np.diff(self.values))) / np.sqrt(2))

    @property
    def leapt(self) -> bool:
        """Whether a later level is far above the first one, beyond chance."""
        first, start = float(self.values[0]), median(self.curve.values[:FOR_A_LEVEL])
        rise = float(self.values[1:].max()) - min(first, start)
        return rise > max(SIGMAS * self.error, LEAPT * abs(first))

    @property
    def gained(self) -> bool:
        """Whether later levels are above the first one beyond chance, or one of them far above it."""
        kept = float(sliding_medians(self.values[1:], FOR_A_LEVEL).max() - self.values[0])
        return self.leapt or kept > SIGMAS * max(self.error, self.wander)

    @property
    def is_poor(self) -> bool:
        """Whether the return never was far above the first one, or has lost much of that at the end."""
        return not self.leapt or self.highest - self.last > LOST * self.range

    def between(self, first: int, last: int) -> float | None:
        """The level of the return between two steps; None without a point there."""
        steps = self.curve.steps
        inside = self.curve.values[(steps >= first) & (steps <= last)]
        return median(inside) if len(inside) else None


def levels(run: TrainingRun) -> Levels:
    """The levels of the return.

    Raises NotChecked if there is none, Inconclusive if it is one against opponents, TooEarly if it has too few points.
    """
    curve = run.signal("return")
    if curve is None:
        raise NotChecked("no return was logged: this is no reinforcement learning, or its tag is unknown", LOG_RETURN)
    if run.signal("rating against itself") is not None:
        raise Inconclusive("the policy plays against itself: its return says who is ahead, not how good both are")
    # evaluations may be few where the training logs many
    long = next((one for one in run.every("return") if len(one.finite) >= FOR_LEVELS), curve)
    return levels_of(enough(long.finite, FOR_LEVELS, "return"))


def levels_of(curve: Curve) -> Levels:
    """The levels of one return, of `FOR_LEVELS` points or more."""
    count = min(LEVELS, len(curve) // 2)
    begins = np.linspace(0, len(curve), count, endpoint=False).astype(int)
    values = np.array([median(part) for part in np.split(curve.values, begins[1:])])
    each = max(len(curve) / count, 1.0)
    return Levels(curve, values, begins, MEDIAN * noise(curve.values) / float(np.sqrt(max(each, FOR_A_LEVEL))))


def held_out(run: TrainingRun, least: int) -> list[Curve]:
    """What says how good a policy is, but is not what it is trained for: the return of an evaluation, a rate of success, scores
    of which higher ones are better. Of `least` finite points or more."""
    scores = [name for name in run.signals if name.startswith("validation ") and higher_is_better(name.partition(" ")[2])]
    found = [curve.finite for name in ("validation return", "success rate", *scores) for curve in run.every(name)]
    return [curve for curve in found if len(curve) >= least]


def moved(curve: Curve, step: int) -> tuple[float, float, float]:
    """(level around a step, level at the end, what chance makes of their difference) of a curve of at least three points."""
    chance = SIGMAS * error_of_difference(noise(curve.values), FOR_A_LEVEL)
    return at(curve, step), median(curve.values[-FOR_A_LEVEL:]), chance


def entropy(run: TrainingRun) -> tuple[Curve, np.ndarray] | None:
    """The entropy of a policy with discrete actions, in nats, and the curve that shows it; None if it is not known.

    Stable-Baselines3 logs its negative, the "entropy loss". That of continuous actions may be negative, and has no 0.
    """
    for signal, sign in (("policy entropy", 1.0), ("entropy loss", -1.0), ("token entropy", 1.0)):
        curve = run.signal(signal)
        if curve is not None and len(curve.finite) >= FOR_A_LEVEL:
            values = sign * curve.finite.values
            return (curve.finite, values) if values.min() >= 0 else None
    return None


def updates_as_cause(run: TrainingRun, last: int) -> Cause:
    """Updates that are too large as a cause of what began at the step `last`, with the evidence of the KL divergence."""
    update = _largest_update(run, last)
    if update is None:
        return Cause("large-updates")
    curve, step, value = update
    said = f"The largest approximate KL divergence of an update was {number(value)} ({place(curve.axis, step)})"
    if value > LARGE_UPDATE:
        return Cause("large-updates", f"{said}; in sound runs it stays below {LARGE_UPDATE:g}.")
    return Cause("large-updates", "", f"{said}, which is usual.")


def _largest_update(run: TrainingRun, last: int) -> tuple[Curve, int, float] | None:
    """(curve, step, value) of the largest approximate KL divergence of an update up to a step; None if none was logged."""
    curve = run.signal("policy kl")
    if curve is None:
        return None
    inside = curve.finite.where(curve.finite.steps <= last)
    if not len(inside):
        return None
    at = int(np.argmax(inside.values))
    return curve, int(inside.steps[at]), float(inside.values[at])
