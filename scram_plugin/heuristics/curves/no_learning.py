"""No learning: the training loss is the same at the end as at the start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.agreement import OTHER_ORDER, apart, in_other_order
from scram_plugin.heuristics.curves.by_heart import FOR_A_FALL, by_heart
from scram_plugin.heuristics.curves.checkable import (
    enough,
    level,
    loss_alone,
    rate_as_cause,
    reached,
    refuse_warm_up,
)
from scram_plugin.heuristics.curves.guesses import (
    as_guessed,
    classes_of,
    hardly_learned,
    is_of_guessing,
)
from scram_plugin.heuristics.curves.metrics import Score, never_learned
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.of_outputs import idle_output
from scram_plugin.heuristics.curves.progress import improves_since
from scram_plugin.heuristics.curves.shape import SURE, Shape, shape_of
from scram_plugin.heuristics.edits import order_targets, set_in_layers
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    Cause,
    Finding,
    Heuristic,
    Inconclusive,
    NotChecked,
    Option,
    TooEarly,
    absent,
)
from scram_plugin.heuristics.limits import ACCURATE, ENDS, FOR_A_LEVEL, ROUNDED, SIGMAS, USUAL_RANGE
from scram_plugin.heuristics.measured import (
    RECURRENT,
    dead_units,
    inputs_of,
    known_layers,
    late,
    steps_of_kernels,
)
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, one_line, percent, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

OPTIONS = (
    Option(
        "least",
        10,
        "points of the training loss that are needed; a warm-up or a slow start takes a few of them",
        CALIBRATED,
    ),
    Option(
        "batches",
        200,
        (
            "batch losses, or optimizer steps, that are needed if the log counts those: in the first ones the noise of "
            "single batches is larger than what is learned"
        ),
        CALIBRATED,
    ),
    Option(
        "min_gain",
        0.02,
        "smallest improvement that counts as learning, as a fraction of the first loss",
        CALIBRATED,
    ),
)
RISEN_ACCURACY = 0.05  # rise of the training accuracy that shows learning, whatever the loss does; by bench-limits
AS_GUESSED = 1.03  # times the loss of guessing: larger steps than are good make the loss worse than that; by bench-limits
BLOWN_UP = 3.0  # times the loss of guessing: then the outputs are not only uninformed but far too large; by bench-limits
STILL = 0.1  # of the weights' norm: all updates together are no larger, were they all in one direction; by definition
LEAST_MOVE = 1e-5  # of the norm in a step: smaller updates are those of gradients that vanish; by bench-limits
MOVING = (1e-4, 0.03)  # updates of weights that learn, as a fraction of their norm (Bottou, 2012: about 0.001)
UNCHANGED = 1e-4  # of the loss: means over epochs that learn anything differ by more; by bench-limits
EXACT = 4  # points of a loss that does not change; by definition: any learning would show
PADDED = 0.5  # share of zeros in the inputs: above that they are more padding than text; by definition
BY_STEPS = ("lightning", "hugging face")  # frameworks that log optimizer steps
WORSE_THAN_GUESSING = 1.1  # times the last loss: a higher first loss was worse than guessing; by bench-limits
FIRST_FALL = 0.05  # of the last level: a fall before the second point that counts; by bench-limits
LOST_AGAIN = 0.1  # of the first level: a fall in between that counts; by bench-limits
BEGINS_LATE = 3  # usual gaps between points: a log that begins later may have missed the learning; by bench-limits
RISE_OF_VALIDATION = 0.2  # of the lowest validation loss: a rise by more is none of chance; by bench-labelled
POOR = 0.5  # accuracy: below that nothing was learned for sure; by bench-limits
LEAST_GUESS = 0.7  # cross-entropy of guessing between two classes, ln 2 = 0.69; by definition
MOST_SPREAD = 10.0  # standard deviation of inputs of a usual size, at most; by definition
HALF_DEAD = 0.5  # share of dead units of a sound layer, at most; by bench-limits


@dataclass(frozen=True)
class Ends:
    """The two ends of a training loss: levels, the noise, and the accuracy with its rise, if one was logged."""

    form: Shape
    values: np.ndarray
    head: float
    tail: float
    known: tuple[float, float] | None

    @property
    def error(self) -> float:
        """The standard error of the difference of the two levels."""
        return self.form.noise * float(np.sqrt(2 / max(FOR_A_LEVEL, round(ENDS * len(self.values)))))


def _least_fall(ends: Ends, options: Mapping[str, Any]) -> float:
    return float(max(SIGMAS * ends.error, options["min_gain"] * abs(ends.head)))


def _fell(ends: Ends, options: Mapping[str, Any]) -> bool:
    return bool(ends.head - ends.tail > _least_fall(ends, options))


def _rose(ends: Ends, options: Mapping[str, Any]) -> bool:
    return ends.tail - ends.head > 2 * SIGMAS * ends.error


def _fell_at_once(ends: Ends, options: Mapping[str, Any]) -> bool:
    return bool(ends.values[0] - ends.tail > max(SIGMAS * ends.form.noise, FIRST_FALL * abs(ends.tail)))


def _fell_and_rose(ends: Ends, options: Mapping[str, Any]) -> bool:
    enough = max(2 * SIGMAS * ends.form.noise, LOST_AGAIN * abs(ends.head))
    return ends.form.gain > enough and ends.form.strength > SURE


def _is_accurate(ends: Ends, options: Mapping[str, Any]) -> bool:
    if ends.known is None:
        return False
    accuracy, rise = ends.known
    return rise > RISEN_ACCURACY * max(1.0, abs(accuracy)) or ACCURATE < accuracy <= 1.0


# what says that a training whose loss is not that of guessing has learned, or has another fault
LEARNED = {
    "the loss fell by more than its noise": _fell,
    "the loss rose: that is divergence": _rose,
    "the loss fell before the second point": _fell_at_once,
    "the loss had fallen, and rose again": _fell_and_rose,
    "the accuracy rose, or is high": _is_accurate,
}


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if run.kind is None and (found := by_heart(run, options) or idle_output(run, options)) is not None:
        yield found
        return
    curve = loss_alone(run, EXACT if _is_constant(run) else int(options["least"]))
    batches = int(options["batches"])
    if run.facts and curve.axis == "batch":
        short = len(curve) < batches and run.ended == "finished"
        over = short and as_guessed(run, curve.values, reached(run))[0]
        enough(curve, min(batches, FOR_A_FALL) if over else batches, "training loss")
    if run.framework in BY_STEPS and curve.axis == "step" and curve.steps[-1] + 1 < batches:
        raise TooEarly(f"it needs at least {batches} optimizer steps, there are {curve.steps[-1] + 1}")
    form, values, known = shape_of(curve), curve.values, reached(run)
    ends = Ends(form, values, level(values, ENDS), level(values, ENDS, end=True), known)
    tail = ends.tail
    if abs(tail) <= ROUNDED:
        run.measured("training loss at the end, in magnitude", abs(tail), above=ROUNDED, curve=curve)
        return
    if (unrelated := apart(run)) and _rose(ends, options):
        return
    guessed, cost = as_guessed(run, values, known) if not unrelated else (unrelated, 0.0)
    guessed = guessed or in_other_order(run, tail)
    learned = not guessed and not is_of_guessing(tail, known)
    if learned and (any(says(ends, options) for says in LEARNED.values()) or improves_since(run, int(curve.steps[0]))):
        if (score := never_learned(run)) is not None:
            yield _by_metric(run, score, curve)
            return
        if not (guessed := hardly_learned(run, values)):
            if ends.head and _fell(ends, options):
                fall, least = (ends.head - tail) / abs(ends.head), _least_fall(ends, options) / abs(ends.head)
                run.measured("fall of the training loss from start to end", fall, below=least, percent=True, curve=curve)
            return
    refuse_warm_up(run)
    others = run.signal("validation loss")
    if not guessed and others is not None and _rises(others.finite.values):
        raise Inconclusive("the loss is flat, but that of the validation rises, which takes learning")
    if values.min() < 0 < values.max():
        raise Inconclusive(
            "the loss is above and below zero, as with policy gradients or a critic: its level does not show what was learned"
        )
    gap = median(np.diff(curve.steps))
    if curve.steps[0] > BEGINS_LATE * gap + 1 and not guessed:
        raise Inconclusive(
            f"the loss is flat, but the log begins at {curve.axis} {curve.steps[0]:,}: the model may have learned before that"
        )
    accuracy = known[0] if known is not None else None
    classes = classes_of(tail, accuracy)
    constant = float(np.ptp(values[1:])) <= ROUNDED * abs(tail)
    watched = run.signal("training accuracy") or run.signal("validation accuracy")
    fallen = values[0] > WORSE_THAN_GUESSING * tail
    unit, first, last = curve.axis, int(curve.steps[0]), int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if guessed or classes or constant or (accuracy is not None and accuracy < POOR) else "possible",
        title=f"Nothing was learned up to {place(unit, last)}",
        evidence={
            "first_loss": float(values[0]) if not fallen else None,
            "fallen_from": float(values[0]) if fallen else None,
            "last_loss": tail,
            "last_place": place(unit, last),
            "points": len(values),
            "classes": classes if not guessed else None,
            "guessed": guessed or None,
            "accuracy": accuracy,
            "accuracy_is_of": "Guessing gives this accuracy, too." if classes and accuracy is not None else None,
            "noise": form.noise,
            **absent("by_heart", "first_training", "metric"),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([watched.source()] if watched is not None else [])],
        causes=_causes(run, tail, accuracy, classes, constant, guessed, bool(guessed) and tail <= AS_GUESSED * cost),
        since=int(curve.steps[min(form.best + 1, len(curve) - 1)]),  # what had been learned up to there was lost again
    )


def _rises(values: np.ndarray) -> bool:
    return len(values) > FOR_A_LEVEL and bool(median(values[-FOR_A_LEVEL:]) > (1 + RISE_OF_VALIDATION) * values.min() > 0)


def _is_constant(run: TrainingRun) -> bool:
    """Whether the loss does not change at all: then a few points are enough."""
    curve = run.signal("training loss")
    values = curve.finite.values if curve is not None else np.array([])
    return len(values) >= EXACT and bool(abs(values[0]) > ROUNDED and np.ptp(values) <= UNCHANGED * abs(values[0]))


def _by_metric(run: TrainingRun, score: Score, loss: Curve) -> Finding:
    """A metric that stayed as poor as it was, while the loss fell to one level and no further."""
    found, unit = score.curve, score.curve.axis
    low, high = (number(float(v)) for v in np.quantile(found.values[1:], USUAL_RANGE))
    stayed = f"mostly between {low} and {high}" if low != high else f"at {low}"
    said = f"{one_line(found.tag)} was {number(float(found.values[0]))} at first, and then stayed {stayed}."
    return Finding(
        severity="warning",
        confidence="likely",
        title=f"Nothing was learned up to {place(unit, int(found.steps[-1]))}",
        evidence={
            "metric": said,
            "last_loss": float(loss.values[-1]),
            "last_place": place(unit, int(found.steps[-1])),
            "points": len(loss),
            "fallen_from": float(loss.values[0]),
            **absent("by_heart", "first_training", "first_loss", "classes", "accuracy"),
            **absent("accuracy_is_of", "guessed"),
        },
        first_step=int(found.steps[0]),
        last_step=int(found.steps[-1]),
        axis=unit,
        curves=[found.source(), loss.source()],
        causes=[rate_as_cause(run), Cause("inputs"), Cause("labels"), Cause("depth")],
    )


def _causes(
    run: TrainingRun, tail: float, accuracy: float | None, classes: int | None, constant: bool, guessed: str, exact: bool
) -> list[Cause]:
    speed = rate_as_cause(run)
    guessed = guessed or (f"The loss is ln({classes}): that of guessing among {classes} classes." if classes else "")
    inputs, frozen, labels, depth = Cause("inputs", guessed), Cause("frozen"), Cause("labels"), Cause("depth")
    if (apart := order_targets(run.facts)) is not None:
        return [Cause("shuffled-apart", OTHER_ORDER, "", apart), inputs, labels, speed]
    if accuracy is not None and 0 < accuracy < ACCURATE and tail > BLOWN_UP * max(-math.log(accuracy), LEAST_GUESS):
        guess = f"Guessing at this accuracy costs about {number(-math.log(accuracy))}; the outputs are far too large."
        return [Cause("learning-rate", f"{speed.for_} {guess}".strip()), inputs, labels]
    if constant:
        return [
            Cause("frozen", "The loss stays the same to the last digit, so no weight that it depends on changes."),
            depth,
            labels,
        ]
    if guessed and (padding := _padding(run)) is not None:
        return [padding, inputs, labels, speed]
    if still := _hardly_moved(run):
        return [Cause("learning-rate", f"{speed.for_} {still}".strip()), inputs, labels, depth]
    if guessed and speed.against and _all_sound(run, MOVING[1]):
        said = "Learning rate and updates are usual, and no layer is dead. What remains: inputs paired with the wrong labels."
        return [Cause("shuffled-apart", said), inputs, labels, depth]
    if exact and _all_sound(run, math.inf):
        said = "The weights change, and no layer is dead. Too large steps would make the loss worse than guessing."
        return [Cause("shuffled-apart", said), inputs, labels, depth, speed]
    if speed.against and _all_sound(run, MOVING[1]) and _inputs_vary(run):
        said = "Inputs, learning rate and updates are usual, and no layer is dead. Are inputs paired with the wrong labels?"
        return [Cause("shuffled-apart", said), inputs, labels, depth]
    others = [inputs, depth, labels, frozen]
    if speed.against:
        return [inputs, depth, labels, speed, frozen]
    return [speed, *others] if speed.for_ or not guessed else [inputs, speed, *others[1:]]


def _all_sound(run: TrainingRun, most: float) -> bool:
    """Whether, by SCRAM's statistics, the weights change as in a training that learns, by at most this share, and no layer is
    dead."""
    try:
        steps = steps_of_kernels(run)
    except NotChecked:
        return False
    fixed = {layer.path for layer in known_layers(run) if layer.facts.get("trainable") is False}
    alive = all(part < HALF_DEAD for path, part in dead_units(run).items() if path not in fixed)
    return alive and (steps is None or MOVING[0] < late(steps) < most)  # embeddings alone have no kernels


def _hardly_moved(run: TrainingRun) -> str:
    """How little all updates can have changed the weights, as a sentence; "" where that is not known, or more."""
    losses = run.signal("batch loss")
    try:
        steps = steps_of_kernels(run)
    except NotChecked:
        return ""
    if steps is None or losses is None or not len(steps.finite):
        return ""
    most = float(steps.finite.values.max()) * len(losses)  # the median would be 0 where a high rate killed all units at once
    if not LEAST_MOVE * len(losses) < most < STILL:
        return ""
    return f"All {len(losses):,} updates together changed the weights by at most {percent(most)} of their norm."


def _inputs_vary(run: TrainingRun) -> bool:
    """Whether all inputs vary, and are of a usual size or go into an embedding, by SCRAM's statistics."""
    curves = [run.statistic(schema.STATISTICS, column(name, None, "std")) for name in inputs_of(run)]
    spreads = [median(curve.finite.values) for curve in curves if curve is not None and len(curve.finite)]
    most = math.inf if any(layer.kind == "Embedding" for layer in known_layers(run)) else MOST_SPREAD
    return bool(spreads) and all(0 < spread < most for spread in spreads)


def _padding(run: TrainingRun) -> Cause | None:
    """Sequences that are mostly zeros, and a recurrent layer that reads all of them."""
    zeros = run.statistic(schema.STATISTICS, "x0/zero")
    known = known_layers(run)
    recurrent = [layer for layer in known if layer.kind in RECURRENT]
    embeddings = [
        layer for layer in known if layer.kind == "Embedding" and not layer.facts.get("settings", {}).get("mask_zero")
    ]
    if zeros is None or not embeddings or not recurrent or np.median(zeros.values) < PADDED:
        return None
    said = f"{percent(np.median(zeros.values))} of the inputs are 0, and {recurrent[0].name} reads them like words."
    return Cause("padding", said, "", set_in_layers(run.facts, [embeddings[0].path], "mask_zero", "True"))


HEURISTIC = Heuristic(
    id="no-learning",
    group="curves",
    title_passed="The model learned",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=240,
    families=("curve-shape", "standstill"),
    precedence=300,
    explains=("standstill", "overfitting", "noisy-validation", "validation-better-than-training", "learning-rate-schedule"),
    whole_training=True,
)
