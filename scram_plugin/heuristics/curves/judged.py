"""The curves that heuristics judge, or the reason why they cannot be judged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.shape import Shape
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Cause, Inconclusive, NotChecked, TooEarly
from scram_plugin.heuristics.words import number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

LOG_LOSS = 'writer.add_scalar("train/loss", loss, step)  # or, in Keras: model.fit(..., callbacks=[SCRAM(log_dir="logs/exp1")])'
LOG_VALIDATION = "model.fit(..., validation_data=(x_val, y_val))  # or validation_split=0.1; else log it as val/loss"
# Learning rates that most trainings use, from fine-tuning to SGD: of them nobody can tell by the number whether they fit.
USUAL = (1e-5, 0.02)
ALL_LEARNED = 0.98  # an accuracy from which on little is left to learn
OUT_OF_LINE = 3.0  # times the noise of a curve by which a point is apart from its neighbours (the three-sigma rule)
SPENT = 0.01  # of the highest learning rate: below that for half of a training, hardly anything is learned
WHY_NOT = {
    "adversarial": "the losses of a generator and its opponent push against each other, so their level does not tell whether "
    "the training goes well",
    "beside": "another model is trained beside this one with a loss of its own, as a generator and its opponent are; neither "
    "loss tells by its level whether the training goes well",
    "reinforcement": "the losses of reinforcement learning do not tell how good the policy is; the return does",
}


def loss(run: TrainingRun, side: str = "training", least: int = 0) -> Curve:
    """The finite points of the training or validation loss.

    Raises NotChecked where there is none, Inconclusive where its level means nothing, TooEarly below `least` points.
    """
    if run.kind is not None:
        raise Inconclusive(WHY_NOT[run.kind])
    curve = run.signal(f"{side} loss")
    if curve is None:
        if side == "validation":
            raise NotChecked("no validation loss was logged", LOG_VALIDATION)
        tags = [tag for tag in run.unknown_tags(4) if tag.isprintable()]
        known = f" under a name that is known (it has {', '.join(tags[:3])}{', …' * (len(tags) > 3)})" if tags else ""
        name_it = (
            f'\n# or say in scram.toml which it is:\n# [signals]\n# "training loss" = {json.dumps(tags[0])}' if tags else ""
        )
        raise NotChecked(f"no training loss was logged{known}", LOG_LOSS + name_it)
    if len(curve.finite) < least <= len(curve):
        raise Inconclusive(f"only {len(curve.finite)} of {len(curve)} values of the {side} loss are finite")
    return enough(curve.finite, least, f"{side} loss")


def enough(curve: Curve, least: int, name: str) -> Curve:
    """`curve`, if it has at least `least` points. Raises TooEarly."""
    if len(curve) < least:
        unit = "epochs" if curve.axis == "epoch" else "points"
        raise TooEarly(f"it needs at least {least} {unit} of the {name}, there are {len(curve)}")
    return curve


def level(values: np.ndarray, part: float, end: bool = False) -> float:
    """The median of the first (or last) `part` of some values, at least three of them."""
    count = max(3, round(len(values) * part))
    return median(values[-count:] if end else values[:count])


def at(curve: Curve, step: int) -> float:
    """The level of a curve around a step: the median of the three points nearest to it."""
    nearest = np.argsort(np.abs(curve.steps - step), kind="stable")[:3]
    return median(curve.values[nearest])


def as_told(curve: Curve, first: int, last: int) -> tuple[float, float, str]:
    """The values of a curve at two steps as logged, which the reader finds in it, and no word.

    Where single points would tell the other way round, or of less than half or more than twice as much: the levels around them,
    and "about ".
    """
    near = [int(np.argmin(np.abs(curve.steps - step))) for step in (first, last)]
    then, now = (float(curve.values[i]) for i in near)
    levels = at(curve, first), at(curve, last)
    went = levels[1] - levels[0]
    alike = went * went / 2 <= (now - then) * went <= 2 * went * went and (went != 0 or now == then)
    return (then, now, "") if alike else (*levels, "about ")


def together(validation: Curve, training: Curve) -> Curve:
    """`validation` as far as the training curve goes, by steps or by time, and a usual gap in either beyond it.

    Neither is empty. One file may lag behind while a training runs, and may be cut off.
    """
    if validation.steps[-1] <= training.steps[-1]:
        return validation  # as a rule; of millions of points the gaps take time
    known = np.zeros(len(validation), bool)
    for ours, theirs in ((validation.steps, training.steps), (validation.wall_times, training.wall_times)):
        # most gaps, for there may be a pause in one
        gap = max(np.quantile(np.diff(times), 0.9) if len(times) > 1 else 0.0 for times in (ours, theirs))
        known |= ours <= theirs[-1] + gap
    return validation.where(known)


def lowest_point(curve: Curve, form: Shape) -> int:
    """The position of the lowest point, which the reader finds in the curve, if the level around it is the best, too.

    Else, since that one is out of line, of the lowest near the best level of the shape.
    """
    lowest = int(np.argmin(curve.values))
    if (
        lowest <= (form.best + len(curve)) // 2
        and at(curve, int(curve.steps[lowest])) <= form.lowest + OUT_OF_LINE * form.noise
    ):
        return lowest
    half = max(form.block, len(curve) // 40, 2)
    low = max(form.best - half, 0)
    return low + int(np.argmin(curve.values[low : form.best + half + 1]))


def last_value(curve: Curve, form: Shape) -> float:
    """The last value as logged, or the median of the last three where it is out of line."""
    usual, last = median(curve.values[-3:]), float(curve.values[-1])
    # in line: near the other two, or further on the way on which they are
    near = abs(last - usual) <= OUT_OF_LINE * form.noise
    return last if near or np.ptp(curve.values[-3:]) == abs(last - curve.values[-3]) else usual


def final_accuracies(run: TrainingRun) -> dict[str, Any]:
    """`train_accuracy` and `val_accuracy` at the end, as far as both were logged."""
    training, validation = (run.signal(f"{side} accuracy") for side in ("training", "validation"))
    if training is None or validation is None or not len(training.finite) or not len(validation.finite):
        return {}
    shared = together(validation.finite, training.finite)
    if not len(shared):
        return {}
    return {"train_accuracy": float(training.finite.values[-1]), "val_accuracy": float(shared.values[-1])}


def reached(run: TrainingRun) -> tuple[float, float] | None:
    """(the accuracy at the end, how far it rose since its first point) of the training, or else the validation, data."""
    curve = run.signal("training accuracy") or run.signal("validation accuracy")
    if curve is None or len(curve.finite) < 3:
        return None
    end = level(curve.finite.values, 0.2, end=True)
    return end, end - float(curve.finite.values[0])


def all_learned(run: TrainingRun) -> bool:
    """Whether an accuracy is so high that little is left to learn."""
    known = reached(run)
    return known is not None and ALL_LEARNED <= known[0] <= 1.0


def stretches(curve: Curve, most: int, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Means over at most `most` parts of equal length, of at least `least` points each, and the steps at which they begin.

    What is left over is at the start, where it matters least.
    """
    block = max(-(-len(curve) // most), least)
    whole = len(curve) // block * block
    return curve.values[-whole:].reshape(-1, block).mean(axis=1), curve.steps[-whole::block]


def chance_level(value: float) -> int | None:
    """The number of classes for which this is the cross-entropy of guessing, ln(classes), within 2 %; None if of none."""
    if not 0.6 < value < 7.0:
        return None
    classes = round(math.exp(value))
    return classes if abs(value - math.log(classes)) < 0.02 * math.log(classes) else None


def highest_rate(run: TrainingRun) -> float | None:
    """The highest learning rate that is known: logged, or as the optimiser was made."""
    curve = run.signal("learning rate")
    logged = curve.finite.values.max() if curve is not None and len(curve.finite) else None
    made = run.facts.get("optimizer", {}).get("learning_rate")
    known = [float(v) for v in (logged, made) if isinstance(v, int | float) and math.isfinite(v)]
    return max(known, default=None)


def rate_as_cause(run: TrainingRun, edit: Edit | None = None) -> Cause:
    """The learning rate as a cause, with what its value says for or against it."""
    rate = highest_rate(run)
    if rate is None:
        return Cause("learning-rate", edit=edit)
    said = f"The highest learning rate was {number(rate)}"
    logged = run.signal("learning rate")
    if logged is not None and len(logged.finite) > 3:
        late = float(logged.finite.values[len(logged.finite) // 2 :].max())
        if late < SPENT * logged.finite.values.max():
            return Cause("learning-rate", f"{said}; in the later half of the training it was {number(late)} at most.", "", edit)
    if USUAL[0] <= rate <= USUAL[1]:
        return Cause("learning-rate", "", f"{said}, which is usual.", edit)
    return Cause("learning-rate", f"{said}.", "", edit)
