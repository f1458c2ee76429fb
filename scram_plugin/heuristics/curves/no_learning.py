"""No learning: the training loss is at the end what it was at the start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.judged import chance_level, enough, level, loss, rate_as_cause, reached
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.shape import SURE, shape_of
from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked, Option, TooEarly
from scram_plugin.heuristics.measured import RECURRENT, dead_units, guessing, known_layers, late, steps_of_kernels
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option("least", 10, "points of the training loss that are needed; a warm-up or a slow start takes a few"),
    Option(
        "batches",
        200,
        "losses of batches, or steps of the optimiser, that are needed where the log counts those: at first single batches "
        "swing by more than is learned",
    ),
    Option("min_gain", 0.02, "smallest improvement that counts as learning, as a fraction of the first loss"),
)
LEARNED = 0.05  # improvement of the training accuracy that shows learning, whatever the loss does
GOOD = 0.9  # an accuracy from which on there is little left to learn
GUESSED = (0.95, 1.1)  # times ln(1 / accuracy), the loss of guessing among so many classes, between which it is just that
BLOWN_UP = 3.0  # times the loss of guessing from which on the outputs are not merely uninformed but far too large
MOVING = (1e-4, 0.03)  # parts of their norm by which steps change weights that learn (Bottou, 2012: about 0.001)
PADDED = 0.5  # part of the inputs that are 0, from which on they are padding more than text
BY_STEPS = ("lightning", "hugging face")  # frameworks whose steps in a log are those of the optimiser
FALLEN = 1.1  # times the last loss: a first one above that was worse than guessing
CONSTANT = 1e-6  # of the loss: less than that is rounding in float32


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    batches = int(options["batches"])
    if run.facts and curve.axis == "batch":
        enough(curve, batches, "training loss")
    if run.framework in BY_STEPS and curve.axis == "step" and curve.steps[-1] + 1 < batches:
        raise TooEarly(f"it needs at least {batches} steps of the optimiser, there are {curve.steps[-1] + 1}")
    form, values = shape_of(curve), curve.values
    head, tail = level(values, 0.2), level(values, 0.2, end=True)
    gain = head - tail
    known = reached(run)
    if abs(tail) <= 1e-6:
        return  # nothing is left to learn
    if (by_heart := _by_heart(run, options)) is not None:
        yield by_heart
        return
    if not _guesses(tail, known):
        error = form.noise * np.sqrt(2 / max(3, round(0.2 * len(values))))  # of a difference of two such levels
        if gain > max(3 * error, options["min_gain"] * abs(head)) or tail - head > 6 * error:
            return  # it learned, or it got worse: that is divergence
        if values[0] - tail > max(6 * form.noise, 0.05 * abs(tail)):
            return  # it learned at once, before the second point
        if form.gain > max(6 * form.noise, 0.1 * abs(head)) and form.strength > SURE:
            return  # it had learned, and lost it again
        if known is not None and (known[1] > LEARNED * max(1.0, abs(known[0])) or GOOD < known[0] <= 1.0):
            return
    gap = median(np.diff(curve.steps))
    if curve.steps[0] > 3 * gap + 1:
        raise Inconclusive(
            f"the loss is level, but the record begins at {curve.axis} {curve.steps[0]:,}: it may have been learned before that"
        )
    accuracy = known[0] if known is not None else None
    classes = _classes(tail, accuracy)
    constant = float(np.ptp(values[1:])) <= CONSTANT * abs(tail)
    watched = run.signal("training accuracy") or run.signal("validation accuracy")
    fallen = values[0] > FALLEN * tail
    unit, first, last = curve.axis, int(curve.steps[0]), int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if classes or constant or (accuracy is not None and accuracy < 0.5) else "possible",
        title=f"Nothing was learned up to {place(unit, last)}",
        evidence={
            "first_loss": float(values[0]) if not fallen else None,
            "fallen_from": float(values[0]) if fallen else None,
            "last_loss": tail,
            "last_place": place(unit, last),
            "points": len(values),
            "classes": classes,
            "accuracy": accuracy,
            "accuracy_is_of": "That is the accuracy of guessing, too." if classes and accuracy is not None else None,
            "noise": form.noise,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([watched.source()] if watched is not None else [])],
        causes=_causes(run, tail, accuracy, classes, constant),
    )


def _by_heart(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """A validation loss that was never better than guessing by the classes' frequencies, while the training loss falls."""
    validation, training = run.signal("validation loss"), run.signal("training loss")
    guess = guessing(run)
    if validation is None or training is None or len(validation.finite) < options["least"] or guess is None:
        return None
    best, first, last = (float(v) for v in (validation.finite.values.min(), training.values[0], training.values[-1]))
    if guess.is_beaten_by(best) or not last < min((1 - options["min_gain"]) * first, guess.loss):
        return None  # it holds for both, or for neither
    accuracy, seen = run.signal("validation accuracy"), run.facts["data"].get("validation", {}).get("samples")
    if accuracy is not None and seen:
        chance = float(guess.shares.max())
        if float(np.mean(accuracy.finite.values)) > chance + 1.5 * math.sqrt(chance * (1 - chance) / seen):
            return None  # its answers are better than chance: it is only far too sure of them
    guessed = f"guessing by the frequencies of the {len(guess.shares)} classes costs {guess.loss:.4g}"
    said = f"No validation loss was below {best:.4g}; {guessed}."
    return Finding(
        severity="warning",
        confidence="likely",
        title="Nothing was learned that holds for the validation data",
        evidence={"by_heart": said, "last_loss": last, "first_training": first},
        first_step=int(validation.steps[0]),
        last_step=int(validation.steps[-1]),
        axis=validation.axis,
        curves=[validation.source(), training.source()],
        causes=[
            Cause("shuffled-apart", said),
            Cause("inputs"),
            Cause("learning-rate", "", rate_as_cause(run).against),
        ],
    )


