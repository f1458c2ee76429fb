"""Regression targets that are so large, or so small, that the model does not fit them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import stretches
from scram_plugin.heuristics.data.labels_of_losses import DIFFERENCES
from scram_plugin.heuristics.edits import STANDARDIZED, change_targets, scores_actions
from scram_plugin.heuristics.guessing import variance_of_targets
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    TARGETS,
    Cause,
    Finding,
    Heuristic,
    NotChecked,
    Option,
    TooEarly,
    absent,
)
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.measured import channels, levels, shown_loss, whole_of
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

OPTIONS = (
    Option(
        "large",
        100.0,
        (
            "mean or standard deviation from which on targets are large for weights that start near 0 and change by about "
            "the learning rate in a step"
        ),
        f"LeCun et al. (1998) scale targets to about 1; {CALIBRATED}",
    ),
    Option(
        "batches",
        100,
        "batches of training that are needed first; the model may still reach the targets",
        CALIBRATED,
    ),
    Option(
        "part",
        0.9,
        "fraction of the error of always predicting the mean from which on nothing counts as learned",
        CALIBRATED,
    ),
)


LIKELIHOOD = "GaussianNLLLoss"
HALF_LOG = 0.5 * math.log(2 * math.pi * math.e)  # differential entropy of a normal distribution with spread 1; by definition
PARTS = 50  # of the curve, over whose means the error is taken; by definition
OUTWEIGHS = 1_000.0  # a squared error of targets in their units, beside parts of a loss that are about 1; by definition
NATS = 0.1  # by which a model's likelihood is better than that of one distribution for all; by definition
MOST_COLUMNS = 16  # of a table of targets: the pixels of an image are more; by definition
OWN_UNITS = 100.0  # times the spread of another column: its squared error counts 10,000 times less; by definition
MOST_OUTPUTS = 8  # outputs that are looked at; a log may hold any number; by definition
MUCH_LEFT_OF = 0.05  # of the variance of the targets: below that they were learned; by definition
OF_SQUARE = 0.5  # of the square of the targets: the first loss is about that, whatever its constant; by definition
OF_FINISHED = 0.4  # share of these batches: what a training that has ended has not reached, it will not; by bench-strangers
OF_PREFLIGHT = 40  # batches of a preflight's short training that are needed; by bench-strangers
FAR_OFF = 2.0  # times the spread of the targets: so far off is a model that has not come near them; by bench-strangers
SMALL = 0.01  # targets smaller than that drown in the outputs that new weights give; LeCun et al. (1998) scale them to about 1
DROWNED = 10.0  # times the spread of the targets: that of the first outputs; by bench-strangers
WORSE_THAN_MEAN = 1.05  # times their spread: an error above that is worse than that of their mean; by definition
MODERATE = 10.0  # targets of tens: a usual rate takes hundreds of steps to come near; by bench-strangers
HALF = 0.5  # of a training; by definition
CENTRED = 0.5  # of their spread, below which the mean of targets is near 0; by definition
LITTLE_BETTER = 0.9  # of the error of the mean; by definition
OF_NORMAL = math.sqrt(2 / math.pi)  # mean distance of a normal distribution from its mean, in standard deviations
WASTED = 0.1  # share of the training before the model is better than the mean of the targets; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = [run.statistic(schema.STATISTICS, column("y0", None, which)) for which in ("mean", "std")]
    loss = loss_class(run)
    if any(curve is None or not len(curve.finite) for curve in found):
        raise NotChecked("no statistics of the targets were logged", HOW)
    if (columns := _of_columns(run, options, loss)) is not None:
        yield columns
        return
    if loss == "None" and (several := _of_several(run, options)) is not None:
        yield several
        return
    mean, spread = (float(np.median(curve.finite.values)) for curve in found if curve is not None)
    alone = (run.facts.get("loss") or {}).get("mean") is True  # without other terms
    if loss == LIKELIHOOD and alone and max(abs(mean), spread) >= options["large"] and spread > 0:
        yield from _of_likelihood(run, options, mean, spread)
    loss = _inferred(run, mean, spread) if loss == "None" and max(abs(mean), spread) >= options["large"] else loss
    if loss not in DIFFERENCES:
        return
    part = _as_part(run, loss, mean, spread)
    size = max(abs(mean), spread)
    drowned = _drowned(run, spread) if loss == "MeanSquaredError" and size < SMALL else None
    if MODERATE <= size < options["large"] and (behind := _behind(run, loss)) is not None:
        yield _finding(run, (mean, spread), None, slow=behind, **absent("error", "beside", "nonfinite"))
        return
    if size < options["large"] and part is None and drowned is None:
        which = int(abs(mean) < spread)
        what = ("magnitude of the mean of the targets", "standard deviation of the targets")[which]
        run.measured(what, size, above=options["large"], curve=found[which])
        return
    curve = shown_loss(run)
    nonfinite = not np.isfinite(curve.values).all()
    batches = run.signal("batch loss")
    needed = options["batches"] * (OF_FINISHED if run.ended == "finished" else 1)
    if not nonfinite and (batches is None or len(batches) < needed):
        if (said := _of_preflight(run, loss, spread, options["part"])) is not None:
            yield _finding(run, (mean, spread), None, slow=said, **absent("error", "beside", "nonfinite"))
            return
        raise TooEarly(f"it needs {int(needed)} batches")
    _, late = levels(curve.values, TENTH)
    error = _error(loss, late)
    slow = None if nonfinite or drowned else _slow(batches or curve, loss, mean, spread)
    least = WORSE_THAN_MEAN if drowned else options["part"]  # small targets may have nothing that can be learned
    if not nonfinite and error < least * spread and slow is None and part is None:
        if spread > 0:
            what = "error at the end, as a share of that of always predicting the mean"
            run.measured(what, error / spread, above=options["part"], percent=True, curve=curve)
        return
    yield _finding(
        run,
        (mean, spread),
        drowned,
        error=number(error) if np.isfinite(error) else None,
        guess=number(_of_mean(loss, spread)),
        slow=slow or drowned,
        beside=part,
        nonfinite="The loss became NaN or infinite during the training." if nonfinite else None,
    )


def _error(loss: str, value: float) -> float:
    """The size of the errors that give a loss of this value."""
    return float(np.sqrt(value)) if loss == "MeanSquaredError" and value >= 0 else value


def _of_mean(loss: str, spread: float) -> float:
    """The error of always predicting the mean of targets that are normally distributed."""
    return spread if loss == "MeanSquaredError" else OF_NORMAL * spread


def _of_preflight(run: TrainingRun, loss: str, spread: float, part: float) -> str | None:
    """What a preflight shows of large targets, as a sentence: a few examples, the same again and again, are not reached with
    the optimizer of the program, or all of them are far away after the short training."""
    preflight, batches = run.facts.get("preflight") or {}, run.signal("batch loss")
    tested = preflight.get("one_batch") or {}
    own, examples = tested.get("own") or {}, tested.get("examples")
    if own.get("last") is not None and not tested.get("cut") and (error := _error(loss, own["last"])) >= part * spread > 0:
        return f"After {own.get('steps')} steps on the same {examples} examples the error is still {number(error)}."
    if not preflight or batches is None or len(batches.finite) < OF_PREFLIGHT:
        return None
    error = _error(loss, levels(batches.finite.values, TENTH)[1])
    said = f"After {len(batches)} steps the error is {number(error)}; always predicting the mean gives about {number(spread)}."
    return said if error >= FAR_OFF * spread > 0 else None


def _finding(run: TrainingRun, targets: tuple[float, float], why: str | None, **evidence: str | None) -> Finding:
    """`targets`: their mean and standard deviation. `why`: what speaks for it, beside their size."""
    mean, spread = targets
    size = max(abs(mean), spread)
    why = why or f"The targets are of size {number(size)}; a new model predicts numbers near 0."
    return Finding(
        severity="warning",
        confidence="likely",
        title=f"The targets are not normalised: {number(mean)} ± {number(spread)}",
        evidence={"mean": number(mean), "spread": number(spread), **absent("guess"), **evidence},
        **whole_of(shown_loss(run)),
        causes=[Cause("scale", why, "", change_targets(run.facts, STANDARDIZED))],
        where=[TARGETS],
        times=size,
    )


def _of_likelihood(run: TrainingRun, options: Mapping[str, Any], mean: float, spread: float) -> Iterable[Finding]:
    """Targets of a model that gives the mean and the spread of normal distributions, compared with one for all examples."""
    curve = shown_loss(run)
    if not np.isfinite(curve.values).all():
        return
    if len(curve) < options["batches"]:
        raise TooEarly(f"it needs {int(options['batches'])} batches")
    alike = math.log(spread) + HALF_LOG  # the mean loss of a normal distribution about the targets
    values, steps = stretches(curve, PARTS)
    better = values < alike - NATS
    at = int(np.argmax(better)) if better.any() else len(better)
    if at < WASTED * len(better):
        run.measured("share of the training before it is better than one distribution for all", at / len(better), above=WASTED)
        return
    until = f"Up to {place(curve.axis, int(steps[at]))} of {len(curve):,}" if better.any() else "To the end"
    said = f"{until} one normal distribution for all examples, with the loss {number(alike)}, would have been as good."
    yield _finding(run, (mean, spread), None, slow=said, **absent("error", "beside", "nonfinite"))


def _of_columns(run: TrainingRun, options: Mapping[str, Any], loss: str) -> Finding | None:
    """Targets of several numbers each in units of their own, so that the squared error is that of one of them alone."""
    sizes = {name: float(np.median(c.finite.values)) for name, c in channels(run, "y0", "std").items() if len(c.finite)}
    means = {name: float(np.median(c.finite.values)) for name, c in channels(run, "y0", "mean").items() if len(c.finite)}
    spreads = [size for size in sizes.values() if size > 0]
    parts = run.loop.get("parts") or []
    compared = any(part.get("elementwise") and len(part.get("shape") or []) > 1 for part in parts)
    curve = shown_loss(run)
    squared = loss == "MeanSquaredError" or (loss == "None" and compared)
    if not 2 <= len(spreads) <= MOST_COLUMNS or len(curve) < options["batches"] or not squared or set(sizes) != set(means):
        return None
    largest, least, late = max(spreads), min(spreads), levels(curve.values, TENTH)[1]
    square = float(np.mean([sizes[name] ** 2 + means[name] ** 2 for name in sizes]))
    weighed = not OF_SQUARE < float(curve.values[0]) / square < 1 / OF_SQUARE  # by the program, or the model knows the units
    if largest < OWN_UNITS * least or largest * largest < OUTWEIGHS or weighed or late * len(sizes) < least * least:
        return None
    name = next(name for name, size in sizes.items() if size == largest)
    said = (
        f"These are the targets of column {name}. Those of another column have a spread of {number(least)}: "
        f"to the squared error they count {number((largest / least) ** 2)} times less."
    )
    return _finding(run, (means[name], largest), None, beside=said, **absent("error", "slow", "nonfinite"))


def _of_several(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """The targets of one of several outputs, where the first loss is their square, and no other part of the loss counts."""
    curve, sizes = shown_loss(run), {}
    names = [f"y{i}" for i in range(MOST_OUTPUTS)]
    for name in names:
        mean, spread = (run.statistic(schema.STATISTICS, column(name, None, which)) for which in ("mean", "std"))
        if mean is not None and spread is not None and len(mean.finite) and len(spread.finite):
            sizes[name] = float(mean.finite.values[0]), float(spread.finite.values[0])
    first = float(curve.values[0]) if len(curve) else 0.0
    if len(sizes) < 2 or not np.isfinite(first):
        return None
    mean_of, spread_of = max(sizes.values(), key=lambda size: size[0] ** 2 + size[1] ** 2)
    square = mean_of**2 + spread_of**2
    if square < OUTWEIGHS or not OF_SQUARE < first / square < 1 / OF_SQUARE:
        return None
    parts = run.loop.get("parts")
    if parts is not None and not any(part.get("elementwise") for part in parts):
        return None  # losses of classes
    _, late = levels(curve.values, TENTH)
    if len(curve) < options["batches"] or late < MUCH_LEFT_OF * spread_of**2:
        return None
    others = "the other target counts" if len(sizes) == 2 else f"the other {len(sizes) - 1} targets count"
    said = f"The first loss, {number(first)}, is about the square of these targets: beside them {others} for nothing."
    return _finding(run, (mean_of, spread_of), None, beside=said, **absent("error", "slow", "nonfinite"))


def _inferred(run: TrainingRun, mean: float, spread: float) -> str:
    """Which differences a loss of the program's own is the mean of: those of a new model are about the targets themselves."""
    batches = run.signal("batch loss") or shown_loss(run)
    first = float(batches.values[0]) if len(batches) else math.nan
    if OF_SQUARE < first / (mean * mean + spread * spread) < 1 / OF_SQUARE:
        return "MeanSquaredError"
    return "MeanAbsoluteError" if abs(mean) > spread and OF_SQUARE < first / abs(mean) < 1 / OF_SQUARE else "None"


