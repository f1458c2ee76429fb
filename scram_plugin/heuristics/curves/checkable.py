"""The curves that heuristics check, or the reason why they cannot be checked."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.noise import median, noise, sliding_medians
from scram_plugin.heuristics.curves.shape import Shape
from scram_plugin.heuristics.edits import Edit, scores_actions, speaks_of_rewards
from scram_plugin.heuristics.heuristic import Cause, Inconclusive, NotChecked, TooEarly, absent
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, MOSTLY, QUARTER, SIGMAS
from scram_plugin.heuristics.measured import without_loader
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.words import number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

LOG_LOSS = 'writer.add_scalar("train/loss", loss, step)  # or, in Keras: model.fit(..., callbacks=[SCRAM(log_dir="logs/exp1")])'
LOG_VALIDATION = "model.fit(..., validation_data=(x_val, y_val))  # or validation_split=0.1; otherwise, log it as val/loss"
# Learning rates that most trainings use, from fine-tuning (Devlin et al., 2019: 2e-5) to SGD (default of Keras: 0.01): the
# number alone does not show whether such a rate fits.
USUAL = (1e-5, 0.02)
ALL_LEARNED = 0.98  # accuracy: from this on nothing is left to learn; by bench-limits
ENOUGH_BATCHES = 200  # whose losses show more than those of a few epochs; by bench-limits
ASKED = ("evaluations", "unswitched")  # forward passes without gradients, in evaluation mode or in training mode
ENOUGH_TARGETS = 40  # batches whose targets were recorded: ten in each quarter; by definition
RISE_OF_RATE = 0.2  # of the highest learning rate: a rise that is none of a warm-up's steps; by bench-limits
SPENT = 0.01  # of the highest learning rate: a lower rate for half of a training teaches hardly anything; by bench-limits
USUAL_GAP = 0.9  # quantile of the gaps between points: a larger one may be a pause of the training; by bench-limits
PART_AROUND = 40  # parts of a curve: so near to the lowest level, on each side, lies the lowest point; by bench-limits
GUESSED_LOSS = (0.6, 7.0)  # cross-entropy of guessing among 2 to 1,000 classes, and a little more; by definition
OF_GUESSING = 0.02  # relative: so near to ln(classes) a loss is that of guessing; by bench-limits
SHOWN_TAGS = 3  # tags named in a sentence; by definition
WHY_NOT = {
    "adversarial": "the losses of a generator and a discriminator work against each other, so their level does not show "
    "whether the training goes well",
    "beside": "another model is trained together with this one, with its own loss, as in a GAN; the level of such a loss does "
    "not show whether the training goes well",
    "reinforcement": "the losses of reinforcement learning do not show how good the policy is; the return does",
}


def loss(run: TrainingRun, side: str = "training", least: int = 0) -> Curve:
    """The finite points of the training or validation loss.

    Raises NotChecked if there is none, Inconclusive if its level means nothing, TooEarly below `least` points.
    """
    if run.kind is not None:
        raise Inconclusive(WHY_NOT[run.kind])
    curve = run.signal(f"{side} loss")
    if curve is None:
        if side == "validation":
            raise NotChecked("no validation loss was logged", LOG_VALIDATION)
        tags = [tag for tag in run.unknown_tags(SHOWN_TAGS + 1) if tag.isprintable()]
        known = (
            f" under a name that SCRAM knows (the log has {', '.join(tags[:SHOWN_TAGS])}{', …' * (len(tags) > SHOWN_TAGS)})"
            if tags
            else ""
        )
        name_it = f'\n# or name the tag in scram.toml:\n# [signals]\n# "training loss" = {json.dumps(tags[0])}' if tags else ""
        raise NotChecked(f"no training loss was logged{known}", LOG_LOSS + name_it)
    if len(curve.finite) < least <= len(curve):
        raise Inconclusive(f"only {len(curve.finite)} of {len(curve)} values of the {side} loss are finite")
    return enough(curve.finite, least, f"{side} loss")


def loss_alone(run: TrainingRun, least: int) -> Curve:
    """The training loss, for a check that compares it with no other curve: of batches, where there are too few epochs."""
    if run.loop.get("optimizers", 1) > 1 and run.loop.get("ways", 1) > 1:
        raise Inconclusive(
            "several optimizers have a loss each, as in a GAN: the level of their sum does not show what was learned"
        )
    if _asks_between_steps(run):
        raise Inconclusive(
            "the program asks the model between its steps, as in reinforcement learning: then the level of the loss goes with "
            "the data that its answers bring"
        )
    if _is_of_policy(run):
        raise Inconclusive(WHY_NOT["reinforcement"])
    curve, batches = run.signal("training loss"), run.signal("batch loss")
    few = run.kind is None and curve is not None and curve.axis == "epoch" and len(curve.finite) < least
    return batches.finite if few and batches is not None and len(batches.finite) >= ENOUGH_BATCHES else loss(run, least=least)


def _is_of_policy(run: TrainingRun) -> bool:
    """Whether a loss is that of a policy: logarithms of probabilities, which rewards multiply, so that it is below 0 at times,
    as no cross-entropy is."""
    values = run.signal("batch loss")
    below = values is not None and len(values.finite) > 0 and float(values.finite.values.min()) < 0
    own = "Crossentropy" in loss_class(run) or (loss_class(run) == "None" and scores_actions(run.facts))
    return below and own and speaks_of_rewards(run.facts)


def refuse_warm_up(run: TrainingRun) -> None:
    """Raises TooEarly while the learning rate still rises from far below: a loss may be flat until then."""
    rate = run.signal("learning rate")
    values = rate.finite.values if rate is not None else np.array([])
    if len(values) >= FOR_A_LEVEL and values[-1] > 2 * values[0] and (np.diff(values[-FOR_A_LEVEL:]) > 0).all():
        raise TooEarly("the learning rate still rises, as in a warm-up")


def refuse_moving_targets(run: TrainingRun) -> None:
    """Raises Inconclusive if the targets of the last quarter of the training are others than those of the first one."""
    means = run.statistic(schema.BATCHES, column("y0", None, "mean"))
    if means is None or len(means.finite) < ENOUGH_TARGETS or not without_loader(run):
        return
    quarters = np.array_split(means.finite.values, QUARTER)
    if abs(median(quarters[-1]) - median(quarters[0])) > SIGMAS * max(noise(quarters[-1]), noise(quarters[0])):
        raise Inconclusive(
            "the targets change as the training goes on, as in reinforcement learning: the level of the loss goes with them"
        )


def _asks_between_steps(run: TrainingRun) -> bool:
    """Whether a program that makes its own batches also asks the model between most steps, as in reinforcement learning.

    Not one whose targets are always the same: it trains with all of its data, and evaluates in each step. Nor one that asks in
    evaluation mode, and in few places.
    """
    asked, steps = sum(run.loop.get(key, 0) for key in ASKED), run.loop.get("steps", 0)
    if 0 < len(run.loop.get("evaluated_at") or ()) < MOSTLY * steps:
        asked = run.loop.get("unswitched", 0)
    means = run.statistic(schema.BATCHES, column("y0", None, "mean"))
    same = means is not None and len(means.finite) > 0 and np.ptp(means.finite.values) == 0
    return without_loader(run) and asked >= MOSTLY * steps > 0 and not same


def enough(curve: Curve, least: int, name: str) -> Curve:
    """`curve`, if it has at least `least` points. Raises TooEarly."""
    if len(curve) < least:
        unit = "epochs" if curve.axis == "epoch" else "points"
        are = "is" if len(curve) == 1 else "are"
        raise TooEarly(f"it needs at least {least} {unit} of the {name}, there {are} {len(curve)}")
    return curve


def level(values: np.ndarray, part: float, end: bool = False) -> float:
    """The median of the first (or last) `part` of the values, at least three of them."""
    count = max(FOR_A_LEVEL, round(len(values) * part))
    return median(values[-count:] if end else values[:count])


def at(curve: Curve, step: int) -> float:
    """The level of a curve around a step: the median of the three points nearest to it."""
    nearest = np.argsort(np.abs(curve.steps - step), kind="stable")[:FOR_A_LEVEL]
    return median(curve.values[nearest])


def half_way(curve: Curve, first: float, now: float) -> int:
    """The step by which most of a change of level, from `first` to `now`, has come; of a curve of three points or more."""
    is_before = (sliding_medians(curve.values, FOR_A_LEVEL) > (first + now) / 2) != (now > first)
    return int(curve.steps[min(int(np.flatnonzero(is_before).max(initial=0)) + FOR_A_LEVEL, len(curve) - 1)])


def as_told(curve: Curve, first: int, last: int) -> tuple[float, float, str]:
    """The values of a curve at two steps, as logged, so that the reader finds them in the curve, and an empty string.

    If single points would show the opposite change, or less than half or more than twice of it: the levels around them, and
    "about ".
    """
    near = [int(np.argmin(np.abs(curve.steps - step))) for step in (first, last)]
    then, now = (float(curve.values[i]) for i in near)
    levels = at(curve, first), at(curve, last)
    went = levels[1] - levels[0]
    alike = went * went / 2 <= (now - then) * went <= 2 * went * went and (went != 0 or now == then)
    return (then, now, "") if alike else (*levels, "about ")


def together(validation: Curve, training: Curve) -> Curve:
    """`validation` up to the end of the training curve, by steps or by time, plus one usual gap of either.

    Neither is empty. One file may lag behind while a training runs, or may be cut off.
    """
    if validation.steps[-1] <= training.steps[-1]:
        return validation  # the usual case; computing the gaps of millions of points takes time
    known = np.zeros(len(validation), bool)
    for ours, theirs in ((validation.steps, training.steps), (validation.wall_times, training.wall_times)):
        # a quantile, since one gap may be a pause of the training
        gap = max(np.quantile(np.diff(times), USUAL_GAP) if len(times) > 1 else 0.0 for times in (ours, theirs))
        known |= ours <= theirs[-1] + gap
    return validation.where(known)


def lowest_point(curve: Curve, form: Shape) -> int:
    """The position of the lowest point, which the reader finds in the curve, if the level around it is also the lowest.

    Otherwise that point is an outlier: then the position of the lowest point near the lowest level of the shape.
    """
    lowest = int(np.argmin(curve.values))
    if lowest <= (form.best + len(curve)) // 2 and at(curve, int(curve.steps[lowest])) <= form.lowest + SIGMAS * form.noise:
        return lowest
    half = max(form.block, len(curve) // PART_AROUND, 2)
    low = max(form.best - half, 0)
    return low + int(np.argmin(curve.values[low : form.best + half + 1]))


def last_value(curve: Curve, form: Shape) -> float:
    """The last value as logged, or the median of the last three if it is an outlier."""
    usual, last = median(curve.values[-FOR_A_LEVEL:]), float(curve.values[-1])
    # no outlier: near the other two, or further in the direction in which they go
    near = abs(last - usual) <= SIGMAS * form.noise
    return last if near or np.ptp(curve.values[-FOR_A_LEVEL:]) == abs(last - curve.values[-FOR_A_LEVEL]) else usual


def final_accuracies(run: TrainingRun) -> dict[str, Any]:
    """`train_accuracy` and `val_accuracy` at the end, if both were logged."""
    training, validation = (run.signal(f"{side} accuracy") for side in ("training", "validation"))
    if training is None or validation is None or not len(training.finite) or not len(validation.finite):
        return absent("train_accuracy", "val_accuracy")
    shared = together(validation.finite, training.finite)
    if not len(shared):
        return absent("train_accuracy", "val_accuracy")
    return {"train_accuracy": float(training.finite.values[-1]), "val_accuracy": float(shared.values[-1])}


def reached(run: TrainingRun) -> tuple[float, float] | None:
    """(accuracy at the end, its rise since the first point) on the training data, or else on the validation data."""
    curve = run.signal("training accuracy") or run.signal("validation accuracy")
    if curve is None or not len(curve.finite):
        return None
    end = level(curve.finite.values, ENDS, end=True)
    return end, end - float(curve.finite.values[0])


def all_learned(run: TrainingRun) -> bool:
    """Whether the accuracy is so high that little is left to learn."""
    known = reached(run)
    if known is None or not ALL_LEARNED <= known[0] <= 1.0:
        return False
    run.measured("accuracy at the end", known[0], below=ALL_LEARNED, percent=True)
    return True


def stretches(curve: Curve, most: int, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Means over at most `most` parts of equal length, of at least `least` points each, and the steps at which they begin.

    Points that do not fill a part are dropped at the start, where they matter least.
    """
    block = max(-(-len(curve) // most), least)
    whole = len(curve) // block * block
    return curve.values[-whole:].reshape(-1, block).mean(axis=1), curve.steps[-whole::block]


def chance_level(value: float) -> int | None:
    """The number of classes for which this is the cross-entropy of guessing, ln(classes), within 2 %; None if there is none."""
    if not GUESSED_LOSS[0] < value < GUESSED_LOSS[1]:
        return None
    classes = round(math.exp(value))
    return classes if abs(value - math.log(classes)) < OF_GUESSING * math.log(classes) else None


def highest_rate(run: TrainingRun) -> float | None:
    """The highest known learning rate: logged, or given to the optimizer, or else that of the settings."""
    curve = run.signal("learning rate")
    logged = curve.finite.values.max() if curve is not None and len(curve.finite) else None
    made = run.facts.get("optimizer", {}).get("learning_rate")
    known = [float(v) for v in (logged, made) if isinstance(v, int | float) and math.isfinite(v)]
    return max(known, default=None if (given := run.settings.get("learning rate")) is None else float(given.value or 0.0))


def rises_of_rate(run: TrainingRun) -> int:
    """How often the logged learning rate rises by much from one point to the next, as in a schedule that starts again."""
    rate = run.signal("learning rate")
    values = rate.finite.values if rate is not None else np.array([])
    return int(np.count_nonzero(np.diff(values) > RISE_OF_RATE * np.max(values, initial=0.0)))


def rate_as_cause(run: TrainingRun, edit: Edit | None = None) -> Cause:
    """The learning rate as a cause, with the evidence of its value for or against it."""
    rate = highest_rate(run)
    if rate is None:
        return Cause("learning-rate", edit=edit)
    said = f"The highest learning rate was {number(rate)}"
    logged, given = run.signal("learning rate"), run.settings.get("learning rate")
    if given is not None and given.value == rate:
        said = f"{said} ({given.key}, {given.source})"
    if logged is not None and len(logged.finite) > FOR_A_LEVEL:
        late = float(logged.finite.values[len(logged.finite) // 2 :].max())
        if late < SPENT * logged.finite.values.max():
            return Cause("learning-rate", f"{said}; in the second half of the training, at most {number(late)}.", "", edit)
    if USUAL[0] <= rate <= USUAL[1]:
        return Cause("learning-rate", "", f"{said}, which is usual.", edit)
    return Cause("learning-rate", f"{said}.", "", edit)
