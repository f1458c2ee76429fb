"""Vanishing gradient norm: a logged norm shrinks by orders of magnitude and stays there, while the loss did not fall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import level, loss, rate_as_cause
from scram_plugin.heuristics.curves.exploding_grad_norm import norms
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, TENTH, TINY
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "times",
        3000.0,
        "gradient norm of the first fifth of the training, in multiples of that of the last fifth",
        "in 301 real trainings it is at most 950, where embeddings begin large: `make bench-labelled`",
    ),
    Option(
        "kept",
        0.9,
        "loss of the last fifth, in multiples of the first losses: below that, the training converged",
        "by definition: a loss that fell by less than a tenth did not fall",
    ),
)
FOR_A_FIFTH = (
    20  # points: of fewer a fifth is three or less, and first norms are often a thousand times the rest; by definition
)
NO_OVERLAP = (
    10.0  # times: so far the smallest usual norm of the first fifth lies above the largest of the last one; by bench-labelled
)
UNUSUAL = 1e-5  # a norm below it is unusual by itself, so that a few larger ones at the start count; by bench-labelled
LOWEST_USUAL, HIGHEST_USUAL = 10, 90  # percentiles between which norms usually are; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve, losses = norms(run, least=FOR_A_FIFTH).finite, loss(run, least=FOR_A_FIFTH)
    if len(curve) < FOR_A_FIFTH:
        raise Inconclusive("most gradient norms are NaN or infinite")
    values = np.maximum(curve.values, TINY)
    count = round(ENDS * len(values))
    last = values[-count:]
    first = values[: FOR_A_LEVEL if median(last) < UNUSUAL else count]
    times = median(first) / median(last)
    run.measured("gradient norm at the start, in multiples of that at the end", times, above=options["times"], curve=curve)
    if times <= options["times"] or np.percentile(first, LOWEST_USUAL) <= NO_OVERLAP * np.percentile(last, HIGHEST_USUAL):
        return
    then, now = median(losses.values[:FOR_A_LEVEL]), level(losses.values, ENDS, end=True)
    run.measured(
        "loss at the end, in multiples of that at the start", now / max(then, TINY), above=options["kept"], curve=losses
    )
    if now <= options["kept"] * then:
        return  # the gradient is small since the loss is near its lowest value
    begun, ended = (int(np.argmax(values < median(first) / part)) for part in (NO_OVERLAP, options["times"]))
    since = int(curve.steps[ended])
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The gradient vanished by {place(curve.axis, since)}, and the loss has not fallen",
        evidence={
            "first": median(first),
            "last": median(last),
            "times": times,
            "since_place": place(curve.axis, since),
            "then": then,
            "now": now,
        },
        first_step=since,
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), losses.source()],
        causes=_causes(run, curve, begun, ended),
        bad_step=since,
    )


def _causes(run: TrainingRun, curve: Curve, begun: int, ended: int) -> list[Cause]:
    """In this order: weights that shrink take long, and a single step is enough to saturate units."""
    fell = f"from {place(curve.axis, int(curve.steps[begun]))} to {place(curve.axis, int(curve.steps[ended]))}"
    rate, dead = rate_as_cause(run), Cause("dead-units")
    if ended - begun > len(curve) / TENTH:
        return [Cause("decay", f"The norm fell little by little, {fell}."), dead, rate]
    decay = Cause("decay", "", f"The norm fell within few points, {fell}." if ended > begun else "The norm fell at once.")
    return [dead, rate, decay] if rate.against else [rate, dead, decay]


HEURISTIC = Heuristic(
    id="vanishing-grad-norm",
    group="curves",
    title_passed="The gradient norm did not vanish while the loss was high",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("gradient norm", "training loss"),
    order=216,
    families=("signal-flow",),
    explains=("standstill", "divergence"),
    precedence=216,
)
