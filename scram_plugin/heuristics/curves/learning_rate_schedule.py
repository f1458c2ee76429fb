"""The learning rate: dropped too early, never dropped, or started too high."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_warm_up
from scram_plugin.heuristics.curves.checkable import all_learned, enough, level, loss, stretches
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.edits import lower_rate_later
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
BLOW_UP = 2.0  # times the first loss, in the first tenth of the training; by bench-limits
SAME_RATE = 0.99  # of the highest rate: a rate that is not lower counts as the same; by bench-limits
FOR_A_FLAT_END = 50  # points of which half show that the loss is flat and noisy; by bench-limits
FLAT = 0.5  # noises that the later half may have gained; by bench-limits
NOISY = 0.05  # noise, as a fraction of the level; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    rate = run.signal("learning rate")
    if rate is None or len(rate.finite) < FOR_A_LEVEL:
        raise NotChecked(
            "no learning rate was logged", 'writer.add_scalar("learning_rate", optimizer.param_groups[0]["lr"], step)'
        )
    curve = loss(run, least=int(options["least"]))
    if all_learned(run):
        return
    rate = enough(rate.finite, FOR_A_LEVEL, "learning rate")
    # the rate at each point of the loss
    rates = rate.values[np.clip(np.searchsorted(rate.steps, curve.steps, side="right") - 1, 0, len(rate) - 1)]
    judged = [_no_warm_up(curve, rates), _too_early(run, curve, rates, options["drop"]), _spent(run, rate, rates)]
    # the rate of biases alone may begin high and fall in a warm-up, in which that of the weights rises
    for found in (*(judged if run.every("learning rate") else judged[-1:]), _never(curve, rates)):
        for kind, at, evidence in found:
            yield _finding(run, curve, rate, kind, at, evidence)
            return


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


def _spent(run: TrainingRun, rate: Curve, rates: np.ndarray) -> Found:
    """The rate was almost zero for most of the training."""
    spent = rates < ALMOST_ZERO * rates.max()
    first = len(rates) - int(np.argmin(spent[::-1])) if not spent.all() else 0
    share = 1 - first / len(rates)
    run.measured("part of the training at a learning rate near zero", share, above=SPENT_SHARE, percent=True, curve=rate)
    if 0 < first <= (1 - SPENT_SHARE) * len(rates):
        yield "spent", first, {"spent_percent": 100 * share}


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
    "early-drop": "The learning rate dropped while the loss was falling fast",
    "no-drop": "The loss is flat and noisy at a constant learning rate",
}


_ABSENT = absent(
    *("blow_up", "first_loss", "spent_percent", "pace_percent", "later_percent", "times_text", "unit", "level_noise_percent")
)


def _finding(run: TrainingRun, curve: Curve, rate: Curve, kind: str, at: int, evidence: dict[str, Any]) -> Finding:
    step, seen = int(curve.steps[at]), "The curves of the loss and the learning rate show this."
    cause = no_warm_up(run, seen) if kind == "no-warm-up" else Cause("early-drop" if kind == "spent" else kind, seen)
    if cause.id == "early-drop":
        cause = replace(cause, edit=lower_rate_later(run.facts))
    return Finding(
        severity="info",
        confidence="likely" if kind == "spent" else "possible",
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
