"""Whether the recorded evidence allows that one finding brought about another: by when, where, and how large.

What a heuristic `explains` is what it can bring about at all. Where evidence is missing, as in logs of others, that decides.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from scram_plugin.heuristics.heuristic import INPUTS, LOSS, OUTPUTS, TARGETS, Finding, Heuristic
from scram_plugin.heuristics.measured import heads, known_layers
from scram_plugin.heuristics.origin import Origin, origin_of
from scram_plugin.heuristics.overflow import LARGEST_EXPONENT, LARGEST_EXPONENT_OF_HALF, before, exponential, is_half
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.training_run import TrainingRun

NONFINITE_LOSS, NONFINITE_ORIGIN, LOSS_SCALE = "nonfinite-loss", "nonfinite-origin", "loss-scale-collapse"
STANDING = ("data", "model", "preflight")  # groups whose findings hold from the first step on, unless they name a bad one
# orders of magnitude between 1 and the largest number of a format (IEEE 754: 3.4e38, 65,504)
DECADES, DECADES_OF_HALF = 38.5, 4.8
SPREAD = 10.0  # times the usual size that the largest of many values may have; by definition
OWN_PART = 0.5  # of the decades that are needed: less makes a finding one of several reasons, not the reason; by definition
# Optimizers that divide each step by the size of the gradients, so that no gradient makes it large (Kingma & Ba, 2015, 2.1).
BOUNDED = ("Adam", "AdamW", "Nadam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Lion", "Lamb", "Adafactor", "RAdam", "NAdam")
UNSTABLE = 2.0  # learning rate times curvature: from there on each step of SGD is longer (LeCun et al., 1998, section 4.2)


def since(curve: Curve, holds: np.ndarray) -> int:
    """The first step from which on a condition holds in all points of a curve; its last step if there is none."""
    ends = np.flatnonzero(~holds)
    return int(curve.steps[min(int(ends[-1]) + 1, len(curve) - 1) if len(ends) else 0])


class Evidence:
    """What a training run and its findings say of which finding can have brought about which."""

    def __init__(self, run: TrainingRun | None) -> None:
        self._run = run
        self.origin = origin_of(run) if run is not None else None
        self._earlier: dict[tuple[CurveName, int], int | None] = {}

    def allows(self, cause: Finding, of: Heuristic, symptom: Finding, shown: Heuristic) -> bool:
        """Whether `cause`, a finding of the heuristic `of`, can have brought about `symptom`, one of the heuristic `shown`."""
        if cause.brings is not None and {symptom.heuristic, *shown.families}.isdisjoint(cause.brings):
            return False
        if not self.in_time(cause, of, symptom, shown):
            return False
        if "non-finite" in shown.families and "non-finite" not in of.families and symptom.heuristic != LOSS_SCALE:
            return self._makes_nonfinite(cause, symptom)
        return cause.times is None or symptom.times is None or cause.times * SPREAD >= symptom.times

    def began(self, finding: Finding, of: Heuristic) -> tuple[str, int]:
        """When a finding began at the earliest: (axis, step); the axis is "" for what holds from the first step on.

        A loss that is not finite began where the first such value appeared. What is first seen at a point of a curve began
        after the point before.
        """
        if of.group in STANDING and finding.bad_step is None:
            return "", 0
        first, origin = finding.first_step, self.origin
        if finding.heuristic == NONFINITE_LOSS and finding.axis == "batch" and origin is not None and origin.step is not None:
            return finding.axis, min(first, origin.step)
        before = self._before_first(finding.curves[0], first)
        return finding.axis, first if before is None else before + 1

    def _before_first(self, name: CurveName, first: int) -> int | None:
        """The last step of a curve before this one; None if there is none."""
        if self._run is None:
            return None
        if (name, first) not in self._earlier:
            curve = self._run.curve(name.tensorboard_run, name.tag)
            at = int(np.searchsorted(curve.steps, first)) if curve is not None else 0
            self._earlier[name, first] = None if curve is None or not at else int(curve.steps[at - 1])
        return self._earlier[name, first]

    def batch(self, axis: str, step: int, last: bool = False) -> int | None:
        """The first batch (or the last one) of a step of another axis; None if it is not known which that is."""
        if axis == "batch" or not axis:
            return step
        if axis != "epoch" or self._epochs is None:
            return None
        batches, numbers = self._epochs
        inside = batches[numbers <= step] if last else batches[numbers >= step]
        return None if not len(inside) else int(inside[-1] if last else inside[0])

    @cached_property
    def _epochs(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Batches, and the epoch of each."""
        curve = self._run.signal("epoch") if self._run is not None else None
        return None if curve is None or curve.axis != "batch" or not len(curve) else (curve.steps, curve.values)

    def in_time(self, cause: Finding, of: Heuristic, symptom: Finding, shown: Heuristic) -> bool:
        """Whether the cause began no later. Steps on axes that cannot be compared decide nothing."""
        if (cause.heuristic, symptom.heuristic) == (NONFINITE_LOSS, NONFINITE_ORIGIN):
            return True  # one event, and the place where it began
        if shown.group == "preflight":
            return True  # it tests the model apart from the training
        axis, step = self.began(cause, of)
        if not axis:
            first = symptom.axis == "batch" and symptom.latest == 0 and shown.group not in STANDING
            # what the first step computes, no update has changed yet; what is not finite has rules of its own
            unchanged = "signal-flow" in shown.families and not cause.at_once
            return not (first and unchanged)
        if axis == symptom.axis:
            return step <= symptom.latest
        begins, ends = self.batch(axis, step), self.batch(symptom.axis, symptom.latest, last=True)
        if begins is None or ends is None or "batch" not in (axis, symptom.axis):
            return True
        return begins <= ends

    def _makes_nonfinite(self, cause: Finding, symptom: Finding) -> bool:
        origin = self.origin
        if origin is None or (last := self.batch(symptom.axis, symptom.latest, last=True)) is None:
            origin = Origin(symptom.latest if symptom.axis == "batch" else None)
        elif origin.step is not None and origin.step > last:  # a metric that was not finite before: another event
            origin = Origin(None)
        at_once = cause.at_once and self._overflows(cause, origin)
        return at_once or (cause.by_updates and self._runs_away(cause, origin))

    def _overflows(self, cause: Finding, origin: Origin) -> bool:
        """Whether the cause lies before the origin in the same step, and its size is enough for an overflow."""
        if origin.kind and cause.where and not any(self._before(place, origin) for place in cause.where):
            return False
        if cause.times is None:
            return True
        if math.isinf(cause.times):
            return True
        squared = 2 if origin.kind in ("loss", "backward", "weights") else 1  # errors and gradients multiply two of them
        decades = squared * math.log10(max(cause.times, 1.0))
        needed = self._needed(origin)
        return decades >= OWN_PART * needed and decades + self._others(cause, origin) + math.log10(SPREAD) >= needed

    def _needed(self, origin: Origin) -> float:
        """The decades above 1 from which on a value in the first place that was not finite is too large for a number."""
        half = self._run is not None and is_half(self._run)
        if self._run is not None and origin.kind == "layer" and exponential(before(self._run, origin)):
            return math.log10(LARGEST_EXPONENT_OF_HALF if half else LARGEST_EXPONENT)
        return DECADES_OF_HALF if half else DECADES

    def _others(self, cause: Finding, origin: Origin) -> float:
        """By how many decades the initial weights of other layers before the origin make values larger."""
        if origin.kind != "layer" or self._run is None:
            return 0.0
        others = [layer for layer in before(self._run, origin) if layer.path not in cause.where]
        return sum(math.log10(max(layer.initial_scale or 1.0, 1.0)) for layer in others)

    def _runs_away(self, cause: Finding, origin: Origin) -> bool:
        """Whether updates were made before, and each can have made the next one larger."""
        if origin.kind in ("data", "initial"):
            return False
        if not cause.at_once:
            return origin.step is None or origin.step > 0 or origin.kind == "weights"
        if origin.step is not None and origin.step == 0:
            return False
        optimizer = (self._run.facts.get("optimizer") or {}) if self._run is not None else {}
        rate: Any = optimizer.get("learning_rate")
        if optimizer.get("class") in BOUNDED:
            return False
        return cause.times is None or not isinstance(rate, int | float) or rate * cause.times**2 > UNSTABLE

    def _before(self, place: str, origin: Origin) -> bool:
        """Whether a place in the model lies before the origin, in the order in which a step computes."""
        behind = origin.kind in ("loss", "backward", "weights")
        if origin.kind in ("data", "initial"):
            return place in origin.where
        if place == INPUTS:
            return True
        if place in (TARGETS, LOSS):
            return behind
        if place == OUTPUTS:
            known = known_layers(self._run) if self._run is not None else []
            return behind or not set(origin.where).isdisjoint({*heads(known), OUTPUTS})
        return behind or (self._run is not None and any(layer.path == place for layer in before(self._run, origin)))