def _as_part(run: TrainingRun, loss: str, mean: float, spread: float) -> str | None:
    """By how much the error of these targets outweighs the other parts of the loss, as a sentence; None if it does not."""
    parts = [part for part in run.loop.get("parts") or [] if part.get("shape")]
    own = [part for part in parts if part.get("elementwise") and part.get("how") == "mean" and len(part["shape"]) > 1]
    if loss != "MeanSquaredError" or len(parts) < 2 or len(own) != 1 or scores_actions(run.facts):
        return None
    error = abs(own[0].get("factor", 1.0)) * (spread**2 + mean**2)
    if error < OUTWEIGHS:
        return None
    return f"This error is one of {len(parts)} parts of the loss. It begins at about {number(error)}, and outweighs the others."


def _drowned(run: TrainingRun, spread: float) -> str | None:
    """By how much the first outputs spread more than tiny targets, as a sentence; None if not by far."""
    made = run.statistic(schema.STATISTICS, column("y_pred0", None, "std"))
    if made is None or not len(made.finite) or not 0 < spread * DROWNED < (first := float(made.finite.values[0])):
        return None
    return f"The first outputs spread by {number(first)}, {number(first / spread)} times as much as the targets."


def _behind(run: TrainingRun, loss: str) -> str | None:
    """In how much of the training the mean of the targets was better than the model, as a sentence; None if in less than half.

    Targets of tens are reached, late: that they are not normalised is no fault as long as the training goes on after it. So
    the whole training is judged, and one that comes from far off: an error that begins at the spread may hardly be better.
    """
    curve = run.signal("batch loss")
    if curve is None or not np.isfinite(curve.values).all() or len(curve) < PARTS:
        return None
    if run.ended != "finished" or run.facts.get("preflight") or (variance := variance_of_targets(run)) is None:
        return None
    spread = math.sqrt(variance)
    errors = np.array([_error(loss, value) for value in stretches(curve, PARTS)[0]])
    if errors[0] < FAR_OFF * spread:
        return None
    share = float(np.mean(errors > WORSE_THAN_MEAN * spread))
    run.measured(
        "share of the training in which always predicting the mean would have been better", share, above=HALF, percent=True
    )
    return f"In {percent(share)} of the training always predicting their mean would have been better." if share > HALF else None


def _slow(curve: Curve, loss: str, mean: float, spread: float) -> str | None:
    """How long the mean of the targets was better than the model, as a sentence; None if not long, or to the end.

    A new model predicts numbers near 0, which for targets around 0 is as good as their mean: it has to be better by a tenth.
    """
    centred = abs(mean) < CENTRED * spread
    limit = LITTLE_BETTER * _of_mean(loss, spread) if centred else spread
    values, steps = stretches(curve, PARTS)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(values) if loss == "MeanSquaredError" else values
    better = errors < limit
    at = int(np.argmax(better))
    if not better.any() or at < WASTED * len(errors):
        return None
    when = f"Up to {place(curve.axis, int(steps[at]))} of {len(curve):,}"
    if centred:
        return f"{when} the model was hardly better than always predicting their mean."
    return f"{when} always predicting their mean would have been better."


HEURISTIC = Heuristic(
    id="unnormalized-targets",
    group="data",
    title_passed="The targets are normalised, or need not be",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of the targets", "training loss"),
    order=40,
    precedence=90,
    explains=(
        "curve-shape",
        "standstill",
        "signal-flow",
        "non-finite",
        "preflight-test",
        "half-precision",
        "unconventional-learning-rate",
        "initial-loss",
    ),
)
