"""A learning rate far from the usual one of its optimizer, where updates and loss show that it does harm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.edits import minimize, set_learning_rate
from scram_plugin.heuristics.guessing import guessing, variance_of_targets
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    OPTIMIZER,
    Cause,
    Finding,
    Heuristic,
    Inconclusive,
    NotChecked,
    Option,
    TooEarly,
    absent,
)
from scram_plugin.heuristics.limits import BEGUN, QUARTER, TENTH
from scram_plugin.heuristics.measured import fell_far, known_layers, levels, shown_loss, steps_of_kernels, whole_of
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import USUAL_RATES, known_rate
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "high",
        10.0,
        "times the optimizer's usual rate, from which on a rate may be too high",
        "Bengio (2012, section 3.1)",
    ),
    Option(
        "low",
        0.02,
        "times the optimizer's usual rate, up to which a rate may be too low",
        CALIBRATED,
    ),
    Option(
        "max_step",
        0.03,
        "an update above this share of the weights' norm is too large",
        f"about 0.001 is usual (Bottou, 2012; Karpathy, 2019); {CALIBRATED}",
    ),
    Option(
        "min_step",
        3e-4,
        "an update of at most this share of the weights' norm is small",
        f"about 0.001 is usual (Bottou, 2012; Karpathy, 2019); {CALIBRATED}",
    ),
)
FIRST_BATCHES = 20  # batches: fewer do not show whether the loss rises or falls; by bench-limits
FEWEST = 5  # batches of a tenth, at least; by bench-limits
MEASURED, AT_FIRST = 8, 4  # first measured batches whose updates are judged; by bench-limits
WORSE = (
    1.05  # times the first batch's loss: single batches vary by more than that, the median of 20 hardly does; by bench-limits
)
UNHARMED = 0.5  # of the first loss: a training that fell below that is not harmed by its high rate; by bench-limits
SINCE = 200  # batches: before that a loss may not have begun to fall; by bench-limits
SOMEWHAT_LOW = 0.06  # times the usual rate: too low if the loss creeps; by bench-limits
MANY_BATCHES = 400  # batches after which a loss near that of guessing shows it; by bench-limits
EVENLY = 0.3  # of the largest fall from one quarter of the batches to the next is the smallest one; by bench-limits
NEAR_GUESSING = 0.8  # times the loss of guessing; by bench-limits
STILL_FALLS = 0.95  # of the level of the third quarter: below that a loss still falls; by bench-limits
FALLS_ON = 0.8  # of the loss in the middle: a training that ended below that was too slow; by bench-strangers
EXTREME = 50.0  # times the usual rate: no deep model needs it, even where its loss falls; by bench-strangers
# optimizers whose steps have the size of the rate to the end; those of Adagrad become smaller. Source: Kingma & Ba (2015)
EVEN = ("Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Lion")
MANY_LAYERS = 4  # layers with weights; by bench-strangers
MUCH_LEFT = 0.05  # of the first loss: above that much was left to learn; by bench-strangers


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = known_rate(run)
    if (uphill := _uphill(run)) is not None:
        yield uphill
        return
    if known is None:
        raise NotChecked("the optimizer and its learning rate are not known", HOW)
    name, rate, usual = known
    slow = options["low"] * usual < rate < SOMEWHAT_LOW * usual and _creeps(run)
    if options["low"] * usual < rate < options["high"] * usual and not slow:
        what = f"learning rate, as a multiple of the usual one of {name}"
        run.measured(what, rate / usual, above=options["high"])
        run.measured(what, rate / usual, below=options["low"])
        return
    steps = steps_of_kernels(run)
    if steps is None or len(steps) < 2:
        raise TooEarly("it needs two measured batches with the updates of the weights")
    size, first = (float(np.median(steps.values[:number])) for number in (MEASURED, AT_FIRST))
    high = rate >= options["high"] * usual
    weighted = [layer for layer in known_layers(run) if layer.facts.get("kernel")]
    if high and len(weighted) == 1:  # a linear model may begin at 0, and its updates are large beside that
        size = first = 0.0
    what = "update norm of the first steps, as a share of the weight norm"
    large = float(np.max(steps.values[:MEASURED])) > options["max_step"]
    extreme = rate >= EXTREME * usual and name in EVEN and len(weighted) >= MANY_LAYERS and large and not fell_far(run)
    if high and not extreme and not _harmful(run, name, size > options["max_step"], first > options["max_step"]):
        if 0 < size <= options["max_step"]:
            run.measured(what, size, above=options["max_step"], percent=True, curve=steps)
        return
    if not high:
        if size > options["min_step"]:
            run.measured(what, size, below=options["min_step"], percent=True, curve=steps)
            return
        if not _creeps(run):
            _still(run)
    cause = "too-high" if high else "too-low"
    times = number(rate / usual if high else usual / rate) if rate else None
    said = f"{name} usually works with about {number(usual)}"
    said = f"{said}, which is {times} times {'lower' if high else 'higher'}." if times else f"{said}. At 0 nothing changes."
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The learning rate {number(rate)} is too {'high' if high else 'low'} for {name}",
        evidence={
            "rate": number(rate),
            "optimizer": name,
            "usual": number(usual),
            "times": times,
            "than": "higher" if high else "lower",
            "step": f"{100 * (max(size, first) if high else size):.3g}",
            **absent("uphill"),
        },
        first_step=int(steps.steps[0]),
        last_step=int(steps.steps[-1]),
        axis="batch",
        curves=[*([loss.source()] if (loss := run.signal("batch loss")) is not None else []), steps.source()],
        causes=[Cause(cause, said, "", set_learning_rate(run.facts, name, rate, usual))],
        where=[OPTIMIZER],
        brings=None if high else TOO_SLOW,
        at_once=False,
    )


def _uphill(run: TrainingRun) -> Finding | None:
    """Steps in the direction in which the loss grows: a negative rate, or PyTorch's `maximize` with a loss that did grow."""
    optimizer = run.facts.get("optimizer") or {}
    name, given = str(optimizer.get("class")), optimizer.get("learning_rate")
    rate = float(given) if isinstance(given, int | float) else 0.0
    negative = rate < 0
    if not negative and not ((optimizer.get("settings") or {}).get("maximize") is True and _grew(run)):
        return None
    said = f"The learning rate is {number(rate)}." if negative else f"{name} has `maximize=True`."
    edit = set_learning_rate(run.facts, name, rate, USUAL_RATES.get(name, -rate)) if negative else minimize(run.facts)
    return Finding(
        severity="error",
        confidence="certain" if negative else "likely",
        title=f"The learning rate {number(rate)} is negative" if negative else f"{name} maximises the loss",
        evidence={
            "uphill": f"{said} So each step goes in the direction in which the loss grows.",
            **absent("rate", "optimizer", "usual", "times", "than", "step"),
        },
        **whole_of(shown_loss(run)),
        causes=[Cause("negative" if negative else "maximised", said, "", edit)],
    )


