"""Exploding gradient norm: a logged norm rises far above its usual size, and the loss stays worse after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_clipping
from scram_plugin.heuristics.curves.checkable import enough, level, loss, rate_as_cause
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "times",
        50.0,
        "largest gradient norm, in multiples of the median one",
        "real fine-tunings: `make bench-labelled`",
    ),
    Option(
        "worse",
        1.3,
        "loss at the end, in multiples of that before the first such norm",
        "real fine-tunings: `make bench-labelled`",
    ),
)
LEAST = 10  # points: with fewer a median of the norm says little; by definition
LOG_NORM = 'writer.add_scalar("train/grad_norm", torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0), step)'


def norms(run: TrainingRun, least: int = LEAST) -> Curve:
    """The logged gradient norm with values that are not finite. Raises NotChecked or TooEarly."""
    curve = run.signal("gradient norm")
    if curve is None:
        raise NotChecked("no gradient norm was logged", LOG_NORM)
    return enough(curve, least, "gradient norm")


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve, losses = norms(run), loss(run, least=LEAST)
    finite = curve.finite
    usual = median(finite.values) if len(finite) else 0.0
    if usual <= 0:
        return
    top = int(np.argmax(finite.values))
    times = float(finite.values[top] / usual)
    large = finite.values > options["times"] * usual
    if not large.any():
        run.measured("largest gradient norm, in multiples of the usual one", times, above=options["times"], curve=curve)
        return
    first = int(finite.steps[np.argmax(large)])
    before = losses.values[losses.steps < first]
    then = median(before[-FOR_A_LEVEL:]) if len(before) else float(losses.values[0])
    now = level(losses.values, ENDS, end=True)
    if then <= 0:
        return
    run.measured(
        "loss at the end, in multiples of that before the largest gradients", now / then, above=options["worse"], curve=losses
    )
    if now <= options["worse"] * then:
        return  # single large norms are usual, and do no harm
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The gradients exploded at {place(curve.axis, first)}, and the loss stays worse",
        evidence={
            "largest": float(finite.values[top]),
            "largest_place": place(curve.axis, int(finite.steps[top])),
            "usual": usual,
            "times": times,
            "count": int(large.sum()),
            "then": then,
            "now": now,
            "lost": len(curve) - len(finite) or None,
        },
        first_step=first,
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), losses.source()],
        causes=by_evidence([rate_as_cause(run), no_clipping(run, float(finite.values[top])), Cause("bad-batches")]),
        bad_step=first,
    )


HEURISTIC = Heuristic(
    id="exploding-grad-norm",
    group="curves",
    title_passed="The gradient norm stayed in its range, or large ones did no harm",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("gradient norm", "training loss"),
    order=225,
    families=("signal-flow", "blow-up"),
    explains=("divergence", "loss-spike", "no-learning", "plateau"),
    precedence=275,
)
