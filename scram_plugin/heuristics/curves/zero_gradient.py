"""Zero gradient: a logged gradient norm is exactly 0 in most steps, so that nothing is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.exploding_grad_norm import norms
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Option, by_evidence
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "share",
        0.5,
        "share of the logged gradient norms that are exactly 0",
        "healthy GRPO runs have no spread, and so no gradient, in up to a third of their steps: `make bench-labelled`",
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = norms(run)
    zero = curve.values == 0
    share = float(zero.mean())
    run.measured(
        "share of the logged gradient norms that are exactly 0", share, above=options["share"], percent=True, curve=curve
    )
    if share <= options["share"]:
        return
    first, last, unit = int(curve.steps[np.argmax(zero)]), int(curve.steps[-1]), curve.axis
    yield Finding(
        severity="error" if zero.all() else "warning",
        confidence="certain",
        title=f"The gradient is exactly 0 in {percent(share)} of the logged steps",
        evidence={"count": int(zero.sum()), "points": len(curve), "first_place": place(unit, first)},
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[
            curve.source(),
            *(c.source() for name in ("reward spread", "training loss") if (c := run.signal(name)) is not None),
        ],
        causes=_causes(run),
        bad_step=first,
    )


def _causes(run: TrainingRun) -> list[Cause]:
    spread, loss, reward = (run.signal(name) for name in ("reward spread", "training loss", "return"))
    if spread is not None and len(spread.finite):
        none = float((spread.finite.values == 0).mean())
        said = f"In {percent(none)} of the steps all completions of a group had the same reward."
        if reward is not None and len(reward.finite) and np.ptp(reward.finite.values) == 0:
            said += f" The mean reward is {number(float(reward.finite.values[0]))} throughout."
        return [Cause("no-spread", said if none > 0 else "", "" if none > 0 else said), Cause("frozen")]
    is_zero = loss is not None and len(loss.finite) > 0 and median(loss.finite.values) == 0
    masked = Cause(
        "masked", "The loss is exactly 0, too: no token counts." if is_zero else "", "" if is_zero else "The loss is not 0."
    )
    return by_evidence([masked, Cause("frozen")])


HEURISTIC = Heuristic(
    id="zero-gradient",
    group="curves",
    title_passed="The gradient is not 0",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("gradient norm",),
    order=215,
    explains=("no-learning", "plateau", "zero-loss", "vanishing-grad-norm"),
    precedence=215,
)
