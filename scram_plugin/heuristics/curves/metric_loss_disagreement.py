"""Metric and loss disagree: the validation loss rises while the metric still improves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.checkable import as_told, at, enough, last_value, loss, lowest_point
from scram_plugin.heuristics.curves.shape import STRIP, SURE, shape, shape_of
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, NotChecked, Option
from scram_plugin.heuristics.limits import SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import one_line, place
from scram_plugin.logs.conventions import higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        8,
        "validation points that are needed of the loss and of the metric",
        CALIBRATED,
    ),
    Option(
        "min_rise",
        0.05,
        "smallest rise of the validation loss, as a fraction of its lowest value",
        "as for overfitting (Prechelt, 1998)",
    ),
    Option(
        "min_gain",
        0.005,
        "smallest improvement of the metric since the loss was lowest, as a fraction of the metric",
        CALIBRATED,
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    validation = loss(run, "validation", least=int(options["least"]))
    name, metric, better = _metric(run)
    metric = enough(metric, int(options["least"]), f"validation {name}")
    form = shape_of(validation)
    rise, what = form.rise, "rise of the validation loss since its lowest point"
    if form.lowest and rise < options["min_rise"] * abs(form.lowest):
        run.measured(what, max(rise, 0.0) / abs(form.lowest), above=options["min_rise"], percent=True, curve=validation)
    if form.strength < SURE or rise < options["min_rise"] * abs(form.lowest) or len(validation) - 1 - form.best < STRIP:
        return
    best = lowest_point(validation, form)
    first, last = int(validation.steps[best]), int(validation.steps[-1])
    then, now = at(metric, first), at(metric, last)
    known = metric.values[metric.steps <= first]
    best_known = float(known.max() if better else known.min()) if len(known) else then
    gain = min(now - then, now - best_known) if better else min(then - now, best_known - now)
    noise = shape(-metric.values if better else metric.values).noise
    least = max(SIGMAS * noise, options["min_gain"] * abs(then))
    if gain < least:
        if then:
            what = f"improvement of {one_line(metric.tag)} since the validation loss was lowest"
            run.measured(what, gain / abs(then), above=least / abs(then), percent=True, curve=metric)
        return
    told_then, told_now, about = as_told(metric, first, last)
    unit = validation.axis
    yield Finding(
        severity="info",
        confidence="likely",
        title=f"The validation loss rises, but {metric.tag} still improves",
        evidence={
            "best_place": place(unit, first),
            "last_place": place(unit, last),
            "best_loss": float(validation.values[best]),
            "last_loss": last_value(validation, form),
            "metric": metric.tag,
            "metric_then": told_then,
            "metric_now": told_now,
            "about": about,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[validation.source(), metric.source()],
        causes=[Cause("overconfidence"), Cause("few-hard-samples"), Cause("wrong-goal")],
        best_step=first,
    )


def _metric(run: TrainingRun) -> tuple[str, Curve, bool]:
    """(name, curve, whether higher is better) of the first validation metric for which the better direction is known."""
    names = [s.removeprefix("validation ") for s in run.signals if s.startswith("validation ") and "loss" not in s]
    for name in sorted(names, key=lambda name: (name != "accuracy", name)):
        better, curve = higher_is_better(name), run.signal(f"validation {name}")
        if better is not None and curve is not None:
            return name, curve.finite, better
    if names:
        raise Inconclusive(f"it is not known whether a higher or a lower {names[0]} is better")
    raise NotChecked("no validation metric was logged", 'model.compile(..., metrics=["accuracy"])')


HEURISTIC = Heuristic(
    id="metric-loss-disagreement",
    group="curves",
    title_passed="Validation loss and metric agree",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("validation loss", "a validation metric"),
    order=300,
    families=("curve-shape",),
    whole_training=True,
)
