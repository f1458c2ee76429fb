"""Overfitting: the validation loss rises again while the training loss does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import (
    as_told,
    at,
    enough,
    final_accuracies,
    last_value,
    loss,
    lowest_point,
    together,
)
from scram_plugin.heuristics.curves.guesses import constant_answer
from scram_plugin.heuristics.curves.metrics import gained_since
from scram_plugin.heuristics.curves.noise import median, sliding_medians
from scram_plugin.heuristics.curves.shape import STRIP, SURE, shape_of
from scram_plugin.heuristics.datasets import data_of, few_examples
from scram_plugin.heuristics.edits import add_callback, add_dropout
from scram_plugin.heuristics.heuristic import STRICT, Cause, Finding, Heuristic, NotChecked, Option, TooEarly, absent
from scram_plugin.heuristics.limits import FOR_A_LEVEL, QUARTER, SIGMAS, TENTH, THIRD
from scram_plugin.heuristics.measured import fell_far, levels, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    STRICT,
    Option(
        "patience",
        5,
        "validation points that must follow the best one",
        "the strip length of Prechelt (1998)",
    ),
    Option(
        "min_rise",
        0.05,
        (
            "smallest rise for a warning, as a fraction of the best validation loss; a smaller rise with strong evidence is "
            "an info"
        ),
        "GL_5 of Prechelt (1998)",
    ),
    Option(
        "noise_factor",
        3.0,
        "smallest rise that counts, in standard errors from the curve's own noise",
        "the three-sigma rule",
    ),
)
GAINED = 0.01  # of the earlier improvement: smallest rise for a warning if the best loss is near zero; by bench-limits
# Points of which a level is the median: a `STRIP`, more where there are more points, up to so many, which are enough for a
# standard error of an eighth of the noise. `patience` is another thing: how long to wait.
LONGEST = 100
SLIGHT = 1.5 * SURE  # strength that a rise too small for a warning needs to be reported; by bench-limits
SMALLEST = 0.002  # of the best loss: a smaller rise is not reported, however strong the evidence; by bench-limits
# The losses of single examples have a standard deviation of about their mean, so the standard error of the validation loss is
# about the loss over the root of the number of examples; half of it, since the same examples are measured each time.
SAMPLED = 0.5
ALSO_RISES = 0.05  # of the training loss: with such a rise it is divergence, not overfitting; as `min_rise` (Prechelt, 1998)
DIFFERENCE = 1.5  # variance of the difference of two medians of so many points, in variances of their mean; by bench-limits
FAR_ABOVE = 1.5  # times the lowest validation loss: where all later points are higher, no noise made them; by bench-verdicts
FAR_BELOW = 0.8  # times the training loss at that point; by bench-verdicts
FOR_A_STANDSTILL = 12  # validation points, three in each quarter; by definition
HALVED = 0.5  # of the training loss at the beginning of a standstill; less is usual of a sound end; by definition
STOOD_STILL = 0.01  # of the validation loss: a smaller change over half of the training is none; by bench-verdicts
LITTLE = 0.1  # of the loss: where the noise could hide more, nothing is said of a standstill; by bench-verdicts
STILL_LEARNS = 0.5  # of the whole gain of a validation metric, after the loss was lowest; by bench-labelled
OF_NO_USE = 1000  # standard errors: a larger rise is not told in them, since there is practically no noise; by definition
EPOCHS_OF_STRICT = 3  # that the prototype's rule compares; by definition
NO_WORSE = 2.0  # the training loss: an evaluation of few examples that is no worse shows that they are enough; by definition
LITTLE_LEARNED = 0.3  # of the loss of a constant answer: less is good, however few the examples are; by bench-strangers
PROPOSED_DROPOUT = 0.5  # rate (Srivastava et al., 2014: 0.5 in hidden layers)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if options["strict"]:
        yield from _strict(run)
        return
    few = _few(run)
    try:
        found = list(_by_validation(run, options))
    except (NotChecked, TooEarly):
        if few is None:
            raise
        found = []
    yield from found if few is None or any(f.severity != "info" for f in found) else [few]


def _by_validation(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    patience = int(options["patience"])
    validation, training = loss(run, "validation"), loss(run)
    enough(training, 2, "training loss")
    shared = together(validation, training) if len(validation) else validation
    if not _is_overwhelming(shared, training):
        enough(validation, patience + 2, "validation loss")
        enough(shared, patience + 2, "validation loss up to the end of the training loss")
    found = list(of_curves(run, training, shared, options))
    yield from found or _standstill(run, training, shared)


def _few(run: TrainingRun) -> Finding | None:
    """Few examples that the model knows by heart, while several times as many are evaluated."""
    seen, batches = few_examples(run), run.signal("batch loss")
    if seen is None or batches is None or not seen.evaluates_more or not fell_far(run):
        return None
    first, last = levels(batches.finite.values, TENTH)
    poor = _is_poor(run, last)
    if poor is False:
        return None
    said = f"The training saw {counted(seen.different, 'different example')} again and again; an evaluation has "
    said = f"{said}{seen.evaluated:,}. The training loss fell from {number(first)} to {number(last)}."
    return Finding(
        severity="warning" if poor else "info",
        confidence="possible",
        title=f"The model knows its {seen.different:,} examples by heart",
        evidence={
            "few": said,
            **absent("best_place", "last_place", "best_loss", "last_loss", "rise_percent", "train_best", "train_last", "about"),
            **absent("mild", "standard_errors", "train_accuracy", "val_accuracy", "still"),
            **absent("strict_first", "strict_last", "val_from", "val_to", "train_from", "train_to"),
        },
        **whole_of(batches),
        causes=[Cause("too-little-data", said), Cause("no-regularization"), Cause("too-long")],
    )


def _is_poor(run: TrainingRun, last: float) -> bool | None:
    """Whether the last loss of an evaluation is far above that of the training, and not far below that of a constant answer;
    None where no evaluation has a loss."""
    others, constant = run.signal("validation loss"), constant_answer(run)
    value = (run.loop.get("after") or {}).get("loss")
    if others is not None and len(others.finite):
        value = median(others.finite.values[-FOR_A_LEVEL:])
    if value is None:
        return None
    return value > NO_WORSE * last and (constant is None or value > LITTLE_LEARNED * constant.loss)


def of_curves(run: TrainingRun, training: Curve, validation: Curve, options: Mapping[str, Any]) -> Iterable[Finding]:
    """The finding, if there is one, of these two curves of a run."""
    form, values, steps = shape_of(validation), validation.values, validation.steps
    patience = int(options["patience"])
    after = len(values) - 1 - form.best
    # Levels are medians of several points, a third of those after the best, so that one outlier has no effect.
    count = max(STRIP, min(after // THIRD, LONGEST))
    around = values[max(form.best - count + 1, 0) : form.best + count]
    count = min(count, len(around))
    lowest = float(sliding_medians(around, count).min())
    rise = median(values[-count:]) - lowest
    worth = SMALLEST * abs(lowest)
    floor = max(options["min_rise"] * abs(lowest), GAINED * abs(form.gain))
    noise = form.noise * np.sqrt(DIFFERENCE / count)  # standard error of the difference of two such levels
    least = max(worth, options["noise_factor"] * noise)
    few = _is_overwhelming(validation, training)
    if not few and (after < patience or form.strength < (SURE if rise > floor else SLIGHT) or rise <= least):
        if lowest and rise <= max(least, floor):
            what, most = "rise of the validation loss since its lowest point", least if rise <= least else floor
            run.measured(what, max(rise, 0.0) / abs(lowest), above=most / abs(lowest), percent=True, curve=validation)
        return
    exact = lowest_point(validation, form) if not few else int(np.argmin(values))
    end = max(last_value(validation, form), lowest)
    first, last = int(steps[exact]), int(steps[-1])
    train_best, train_end = at(training, first), at(training, last)  # levels: single points are noisy
    most = max(SIGMAS * shape_of(training).noise, ALSO_RISES * abs(train_best))
    if train_end - train_best > most:
        if train_best:
            what, share = "rise of the training loss along with the validation loss", (train_end - train_best) / abs(train_best)
            run.measured(what, share, below=most / abs(train_best), percent=True, curve=training)
        return  # both rise: that is divergence, not overfitting
    if (learned := gained_since(run, first)) > STILL_LEARNS:
        what = "share of a validation metric's gain that came after the validation loss was lowest"
        run.measured(what, learned, below=STILL_LEARNS, percent=True)
        return  # the metric learns most then: the loss rises as it grows too sure (see `metric-loss-disagreement`)
    seen = data_of(run, "validation").get("samples")
    grave = few or rise > max(floor, SAMPLED * abs(lowest) / np.sqrt(seen) if seen else 0.0)
    told_best, told_end, about = as_told(training, first, last)
    unit = validation.axis
    evidence: dict[str, Any] = {
        "best_place": place(unit, first),
        "last_place": place(unit, last),
        "best_step": first,
        "last_step": last,
        "best_loss": float(values[exact]),
        "last_loss": end,
        "rise_percent": 100 * (end - values[exact]) / abs(values[exact]) if values[exact] else None,
        "train_best": told_best,
        "train_last": told_end,
        "about": about,
        "noise": form.noise,
        "standard_errors": float(rise / noise) if not few and rise < OF_NO_USE * noise else None,
        "mild": None if grave else "So far the rise is small.",
        **final_accuracies(run),
        **absent("strict_first", "strict_last", "val_from", "val_to", "train_from", "train_to", "still", "few"),
    }
    yield Finding(
        severity="warning" if grave else "info",
        confidence="likely" if form.strength > 2 * SURE and after >= 2 * patience else "possible",
        title=f"Overfitting since {place(unit, first)}"
        if grave
        else f"Validation loss has risen slightly since {place(unit, first)}",
        evidence=evidence,
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=_causes(run, f"The validation loss was lowest at {place(unit, first)} and has not been lower since."),
        bad_step=int(steps[min(exact + 1, len(steps) - 1)]),
        best_step=first,
    )


def _standstill(run: TrainingRun, training: Curve, validation: Curve) -> Iterable[Finding]:
    """A validation loss that is the same since before half-time, while the training loss goes on falling: an info."""
    values, steps, noise = validation.values, validation.steps, shape_of(validation).noise
    part = len(values) // QUARTER
    if len(values) < FOR_A_STANDSTILL:
        return
    before, middle, after = (median(values[i * part : (i + 1) * part]) for i in (1, 2, 3))
    chance = SIGMAS * noise * np.sqrt(DIFFERENCE * 2 / part)
    if max(abs(before - after), abs(middle - after)) > max(chance, STOOD_STILL * abs(after)) or chance > LITTLE * abs(after):
        return
    levels = sliding_medians(values, FOR_A_LEVEL)
    since = int(steps[int(np.argmax(levels <= after + max(noise, STOOD_STILL * abs(after))))])
    then, now = at(training, since), at(training, int(steps[-1]))
    if since > (steps[0] + steps[-1]) / 2 or now > HALVED * then or now <= 0:
        return
    if gained_since(run, since):
        return
    unit, last = validation.axis, int(steps[-1])
    said = f"The validation loss has been about {number(after)} since {place(unit, since)}."
    yield Finding(
        severity="info",
        confidence="likely",
        title=f"The validation loss has stood still since {place(unit, since)}",
        evidence={
            "still": f"{said} Meanwhile the training loss fell from about {number(then)} to {number(now)}.",
            **absent("best_place", "last_place", "best_loss", "last_loss", "rise_percent", "train_best", "train_last", "about"),
            **absent("mild", "standard_errors", "train_accuracy", "val_accuracy", "few"),
            **absent("strict_first", "strict_last", "val_from", "val_to", "train_from", "train_to"),
        },
        first_step=since,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=_causes(run, f"It has not improved since {place(unit, since)}."),
        best_step=since,
    )


def _is_overwhelming(validation: Curve, training: Curve) -> bool:
    """Whether all points after the lowest one are far higher, and the training loss is much lower: then a few are enough."""
    values = validation.values
    if len(values) <= FOR_A_LEVEL or (best := int(np.argmin(values))) > len(values) - 1 - FOR_A_LEVEL or values[best] <= 0:
        return False
    at_best, end = (at(training, int(validation.steps[i])) for i in (best, -1))
    return bool(values[best + 1 :].min() > FAR_ABOVE * values[best] and end < FAR_BELOW * at_best)


def _causes(run: TrainingRun, stood: str) -> list[Cause]:
    """First a model that can memorise the data, if nothing regularises it; otherwise a training that went on too long."""
    model, fit = run.facts.get("model", {}), run.facts.get("fit", {})
    parameters, samples = model.get("trainable_parameters"), fit.get("samples")
    stop = Cause(
        "too-long",
        stood,
        edit=add_callback(run.facts, _EARLY_STOPPING),
    )
    classes = [str(layer.get("class")) for layer in model.get("layers", ())]
    regularised = [
        c for c in classes if c in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "BatchNormalization")
    ]
    regularised += [layer["name"] for layer in model.get("layers", ()) if layer.get("regularized")]
    data = Cause("too-little-data", f"The training set has {counted(samples, 'example')}." if samples else "")
    if not classes:
        return [stop, Cause("no-regularization"), data]
    if regularised:
        against = f"It already has {', '.join(sorted(set(regularised)))}; that was not enough."
        return [stop, Cause("no-regularization", "", against), data]
    ratio = f" It has {parameters:,} weights for {counted(samples, 'training example')}." if parameters and samples else ""
    return [
        Cause(
            "no-regularization",
            f"The model has {counted(len(classes), 'layer')} and no regularisation (no dropout, no weight penalty).{ratio}",
            edit=add_dropout(run.facts, PROPOSED_DROPOUT),
        ),
        stop,
        data,
    ]


_EARLY_STOPPING = 'EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)'


def _strict(run: TrainingRun) -> Iterable[Finding]:
    """Table 1 of the prototype: validation accuracy falls over two epochs while training accuracy rises."""
    training, validation = run.signal("training accuracy"), run.signal("validation accuracy")
    if training is None or validation is None:
        raise NotChecked("the strict rule needs training and validation accuracy", 'model.compile(..., metrics=["accuracy"])')
    steps = np.intersect1d(training.steps, validation.steps)
    if len(steps) < EPOCHS_OF_STRICT:
        raise TooEarly(f"the strict rule needs at least {EPOCHS_OF_STRICT} epochs, there are {len(steps)}")
    train = training.values[np.isin(training.steps, steps)]
    val = validation.values[np.isin(validation.steps, steps)]
    fires = (np.diff(val)[:-1] < 0) & (np.diff(val)[1:] < 0) & (train[2:] > train[:-2])
    if not fires.any():
        run.measured("epochs whose accuracies were compared", len(steps), curve=validation)
        return
    at = int(np.flatnonzero(fires)[0])
    first, last, unit = int(steps[at]), int(steps[at + 2]), validation.axis
    yield Finding(
        severity="warning",
        confidence="possible",
        title=f"Validation accuracy falls from {place(unit, first)} on",
        evidence={
            "strict_first": place(unit, first),
            "strict_last": place(unit, last),
            "val_from": float(val[at]),
            "val_to": float(val[at + 2]),
            "train_from": float(train[at]),
            "train_to": float(train[at + 2]),
            **absent("best_place", "last_place", "best_loss", "last_loss", "rise_percent", "train_best", "train_last", "about"),
            **absent("mild", "standard_errors", "train_accuracy", "val_accuracy", "still", "few"),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), training.source()],
        causes=_causes(run, f"The validation loss was lowest at {place(unit, first)} and has not been lower since."),
        bad_step=int(steps[at + 1]),
        best_step=first,
    )


HEURISTIC = Heuristic(
    id="overfitting",
    group="curves",
    title_passed="No overfitting",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss", "validation loss"),
    order=280,
    families=("curve-shape",),
    precedence=310,
    explains=("too-many-parameters", "noisy-validation", "metric-loss-disagreement", "epoch-steps"),
    whole_training=True,
)