def _creeps(run: TrainingRun) -> bool:
    """Whether the loss is near that of guessing after many batches, and falls evenly, as with steps that are too small."""
    loss, guess = run.signal("batch loss"), guessing(run)
    if loss is None or guess is None or len(loss.finite) < MANY_BATCHES or (run.facts.get("optimizer") or {}).get("schedule"):
        return False
    quarters = [float(np.median(part)) for part in np.array_split(loss.finite.values, QUARTER)]
    falls = -np.diff(quarters)
    even = bool((falls > 0).all()) and falls.min() > EVENLY * falls.max()
    return even and not guess.is_beaten_by(quarters[0]) and quarters[-1] > NEAR_GUESSING * guess.loss


def _grew(run: TrainingRun) -> bool:
    """Whether a loss that is known, so that it is to be small, is higher at the end than at the start."""
    loss = run.signal("batch loss")
    if run.kind is not None or loss_class(run) == "None" or loss is None or len(loss.finite) < FIRST_BATCHES:
        return False
    first, late = levels(loss.finite.values, TENTH, FEWEST)
    return late > WORSE * abs(first)


def _harmful(run: TrainingRun, optimizer: str, long: bool, long_at_first: bool) -> bool:
    """Whether a high rate does harm: the loss rose in the first steps, or updates are large (`long`) and it has not fallen far.

    Layers that large updates have killed no longer change, so that their later updates look small. Where the model learned
    nothing for many batches, the very first updates decide (`long_at_first`).
    """
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < FIRST_BATCHES:
        raise TooEarly(f"it needs the loss of {FIRST_BATCHES} batches")
    values = loss.finite.values
    if values.min() < 0:
        raise Inconclusive(
            "the learning rate is high, but the loss is below zero at times, as with policy gradients: its level shows no harm"
        )
    worse = float(np.median(values[1:FIRST_BATCHES])) > WORSE * values[0]
    (_, late), guess = levels(values, TENTH, FEWEST), guessing(run)
    before = float(np.median(values[len(values) // 2 : -max(len(values) // QUARTER, 1)]))
    guessed = guess is not None and not guess.is_beaten_by(late) and late > STILL_FALLS * before
    enough = UNHARMED if len(values) >= SINCE else BEGUN  # in a short training a loss that falls shows no harm
    fallen = late <= enough * values[0] and not guessed
    if long and values[0] > 0:
        run.measured("loss at the end, as a share of the first one", late / values[0], above=enough, percent=True, curve=loss)
    if fallen and optimizer == "SGD" and "preflight" in run.facts:
        return False  # its usual rate depends on the size of the gradients, and so short a training shows no harm
    return worse or (long and not fallen) or (long_at_first and guessed and len(values) >= SINCE)


def _still(run: TrainingRun) -> None:
    """Raises Inconclusive where the loss shows that a low rate is right: it fell while there was time, or was low from the
    start (fine-tuning)."""
    loss = run.signal("batch loss") or run.signal("training loss")
    if loss is None or len(loss.finite) < FIRST_BATCHES:
        raise TooEarly(f"it needs the loss of {FIRST_BATCHES} batches")
    values = loss.finite.values
    first, late = levels(values, TENTH, FEWEST)
    guess, units = guessing(run), (run.facts.get("model") or {}).get("output_units")
    among = guess.loss if guess is not None else 0.0
    if guess is None and "Categorical" in loss_class(run) and isinstance(units, int) and units > 1:
        among = math.log(units)
    if first < BEGUN * among:  # initial weights alone may be a little better than guessing
        raise Inconclusive("the learning rate is low, but the model was already trained, as in fine-tuning")
    middle = float(np.median(values[len(values) // 2 :][: max(len(values) // TENTH, FEWEST)]))
    adapts = "Adam" in str((run.facts.get("optimizer") or {}).get("class"))  # of these, low rates are usual in fine-tuning
    falls_on = run.ended == "finished" and not adapts and MUCH_LEFT * first < late < FALLS_ON * middle
    variance = variance_of_targets(run) or 0.0  # nothing was known at first, and hardly anything is at the end
    little = run.ended == "finished" and first > BEGUN * variance > 0 and late > NEAR_GUESSING * variance
    if late < BEGUN * first and not falls_on and not little:
        raise Inconclusive("the learning rate is low, but the loss falls")


TOO_SLOW = ("standstill", "undertrained", "learning-rate-range", "one-batch")  # what a rate that is too low can bring about

HEURISTIC = Heuristic(
    id="unconventional-learning-rate",
    group="model",
    title_passed="The learning rate is neither too high nor too low for the optimizer",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model", "SCRAM's statistics of weights"),
    order=140,
    precedence=110,
    explains=(*TOO_SLOW, "unrest", "signal-flow", "non-finite"),
    unexplained=("negative", "maximised"),
)