def _guesses(tail: float, known: tuple[float, float] | None) -> bool:
    """Whether loss and accuracy are both those of guessing and the accuracy stayed so; the loss may have fallen to that."""
    if known is None:
        return False
    accuracy, rise = known
    if not 0 < accuracy <= 0.55 or rise > min(0.02, 0.3 * accuracy):
        return False
    return GUESSED[0] <= tail / -math.log(accuracy) <= GUESSED[1]


def _classes(tail: float, accuracy: float | None) -> int | None:
    """Among how many classes a model guesses that has this loss: not against the accuracy; without one, usual numbers only."""
    classes = chance_level(tail)
    if accuracy is None:
        return classes if classes in (2, 10, 100, 1000) else None
    return classes if classes and 0.6 < accuracy * classes < 1.5 else None


def _causes(run: TrainingRun, tail: float, accuracy: float | None, classes: int | None, constant: bool) -> list[Cause]:
    speed = rate_as_cause(run)
    guessing = f"{classes} classes give ln({classes}) when they are guessed; the loss is just that." if classes else ""
    inputs, frozen, labels, depth = Cause("inputs", guessing), Cause("frozen"), Cause("labels"), Cause("depth")
    if accuracy is not None and 0 < accuracy < 0.9 and tail > BLOWN_UP * max(-math.log(accuracy), 0.7):
        guess = f"Guessing with this accuracy costs about {number(-math.log(accuracy))}; the outputs are far too large."
        return [Cause("learning-rate", f"{speed.for_} {guess}".strip()), inputs, labels]
    if constant:
        return [
            Cause("frozen", "The loss is the same in every digit, so that nothing that is trained has an effect on it."),
            depth,
            labels,
        ]
    if classes and (padding := _padding(run)) is not None:
        return [padding, inputs, labels, speed]
    if classes and speed.against and _all_sound(run):
        said = "Rate, inputs, gradients and steps are as usual: what is left is that inputs and labels do not belong together."
        return [Cause("shuffled-apart", said), inputs, labels, depth]
    others = [inputs, depth, labels, frozen]
    if speed.against:
        return [*others[:3], speed, frozen]
    return [speed, *others] if speed.for_ or not classes else [inputs, speed, *others[1:]]


def _all_sound(run: TrainingRun) -> bool:
    """Whether by SCRAM's statistics the weights change as in a training that learns, and no layer is dead."""
    try:
        steps = steps_of_kernels(run)
    except NotChecked:
        return False
    alive = all(part < 0.5 for part in dead_units(run).values())
    return steps is not None and alive and MOVING[0] < late(steps) < MOVING[1]


def _padding(run: TrainingRun) -> Cause | None:
    """Sequences that are mostly zeros, and a recurrent layer that reads them all to the end."""
    zeros = run.statistic(schema.STATISTICS, "x0/zero")
    known = known_layers(run)
    recurrent = [layer for layer in known if layer.kind in RECURRENT]
    embeddings = [
        layer for layer in known if layer.kind == "Embedding" and not layer.facts.get("settings", {}).get("mask_zero")
    ]
    if zeros is None or not embeddings or not recurrent or np.median(zeros.values) < PADDED:
        return None
    said = f"{np.median(zeros.values):.0%} of the inputs are 0, and {recurrent[0].name} reads them like words."
    return Cause("padding", said, "", set_in_layers(run.facts, [embeddings[0].path], "mask_zero", "True"))


HEURISTIC = Heuristic(
    id="no-learning",
    group="curves",
    title_passed="It learned",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
)
