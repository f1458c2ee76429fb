"""Steps of epochs: the training loss falls where an epoch begins, and hardly in between, as of examples that are memorised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import level, loss
from scram_plugin.heuristics.curves.noise import error_of_difference, noise
from scram_plugin.heuristics.curves.progress import validated
from scram_plugin.heuristics.curves.remembered import with_epochs
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked, Option, TooEarly
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS, TINY
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number, percent, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "fall",
        0.1,
        "smallest fall of the loss from the end of an epoch to the beginning of the next one, as a share of it",
        "healthy fine-tunings fall by less than 0.08, one that memorises by 0.25 to 0.36: `make bench-labelled`",
    ),
    Option(
        "share",
        0.7,
        "smallest share of the fall after the first epoch that is at the borders of epochs",
        "healthy fine-tunings have 0.54, one that memorises 0.83: `make bench-labelled`",
    ),
)
PER_EPOCH = 8  # points of an epoch: two levels and something in between; by definition
BORDERS = 2  # borders with such a fall: a single one may be a change of the schedule; by definition
OF_ALL_BORDERS = 0.6  # share of the borders that must have such a fall, so that it goes with the epochs; by definition
ONE_LESS = 1e-6  # of an epoch: the last step of an epoch belongs to it; by definition
RATE_KEPT = 0.8  # of the learning rate: where less is left after a border, the fall is its doing; by definition
ALL_OF_IT = 1.5  # share: where the borders give back more than was gained, the loss rises within epochs; by definition
BETTER_BY = 0.01  # of a validation value: an improvement by more shows that it is not only memorised; by definition
LOG_EPOCH = 'writer.add_scalar("train/epoch", step / steps_per_epoch, step)  # with train/loss, several times in each epoch'


@dataclass(frozen=True)
class Border:
    """Where an epoch begins: the step, and the levels of the loss before and after it. `chance`: what noise makes of a fall."""

    step: int
    before: float
    after: float
    chance: float

    @property
    def fall(self) -> float:
        return self.before - self.after


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    losses, epochs = loss(run), run.signal("epoch")
    if epochs is None or losses.axis == "epoch" or losses.axis != epochs.axis:
        raise NotChecked("it was not logged in which epoch each training loss was measured", LOG_EPOCH)
    parts = _by_epoch(losses, epochs.finite)
    if len(parts) <= BORDERS:
        raise TooEarly(
            f"it needs {BORDERS + 1} epochs with {PER_EPOCH} training losses each, there are {counted(len(parts), 'epoch')}"
        )
    borders = [_border(run, one, other) for one, other in pairwise(parts)]
    total = level(parts[0].values, ENDS, end=True) - level(parts[-1].values, ENDS, end=True)
    falls = [b for b in borders if b.before > 0 and b.fall > max(options["fall"] * b.before, b.chance)]
    share = sum(b.fall for b in falls) / total if total > 0 else 0.0
    if share <= options["share"]:
        what = "share of the fall of the loss that is at the borders of epochs"
        run.measured(what, share, above=options["share"], percent=True, curve=losses)
        return
    if share > ALL_OF_IT:
        raise Inconclusive("the loss rises within epochs, as where the examples always come in the same order")
    if len(falls) < max(BORDERS, OF_ALL_BORDERS * len(borders)):
        run.measured("borders of epochs at which the loss falls", len(falls), curve=losses)
        return
    first, checked = falls[0], validated(run, 2)
    better = max((_improvement(curve, first.step) for curve in checked), default=0.0)
    if better > BETTER_BY:  # it learns what holds for other data, too
        run.measured("improvement on validation data since the first such border", better, below=BETTER_BY, percent=True)
        return
    unit, validation = losses.axis, run.signal("validation loss")
    yield Finding(
        severity="warning" if checked else "info",
        confidence="possible",
        title=f"The training loss falls at the borders of epochs: {percent(share)} of its fall",
        evidence={
            "count": len(falls),
            "of": len(borders),
            "before": first.before,
            "after": first.after,
            "first_place": place(unit, first.step),
            "last": level(parts[-1].values, ENDS, end=True),
            "share_percent": 100 * share,
            "validation": None if checked else "Too little was measured on validation data to tell more.",
        },
        first_step=int(losses.steps[0]),
        last_step=int(losses.steps[-1]),
        axis=unit,
        curves=[losses.source(), *([validation.source()] if validation is not None else [])],
        causes=[
            Cause(
                "epochs", f"The loss fell from {number(first.before)} to {number(first.after)} at {place(unit, first.step)}."
            ),
            Cause("few-examples"),
            Cause("learning-rate"),
        ],
        bad_step=first.step,
    )


def _by_epoch(losses: Curve, epochs: Curve) -> list[Curve]:
    """The training losses of each epoch that has enough of them, up to the first later one that has not."""
    losses, numbers = with_epochs(losses, epochs)
    if not len(losses):
        return []
    whole = bool((numbers == np.floor(numbers)).all())  # counted, not measured
    numbers = numbers if whole else np.maximum(np.ceil(numbers - ONE_LESS), 1)
    parts = [losses.where(numbers == one) for one in np.unique(numbers)]
    long = [len(part) >= PER_EPOCH for part in parts]
    return parts[: long.index(False)] if False in long else parts


def _border(run: TrainingRun, one: Curve, other: Curve) -> Border:
    before, after = level(one.values, ENDS, end=True), level(other.values, ENDS)
    count = max(FOR_A_LEVEL, ENDS * min(len(one), len(other)))
    chance = SIGMAS * error_of_difference(float(np.hypot(noise(one.values), noise(other.values))) / np.sqrt(2), count)
    rate = run.signal("learning rate")
    lowered = False
    if rate is not None and len(rate.finite):  # the rate in force, which may be logged once in an epoch
        at = np.searchsorted(rate.finite.steps, [one.steps[-1], other.steps[0]], side="right") - 1
        then, now = rate.finite.values[np.clip(at, 0, None)]
        lowered = bool(now < RATE_KEPT * then)
    return Border(int(other.steps[0]), before, before if lowered else after, chance)


def _improvement(curve: Curve, step: int) -> float:
    """How much better than at a step what was measured on the validation data is at best after it, as a share of it."""
    at = int(np.argmin(np.abs(curve.steps - step)))
    then, later = float(curve.values[at]), curve.values[at + 1 :]
    return (float(later.max()) - then) / max(abs(then), TINY) if len(later) else 0.0


HEURISTIC = Heuristic(
    id="epoch-steps",
    group="curves",
    title_passed="The training loss does not fall in steps at the borders of epochs",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss within epochs", "epoch"),
    order=285,
    families=("curve-shape",),
    whole_training=True,
)
