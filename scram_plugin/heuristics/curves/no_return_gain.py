"""No return gain: a policy never got more return than at its start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import USUAL, enough, highest_rate
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.returns import AT_THE_END, FOR_LEVELS, Levels, entropy, levels, levels_of, updates_as_cause
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option, absent, by_evidence
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.kinds import RETURNS
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        50,
        "points of the return that are needed",
        "half of a healthy PPO run may be flat: `make bench-labelled`",
    ),
    Option(
        "completions",
        250,
        "the same where completions of a language model are rewarded",
        "healthy GRPO runs are flat for 100 to 200 steps before the reward rises: `make bench-labelled`",
    ),
)
AT_THE_TOP = 0.3  # share of the points that have the highest return: then there is no more to be had; by bench-labelled
MISSED = 3  # usual gaps between points: a log that begins later may have missed the gain; as no-learning
TRIED = 0.5  # of the entropy at the start: below that a policy tries little else; by bench-labelled

UNMOVED = 1e-4  # approximate KL divergence: the policy stays what it was; PPO's usual target is 0.01 (Schulman, 2017)
OTHERS = ("policy entropy", "entropy loss", "policy kl")  # what is shown beside the return


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    seen = levels(run)
    returns = [curve.finite for name in sorted(RETURNS) for curve in run.every(name)]
    known = [levels_of(curve) for curve in returns if len(curve) >= FOR_LEVELS]
    if any(one.gained for one in known):
        gain = max(known, key=lambda one: one.range)
        run.measured("rise of the return to its best level", gain.range, curve=gain.curve)
        return
    success = run.signal("success rate")
    if success is not None and len(success.finite) >= FOR_LEVELS and levels_of(success.finite).gained:
        return
    rewarded = run.signal("reward spread") is not None or run.signal("completion length") is not None
    curve = enough(seen.curve, int(options["completions" if rewarded else "least"]), "return")
    values, unit = curve.values, curve.axis
    if curve.steps[0] > MISSED * median(np.diff(curve.steps)) + 1:
        raise Inconclusive(
            f"the return is flat, but the log begins at {unit} {curve.steps[0]:,}: it may have risen before that"
        )
    top = float(values.max())
    if top > 0 and float((values == top).mean()) > AT_THE_TOP:
        raise Inconclusive("the return is at its highest value much of the time: there may be no more to be had")
    if seen.last - seen.values[:-AT_THE_END].min() > SIGMAS * max(seen.error, seen.wander):
        raise Inconclusive("the return fell at first and rises since then")
    never = bool((values == 0).all())
    first, last = int(curve.steps[0]), int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if never or np.ptp(values) == 0 else "possible",
        title=f"The return is 0 up to {place(unit, last)}: no reward was earned"
        if never
        else f"The return gained nothing up to {place(unit, last)}",
        evidence={
            "points": len(curve),
            "last_place": place(unit, last),
            **(absent("first", "best", "last") if never else _told(seen)),
            "never": "No reward was earned: each point of the return is 0." if never else None,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *(c.source() for name in OTHERS if (c := run.signal(name)) is not None)],
        causes=_causes(run, seen, never),
    )


def _told(seen: Levels) -> dict[str, float]:
    """The return at the start, the best level after that, and the one at the end."""
    return {"first": median(seen.curve.values[:FOR_A_LEVEL]), "best": float(seen.values[1:].max()), "last": seen.last}


def _causes(run: TrainingRun, seen: Levels, never: bool) -> list[Cause]:
    sparse = Cause(
        "sparse-reward", "Not one episode earned a reward, so no update knows which action was good." if never else ""
    )
    updates, known = updates_as_cause(run, int(seen.curve.steps[-1])), entropy(run)
    exploration = Cause("no-exploration")
    if known is not None:
        first, now = known[1][:FOR_A_LEVEL].max(), known[1][-FOR_A_LEVEL:].mean()
        said = f"The entropy of the policy went from {number(first)} to {number(now)}"
        exploration = (
            Cause("no-exploration", f"{said}.") if now < TRIED * first else Cause("no-exploration", "", f"{said}: it tries.")
        )
    small = Cause("small-updates", *_small(run))
    causes = [sparse, updates, exploration, small, Cause("environment")]
    return by_evidence(causes)


def _small(run: TrainingRun) -> tuple[str, str]:
    """What speaks for updates that are too small, and what against it."""
    curve: Curve | None = run.signal("policy kl")
    if curve is None or not len(curve.finite):
        rate = highest_rate(run)
        low = rate is not None and rate < USUAL[0]
        return f"The highest learning rate was {number(rate)}." if low and rate is not None else "", ""
    usual = median(np.abs(curve.finite.values))
    said = f"The usual approximate KL divergence of an update is {number(usual)}"
    return (f"{said}: the policy hardly changes.", "") if usual < UNMOVED else ("", f"{said}: the policy changes.")


HEURISTIC = Heuristic(
    id="no-return-gain",
    group="curves",
    title_passed="The return rose",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("return",),
    order=363,
    families=("standstill",),
    whole_training=True,
)
