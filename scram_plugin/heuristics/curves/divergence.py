"""Divergence: the training loss rises again and stays high, or a metric loses what it had gained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_clipping
from scram_plugin.heuristics.curves.checkable import (
    enough,
    highest_rate,
    last_value,
    loss_alone,
    lowest_point,
    rate_as_cause,
    refuse_moving_targets,
)
from scram_plugin.heuristics.curves.metrics import Collapse, collapsed
from scram_plugin.heuristics.curves.noise import median, noise, sliding_medians
from scram_plugin.heuristics.curves.progress import improves_since
from scram_plugin.heuristics.curves.shape import SURE, Shape, shape_of
from scram_plugin.heuristics.edits import set_learning_rate
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, absent, by_evidence
from scram_plugin.heuristics.limits import FOR_A_LEVEL, QUARTER, ROUNDED, SIGMAS, THIRD
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, one_line, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "patience",
        5,
        "points that must follow the lowest one",
        "the strip length of Prechelt (1998)",
    ),
    Option(
        "lost",
        0.5,
        "share of the earlier improvement that must be lost; half, so that a slow drift is not reported",
        CALIBRATED,
    ),
)
NEARLY_ALL = 0.9  # of what was gained: who loses that begins anew, whatever follows; by bench-limits
UNTRAINED = 20  # parts of the curve, of which the first may be far above what follows; by bench-limits
FAR_LOWER = 1.5  # times the first loss: where all later ones are higher, the first steps did harm; by bench-limits
NEXT_TO_NOTHING = 0.1  # loss: a distance to a copy, or a penalty, begins with less and rises as meant; by bench-limits
NORM_LEAPS = 10  # times the first gradient norm: that of a running mean rises by less in a few points; by bench-labelled
MANY_TIMES = 3  # of its lowest level: a loss that rises by so much is lost, however high it began; by bench-labelled
EARLIER = 6  # points before the rise that are needed to estimate their noise; by bench-limits
EXPLODED = 100.0  # times the loss at the start: no training recovers from that, and no working one reaches it; by bench-limits
SMALLEST_RISE = 0.1  # of the lowest level, or of that at the start: a smaller rise is not reported; by bench-limits
CONFIRMED_RISE = 0.05  # the same, if the validation loss rose by as much and stayed there; by bench-limits
STAYS_HIGH = 0.1  # share of the points after the rise that may lie lower than this share of it; by bench-limits
FOR_QUARTERS = 8  # points: the fewest that make quarters of two points; by definition
NO_LONGER_FALLS = 0.95  # share of the height that the last quarter keeps of the one before; by bench-limits
SAFE_RATE = 1e-3  # a learning rate that is safe for most adaptive optimizers (Kingma & Ba, 2015)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    least = int(options["patience"]) + 2
    whole = loss_alone(run, least)
    # zeros at the start are of a program that waits, for example for its replay memory
    begun = np.cumsum(whole.values != 0) > 0
    curve = enough(whole.where(begun) if begun.any() else whole, least, "training loss")
    found, of_training = _of_loss(run, options, curve), True
    if found is None and (lost := collapsed(run, options["lost"])) is not None:
        found, of_training = _of_metric(run, lost), not lost.score.name.startswith("validation")
    if found is None:
        return
    # a loss may rise as its terms or its data are changed on purpose: then the validation goes on getting better, which
    # says nothing where it was not measured before the rise
    later = found.first_step > curve.steps[0]
    if later and found.severity == "warning" and of_training and improves_since(run, found.first_step):
        return
    yield found


def _of_loss(run: TrainingRun, options: Mapping[str, Any], curve: Curve) -> Finding | None:
    form, values, steps = shape_of(curve), curve.values, curve.steps
    end = min(form.end, median(values[-FOR_A_LEVEL:]))
    rise, gained, at_once = end - form.lowest, _gained(values, form), _rose_at_once(run, values)
    if at_once:
        form = replace(form, best=0, start=float(values[0]), lowest=float(values[0]))
        rise, gained = end - form.lowest, 0.0
    after = len(values) - 1 - form.best
    unsure = form.strength < SURE or rise <= 2 * SIGMAS * _noise(values, form)
    what = "rise of the training loss since its lowest point"
    if gained > 0 and rise < options["lost"] * gained:
        what, share = f"{what}, as a share of its fall", max(rise, 0.0) / gained
        run.measured(what, share, above=options["lost"], percent=True, curve=curve)
    elif unsure and not at_once and form.noise > 0 and rise <= 2 * SIGMAS * form.noise:
        what, times = f"{what}, in standard deviations of its noise", max(rise, 0.0) / form.noise
        run.measured(what, times, above=2 * SIGMAS, curve=curve)
    if after < options["patience"] or (unsure and not at_once):
        return None
    smallest = CONFIRMED_RISE if _validation_rose(run) else SMALLEST_RISE
    if (rise < options["lost"] * gained and not _many_times(run, values, form, rise)) or rise < smallest * max(
        abs(form.lowest), abs(gained)
    ):
        return None
    tail = form.fitted[form.positions > form.best]
    if end < form.start and _recovers(values[form.best :], form.lowest, end):
        return None
    exploded = end > EXPLODED * max(abs(form.start), ROUNDED)
    if not exploded:
        refuse_moving_targets(run)
    exact = lowest_point(curve, form)
    shown = max(last_value(curve, form), end)
    first, last, unit = int(steps[exact]), int(steps[-1]), curve.axis
    evidence = {
        "best_place": place(unit, first),
        "last_place": place(unit, last),
        "start_loss": float(values[0]),
        "best_loss": float(values[exact]),
        "last_loss": shown,
        "last_text": number(shown),
        "lost_percent": 100 * rise / form.gain if form.gain > 2 * SIGMAS * form.noise and rise < form.gain else None,
        "above_start": f"That is more than at the start ({number(float(values[0]))})." if end > values[0] else None,
        "jump": float(np.max(np.diff(tail))) if len(tail) > 1 else None,
        **absent("metric", "best_metric", "last_metric", "lowest_metric", "lost_gain"),
    }
    return Finding(
        severity="error" if exploded else "warning",
        confidence="certain" if exploded else "likely" if form.strength > 2 * SURE else "possible",
        title=f"Training loss {'explodes' if exploded else 'diverges'} from {place(unit, first)} on",
        evidence=evidence,
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([validation.source()] if (validation := run.signal("validation loss")) else [])],
        causes=_causes(run),
        bad_step=int(steps[min(exact + 1, len(steps) - 1)]),
        best_step=first,
        since=_risen(curve, exact, shown),
    )


def _risen(curve: Curve, lowest: int, end: float) -> int:
    """The first step after the lowest point at which the loss has risen by half of what it rises in the end."""
    half = (curve.values[lowest] + end) / 2
    above = curve.values[lowest + 1 :] >= half
    return int(curve.steps[lowest + 1 + int(np.argmax(above))] if above.any() else curve.steps[-1])


def _of_metric(run: TrainingRun, lost: Collapse) -> Finding:
    curve, unit = lost.score.curve, lost.score.curve.axis
    lasts = lost.until is None
    first, last = int(curve.steps[lost.best]), int(curve.steps[-1 if lost.until is None else lost.until])
    lowest = curve.values[int(np.argmin(lost.score.values[lost.best : lost.until])) + lost.best]
    share = (lost.then - lost.now) / (lost.then - lost.score.values[0])
    anew = share > NEARLY_ALL and lost.score.name.startswith("validation")
    loss, tag = run.signal("training loss"), one_line(curve.tag)
    begin = place(unit, int(curve.steps[-2])) if lost.sudden else place(unit, first)
    return Finding(
        severity="info" if lost.better and not anew else "warning",
        confidence="possible" if lost.sudden else "likely",
        title=f"{tag} {'collapses' if lasts else 'collapsed'} {'from' if lasts else 'after'} {begin}"
        f"{' on' if lasts else ', and came back later'}",
        evidence={
            "metric": tag,
            "best_place": place(unit, first),
            "best_metric": float(curve.values[lost.best]),
            "last_metric": float(curve.values[-1]) if lasts else None,
            "lowest_metric": float(lowest) if not lasts else None,
            "last_place": place(unit, last),
            "lost_gain": 100 * min(share, 1.0),
            **absent("start_loss", "best_loss", "last_loss", "last_text", "lost_percent", "above_start", "jump"),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *([loss.source()] if loss is not None else [])],
        causes=_causes(run),
        bad_step=int(curve.steps[-1] if lost.sudden else curve.steps[min(lost.best + 1, len(curve) - 1)]),
        best_step=first,
    )


def _rose_at_once(run: TrainingRun, values: np.ndarray) -> bool:
    """Whether the first point is far lower than any later one, and not practically 0, as losses are that begin with nothing."""
    later = values[1:]
    levels = sliding_medians(later, FOR_A_LEVEL) if len(later) >= FOR_A_LEVEL else later
    if not len(levels) or (np.argmin(levels) >= len(levels) * 2 / THIRD and not _norm_leaps(run)):
        return False  # it falls: the first point was not counted in full, as a running mean
    return bool(values[0] > NEXT_TO_NOTHING and later.min() > FAR_LOWER * values[0] and median(later) > 2 * values[0])


def _many_times(run: TrainingRun, values: np.ndarray, form: Shape, rise: float) -> bool:
    """Whether the loss is many times its lowest level, and not only near 0, and that of the validation rose with it."""
    validation = run.signal("validation loss")
    others = validation.finite.values if validation is not None else np.array([])
    if len(others) < FOR_QUARTERS or form.strength <= 2 * SURE or rise <= SMALLEST_RISE * abs(values[0]):
        return False
    return bool(0 < form.lowest < rise / MANY_TIMES and median(others[-FOR_A_LEVEL:]) > MANY_TIMES * others.min() > 0)


def _norm_leaps(run: TrainingRun) -> bool:
    """Whether the logged gradient norm rises by far after its first point, too."""
    curve = run.signal("gradient norm")
    values = curve.finite.values[: 1 + FOR_A_LEVEL] if curve is not None else np.array([])
    return len(values) > 1 and bool(values[1:].max() > NORM_LEAPS * values[0])


def _validation_rose(run: TrainingRun) -> bool:
    curve = run.signal("validation loss")
    if curve is None or len(curve.finite) < FOR_QUARTERS:
        return False
    form, values = shape_of(curve.finite), curve.finite.values
    end = float(np.quantile(values[-(len(values) // QUARTER) :], STAYS_HIGH))
    return form.strength > 2 * SURE and end > (1 + CONFIRMED_RISE) * form.lowest > 0


def _gained(values: np.ndarray, form: Shape) -> float:
    """How far the loss fell after the first twentieth, or at all if that is less: an untrained model's loss is no scale."""
    begin = min(-(-len(values) // UNTRAINED), form.best)
    return min(form.gain, max(median(values[begin : begin + FOR_A_LEVEL]) - form.lowest, 0.0))


def _noise(values: np.ndarray, form: Shape) -> float:
    """The noise before the rise, if after it the loss stays high but varies too much to estimate the noise there."""
    before, after = values[: form.best + 1], values[form.best + 2 :]
    if len(before) >= EARLIER and np.quantile(after, STAYS_HIGH) > form.lowest + STAYS_HIGH * (median(after) - form.lowest):
        return min(form.noise, noise(before))
    return form.noise


def _recovers(values: np.ndarray, lowest: float, end: float) -> bool:
    """Whether the loss is recovering: it was twice as far above the lowest value as it is at the end, and it falls."""
    if len(values) < FOR_QUARTERS:
        return False
    quarter = len(values) // QUARTER
    if median(values[-quarter:]) >= end + NO_LONGER_FALLS * (median(values[-2 * quarter : -quarter]) - end):
        return False  # it no longer falls
    middle = max(median(part) for part in np.array_split(values[quarter:-quarter], QUARTER) if len(part))
    return middle - lowest > 2 * (end - lowest)


def _causes(run: TrainingRun) -> list[Cause]:
    rate = highest_rate(run)
    optimizer = str(run.facts.get("optimizer", {}).get("class", ""))
    edit = (
        set_learning_rate(run.facts, optimizer, rate, SAFE_RATE)
        if rate is not None and rate > SAFE_RATE and optimizer
        else None
    )
    return by_evidence([rate_as_cause(run, edit), no_clipping(run), Cause("bad-batches")])


HEURISTIC = Heuristic(
    id="divergence",
    group="curves",
    title_passed="Training loss did not diverge",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=230,
    families=("curve-shape", "unrest", "blow-up"),
    precedence=280,
    explains=(
        "unrest",
        "nonfinite-metric",
        "no-learning",
        "plateau",
        "overfitting",
        "metric-loss-disagreement",
        "validation-better-than-training",
        "learning-rate-schedule",
    ),
)
