"""KL blow-up: an update moved a policy far away from the one that made its data, and the return fell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_target
from scram_plugin.heuristics.curves.checkable import rate_as_cause
from scram_plugin.heuristics.curves.returns import levels
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import FOR_A_LEVEL
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "most",
        1.0,
        "approximate KL divergence of one update, in nats",
        "sound PPO runs stay below 0.5, collapsed ones pass 2: `make bench-labelled`",
    ),
)
FALLEN = 0.2  # part of the gain: so far below its best level the return must be afterwards; by bench-labelled
LOG_KL = 'writer.add_scalar("losses/approx_kl", ((ratio - 1) - ratio.log()).mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("policy kl")
    if curve is None or len(curve.finite) < FOR_A_LEVEL:
        raise NotChecked("no approximate KL divergence of the updates of a policy was logged", LOG_KL)
    seen, values, steps = levels(run), curve.finite.values, curve.finite.steps
    top = int(np.argmax(values))
    run.measured("largest approximate KL divergence of an update, in nats", values[top], above=options["most"], curve=curve)
    large = values > options["most"]
    if not large.any() or seen.range <= 0:
        return
    first = int(steps[np.argmax(large)])
    before, after = seen.between(int(seen.curve.steps[0]), first), seen.between(first, int(seen.curve.steps[-1]))
    if before is None or after is None:
        return
    # the best level up to it: a fall after that is what the update may have brought about
    best = float(seen.values[seen.curve.steps[seen.begins] <= first].max())
    fallen = (best - min(after, seen.last)) / seen.range
    so_far = number(float(values[np.argmax(large)]))
    yield Finding(
        severity="warning" if fallen > FALLEN else "info",
        confidence="likely",
        title=f"An update moved the policy far away at {place(curve.axis, first)}: KL {so_far}",
        evidence={
            "first_place": place(curve.axis, first),
            "largest": float(values[top]),
            "largest_place": place(curve.axis, int(steps[top])),
            "many": f"{counted(int(large.sum()), 'update')} {'was' if large.sum() == 1 else 'were'}",
            "usual": float(np.median(values)),
            "best": best,
            "after": min(after, seen.last),
        },
        first_step=first,
        last_step=int(steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), seen.curve.source()],
        causes=by_evidence([rate_as_cause(run), no_target(run), Cause("advantages")]),
        bad_step=first,
    )


HEURISTIC = Heuristic(
    id="kl-blow-up",
    group="curves",
    title_passed="Updates kept the policy near the one that made its data",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("approximate KL divergence of the updates", "return"),
    order=361,
    explains=("return-collapse", "entropy-collapse", "no-return-gain"),
    precedence=335,
    whole_training=True,
)
