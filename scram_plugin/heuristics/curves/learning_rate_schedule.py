"""The learning rate: dropped too early, never dropped, started too high, or still in its warm-up at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.causes_of_settings import no_warm_up
from scram_plugin.heuristics.curves.checkable import all_learned, enough, level, loss, stretches
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.edits import count_in_steps, lower_rate_later, shorten_warm_up
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS, TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        10,
        "points of the training loss that are needed to compare it before and after a drop",
        CALIBRATED,
    ),
    Option(
        "drop",
        5.0,
        "how many times lower than its highest value the rate must become",
        "step schedules divide by 10 or 5 (He et al., 2016; Zagoruyko & Komodakis, 2016)",
    ),
)
STRETCHES = 50  # parts of the curve, over whose means the loss and the rate are compared; by bench-limits
STEEP = 0.03  # fall of the loss from one part to the next before a drop that counts as fast, as a fraction; by bench-limits
AFTER = 8  # parts that must follow a drop, to be sure that the loss fell no further; by bench-limits
ALMOST_ZERO = 1e-3  # of the highest rate: a lower rate changes almost nothing; by bench-limits
SPENT_SHARE = 0.6  # share of the training, at its end, with such a rate: no common schedule does that; by bench-limits
VANISHED = 1e-6  # of the highest rate: a lower rate changes most weights by less than float32 can hold; IEEE 754
VANISHED_SHARE = 0.4  # the same share for that; by bench-limits
RISEN = 2.0  # times its first value, to which a rate has risen in a warm-up; by definition
STRAIGHT = 0.15  # of the rise of the rate, by which those of a warm-up may differ from a straight line; by bench-limits
NOT_FAR = 0.5  # of the first loss: a rate by which it fell below that was no hindrance; by definition
WARM_UP_AT_LEAST = 0.5  # of the optimizer's rate, which a warm-up that has ended has reached; by definition
NOT_LEARNED = 0.05  # fall of the loss in the whole training, as a fraction, that counts as none; by bench-limits
PART_OF_WARM_UP = 10  # steps of the training for each of a usual warm-up; Goyal et al. (2017), 5 of 90 epochs, and BERT's 10 %
BLOW_UP = 2.0  # times the first loss, in the first tenth of the training; by bench-limits
SAME_RATE = 0.99  # of the highest rate: a rate that is not lower counts as the same; by bench-limits
ENDED = 10.0  # times lower, within the first epoch, and the same ever after: a schedule that was made for epochs; by definition
EPOCHS = 3  # that a training has at least, whose first one says something of its schedule; by definition
FOR_A_FLAT_END = 50  # points of which half show that the loss is flat and noisy; by bench-limits
FLAT = 0.5  # noises that the later half may have gained; by bench-limits
NOISY = 0.05  # noise, as a fraction of the level; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if (at_once := _at_once(run)) is not None:
        yield at_once
        return
    rate, least = run.signal("learning rate"), int(options["least"])
    batches = _of_batches(run, least)
    if batches is None and (rate is None or len(rate.finite) < FOR_A_LEVEL):
        raise NotChecked(
            "no learning rate was logged", 'writer.add_scalar("learning_rate", optimizer.param_groups[0]["lr"], step)'
        )
    curve, rate = batches if batches is not None else (loss(run, least=least), rate)
    assert rate is not None
    if all_learned(run):
        return
    rate = enough(rate.finite, FOR_A_LEVEL, "learning rate")
    # the rate at each point of the loss
    rates = rate.values[np.clip(np.searchsorted(rate.steps, curve.steps, side="right") - 1, 0, len(rate) - 1)]
    judged = [_spent(run, curve, rate, rates), _rising(run, curve, rate)]
    if batches is None:
        # the rate of biases alone may begin high and fall in a warm-up, in which that of the weights rises
        early = (
            [_no_warm_up(curve, rates), _too_early(run, curve, rates, options["drop"])] if run.every("learning rate") else []
        )
        judged = [*early, *judged, _never(curve, rates)]
    for found in judged:
        for kind, at, evidence in found:
            yield _finding(run, curve, rate, kind, at, evidence)
            return


def _of_batches(run: TrainingRun, least: int) -> tuple[Curve, Curve] | None:
    """The loss of every batch and the rate of the measured ones, where the training loss has too few points, or nothing else
    tells the rate, or tells it only after it has fallen to almost zero."""
    curve, batches = run.signal("training loss"), run.signal("batch loss")
    rate = run.statistic(schema.STATISTICS, "learning_rate")
    if run.kind is not None or curve is None or batches is None or rate is None:
        return None
    told = run.signal("learning rate")
    spent = (
        told is not None and len(rate.finite) and max(told.finite.values, default=0.0) < ALMOST_ZERO * rate.finite.values.max()
    )
    if len(curve.finite) >= least and told is not None and not spent:
        return None
    return (batches.finite, rate.finite) if len(batches.finite) >= least and len(rate.finite) >= FOR_A_LEVEL else None


def _at_once(run: TrainingRun) -> Finding | None:
    """A schedule that comes to its end within the first epoch, by the rates of the measured batches."""
    rate, losses, fit = run.statistic(schema.STATISTICS, "learning_rate"), run.signal("batch loss"), run.facts.get("fit") or {}
    each, epochs = fit.get("steps") or 0, fit.get("epochs") or 0
    if rate is None or losses is None or not (run.facts.get("optimizer") or {}).get("schedule") or epochs < EPOCHS:
        return None
    after = rate.finite.values[rate.finite.steps >= each]
    if len(after) < FOR_A_LEVEL or losses.steps[-1] < EPOCHS * each - 1 or np.ptp(after) > 0:
        return None
    highest = float(rate.finite.values.max())
    spent = rate.finite.steps[rate.finite.values == after[-1]]
    if highest <= ENDED * after[-1]:
        return None
    evidence = {"spent_by": f"{int(spent[0]) + 1:,}", "of_steps": f"{epochs * each:,}", "left": number(float(after[-1]))}
    return _finding(run, losses, rate, "at-once", int(np.searchsorted(losses.steps, spent[0])), evidence)


Found = Iterator[tuple[str, int, dict[str, Any]]]


def _no_warm_up(curve: Curve, rates: np.ndarray) -> Found:
    """The loss rose sharply at the start, at the full rate."""
    tenth = max(FOR_A_LEVEL, len(curve) // TENTH)
    high = int(np.argmax(curve.values[:tenth]))
    if (
        high
        and curve.values[high] > BLOW_UP * abs(curve.values[0]) + 2 * SIGMAS * noise(curve.values)
        and rates[0] >= SAME_RATE * rates.max()
    ):
        yield "no-warm-up", high, {"blow_up": float(curve.values[high]), "first_loss": float(curve.values[0])}


def _spent(run: TrainingRun, curve: Curve, rate: Curve, rates: np.ndarray) -> Found:
    """The rate was almost zero for most of the training, or nothing for a large part of it, and the loss fell no more."""
    for part, least, words in ((ALMOST_ZERO, SPENT_SHARE, "a thousandth"), (VANISHED, VANISHED_SHARE, "a millionth")):
        first, share = _since(rates, part)
        if part == ALMOST_ZERO:
            what = "part of the training at a learning rate near zero"
            run.measured(what, share, above=SPENT_SHARE, percent=True, curve=rate)
        if share >= least:
            if not _fell(curve.values[first:]):
                yield "spent", first, {"spent_percent": 100 * share, "spent_text": words}
            return


def _fell(values: np.ndarray) -> bool:
    """Whether a loss fell, by more than counts as nothing."""
    before, after = level(values, ENDS), level(values, ENDS, end=True)
    return after < before - NOT_LEARNED * abs(before)


def _since(rates: np.ndarray, part: float) -> tuple[int, float]:
    """From which point on the rates stay below a part of the highest one, and the share of the training that comes after."""
    low = rates < part * rates.max()
    first = len(rates) - int(np.argmin(low[::-1]))
    return first, 1 - first / len(rates)


def _rising(run: TrainingRun, curve: Curve, rate: Curve) -> Found:
    """The rate rose along a straight line until the training ended, and the loss hardly fell."""
    rate = max([rate, *(curve.finite for curve in run.every("learning rate"))], key=len) if rate.axis == "batch" else rate
    if rate.axis == curve.axis == "batch" and run.ended == "finished" and rate.steps[-1] < curve.steps[-1]:
        rate = _with_last(run, rate, int(curve.steps[-1]))
    if rate.axis == curve.axis and rate.steps[-1] < curve.steps[-1] - (curve.steps[-1] - curve.steps[0]) / TENTH:
        return  # the rates of the last steps are not known
    values, part = rate.values, (rate.steps - rate.steps[0]) / max(float(rate.steps[-1] - rate.steps[0]), 1.0)
    risen = float(values[-1] - values[0])
    if values[-1] < RISEN * values[0] or risen <= 0 or (np.diff(values) < 0).any() or not _is_over(run, rate):
        return
    straight = float(np.abs(values - values[0] - risen * part).max()) <= STRAIGHT * risen
    late = float(values[-1] - np.interp(1 - 1 / TENTH, part, values))
    before, after = level(curve.values, ENDS), level(curve.values, ENDS, end=True)
    # a loss that rose is one of a range test
    never = after > NOT_FAR * before and 0 < values[-1] < WARM_UP_AT_LEAST * float(
        (run.loop.get("schedule") or {}).get("base") or 0.0
    )
    if straight and late > risen / TENTH / 2 and (never or abs(after - before) <= NOT_LEARNED * abs(before)):
        evidence = {"first_rate": float(values[0]), "last_rate": float(values[-1]), "before": before, "after": after}
        yield "rising", len(curve) - 1, evidence


def _with_last(run: TrainingRun, rate: Curve, step: int) -> Curve:
    """The measured rates, and the one with which the training ended, if it is known."""
    last = (run.loop.get("schedule") or {}).get("rate")
    if last is None:
        return rate
    times = np.append(rate.wall_times, rate.wall_times[-1])
    return replace(rate, steps=np.append(rate.steps, step), values=np.append(rate.values, last), wall_times=times)


def _is_over(run: TrainingRun, rate: Curve) -> bool:
    """Whether the training ended, as far as the log tells: of a live one in its warm-up nothing is known yet."""
    planned = run.settings.get("max steps")
    reached = planned is not None and isinstance(planned.value, int | float) and 0 < planned.value <= rate.steps[-1] + 1
    return run.ended == "finished" or reached


def _too_early(run: TrainingRun, curve: Curve, rates: np.ndarray, drop: float) -> Found:
    """The rate dropped while the loss fell fast, and since then the loss fell by less than in one part before the drop."""
    values, steps = stretches(curve, STRETCHES)
    begins = np.searchsorted(curve.steps, steps)
    rates = rates[begins]
    peak = np.flatnonzero(rates >= SAME_RATE * rates.max())[-1]
    low = peak + int(np.argmax(rates[peak:] <= rates[peak] / drop))
    if low == peak or low >= len(values) / 2 or len(values) - low < AFTER or (values <= 0).any():
        return
    before = max(low - 1, 1)
    pace = float(np.min(-np.diff(np.log(values[max(before - 2, 0) : before + 1]))))  # of the last parts before the drop
    gained = float(np.log(values[before] / level(values, ENDS, end=True)))
    steep = max(STEEP, SIGMAS * noise(np.log(values[low:])))
    if pace <= steep:
        run.measured("fall of the training loss just before the rate dropped", pace, above=steep, percent=True, curve=curve)
    if pace > steep and gained < pace:
        evidence: dict[str, Any] = {"pace_percent": 100 * -np.expm1(-pace), "later_percent": 100 * -np.expm1(-gained)}
        evidence["times_text"] = number(float(rates[peak] / rates[low])) if rates[low] > 0 else None
        evidence["unit"] = "epoch" if len(values) == len(curve) and curve.axis == "epoch" else "part of the curve"
        yield "early-drop", int(begins[low]), evidence


def _never(curve: Curve, rates: np.ndarray) -> Found:
    """The rate is constant, and the loss is flat and noisy in the later half of a long training."""
    if rates.min() <= 0 or rates.min() < SAME_RATE * rates.max() or len(curve) < FOR_A_FLAT_END:
        return
    late = curve.values[len(curve) // 2 :]
    sigma = noise(late)
    gained = level(late, ENDS) - level(late, ENDS, end=True)
    before = level(curve.values, ENDS / 2) - level(late, ENDS)
    if abs(gained) < FLAT * sigma and sigma > NOISY * abs(median(late)) and before > 2 * SIGMAS * sigma:
        yield "no-drop", len(curve) // 2, {"level_noise_percent": 100 * sigma / abs(median(late))}


_TITLES = {
    "no-warm-up": "The loss rose sharply at the full learning rate",
    "spent": "The learning rate was almost zero for most of the training",
    "rising": "The learning rate was still rising when the training ended",
    "at-once": "The learning rate schedule is over within the first epoch",
    "early-drop": "The learning rate dropped while the loss was falling fast",
    "no-drop": "The loss is flat and noisy at a constant learning rate",
}


SURE = ("spent", "rising", "at-once")  # no training needs such a schedule; by definition
_ABSENT = absent(
    *("blow_up", "first_loss", "spent_percent", "spent_text", "pace_percent", "later_percent", "times_text", "unit"),
    *("level_noise_percent", "first_rate", "last_rate", "before", "after", "spent_by", "of_steps", "left"),
)


def _finding(run: TrainingRun, curve: Curve, rate: Curve, kind: str, at: int, evidence: dict[str, Any]) -> Finding:
    step, seen = int(curve.steps[min(at, len(curve) - 1)]), "The curves of the loss and the learning rate show this."
    named = {"spent": "early-drop", "rising": "long-warm-up", "at-once": "unit"}.get(kind, kind)
    cause = no_warm_up(run, seen) if kind == "no-warm-up" else Cause(named, seen)
    if named == "early-drop":
        cause = replace(cause, edit=lower_rate_later(run.facts))
    if named == "unit":
        cause = replace(cause, edit=count_in_steps(run.facts))
    if named == "long-warm-up" and curve.axis != "epoch":
        cause = replace(cause, edit=shorten_warm_up(run.facts, max(round(int(curve.steps[-1]) / PART_OF_WARM_UP), 1)))
    return Finding(
        severity="warning" if kind in SURE else "info",
        confidence="likely" if kind in SURE else "possible",
        title=_TITLES[kind] + (f" ({place(curve.axis, step)})" if kind in ("no-warm-up", "early-drop") else ""),
        evidence={**_ABSENT, "at_place": place(curve.axis, step), "rate_text": number(float(rate.values.max())), **evidence},
        first_step=step,
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), rate.source()],
        causes=[cause],
        bad_step=step,
    )


HEURISTIC = Heuristic(
    id="learning-rate-schedule",
    group="curves",
    title_passed="The learning rate schedule suits the training",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("learning rate", "training loss"),
    order=340,
    families=("curve-shape",),
    whole_training=True,
)
