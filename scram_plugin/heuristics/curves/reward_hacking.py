"""Reward hacking: the reward that a policy is trained for rises, and what it was meant to improve falls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough
from scram_plugin.heuristics.curves.metrics import EVALUATIONS
from scram_plugin.heuristics.curves.noise import sliding_medians
from scram_plugin.heuristics.curves.returns import Levels, held_out, levels, moved
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS, TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, one_line, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "fall",
        0.1,
        "fall of a held-out measure since its best level, as a share of that level",
        "by definition: less may be another choice of prompts; the noise of the measure must be exceeded, too",
    ),
)
LOG_HELD_OUT = 'writer.add_scalar("eval/reward", mean_reward_of_held_out_prompts, step)  # or another measure, as eval/accuracy'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    seen = levels(run)
    others = [curve for curve in held_out(run, FOR_A_LEVEL) if curve.source() != seen.curve.source()]
    if not others:
        raise NotChecked("the reward that is trained for is the only measure that was logged", LOG_HELD_OUT)
    longest = enough(max(others, key=len), EVALUATIONS, "held-out measure")
    falls = [found for c in others if len(c) >= EVALUATIONS and (found := _fall(run, seen, c, options["fall"])) is not None]
    if not falls:
        run.measured("evaluations of the held-out measure", len(longest), curve=longest)
        return
    curve, step = max(falls, key=lambda found: len(found[0]))
    for other in others:
        then, now, chance = moved(other, step)
        if now - then > chance:  # of several measures one falls, and another rises: a trade
            run.measured("rise of another held-out measure", now - then, below=chance, curve=other)
            return
    then, now, _ = moved(curve, step)
    unit, kl = curve.axis, run.signal("reference kl")
    evidence = f"{one_line(curve.tag)} fell from {number(then)} to {number(now)} while the reward rose."
    far = f"The KL divergence from the reference is {number(float(kl.finite.values[-1]))}." if kl and len(kl.finite) else ""
    yield Finding(
        severity="warning",
        confidence="possible",
        title=f"The reward rises, and {one_line(curve.tag)} falls from {number(then)} to {number(now)}",
        evidence={
            "measure": one_line(curve.tag),
            "best_place": place(unit, step),
            "then": then,
            "now": now,
            "reward_then": _reward_at(seen, step),
            "reward_now": seen.last,
        },
        first_step=step,
        last_step=int(curve.steps[-1]),
        axis=unit,
        curves=[curve.source(), seen.curve.source(), *([kl.source()] if kl is not None else [])],
        causes=[Cause("goal", evidence), Cause("too-far", far), Cause("prompts")],
        bad_step=int(curve.steps[min(int(np.searchsorted(curve.steps, step)) + 1, len(curve) - 1)]),
        best_step=step,
    )


def _fall(run: TrainingRun, seen: Levels, curve: Curve, share: float) -> tuple[Curve, int] | None:
    """A held-out measure and the step of its best level, if it fell since then and the reward rose; else None."""
    highs = sliding_medians(curve.values, FOR_A_LEVEL)
    step = int(curve.steps[int(np.argmax(highs)) + FOR_A_LEVEL // 2])
    then, now, chance = moved(curve, step)
    if then == 0:
        return None
    least = max(share, chance / abs(then))
    if then - now <= least * abs(then):
        what = "fall of a held-out measure since its best level"
        run.measured(what, max(then - now, 0.0) / abs(then), above=least, percent=True, curve=curve)
        return None
    rose, enough_of_it = seen.last - _reward_at(seen, step), max(SIGMAS * seen.error, float(np.ptp(seen.values)) / TENTH)
    if rose <= enough_of_it:
        run.measured("rise of the reward since a held-out measure was best", rose, above=enough_of_it, curve=seen.curve)
        return None
    return curve, step


def _reward_at(seen: Levels, step: int) -> float:
    return float(seen.values[max(int(np.searchsorted(seen.curve.steps[seen.begins], step, "right")) - 1, 0)])


HEURISTIC = Heuristic(
    id="reward-hacking",
    group="curves",
    title_passed="What is not trained for does not fall while the reward rises",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("return", "a held-out measure: a return of evaluations, a rate of success or a score"),
    order=368,
    explains=("length-drift", "entropy-collapse"),
    precedence=337,
    whole_training=True,
)
