"""Likelihood displacement: preference training makes the chosen answers far less likely, and the rejected ones even less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.checkable import enough, half_way, level
from scram_plugin.heuristics.curves.noise import error_of_difference, noise
from scram_plugin.heuristics.curves.preference_memorised import FOR_PREFERENCES, rate_of_preferences
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS, TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "fall",
        0.5,
        "fall of the log-probability of the chosen answers, as a fraction of its first value",
        "by definition: half of what a fall must be for a warning; some fall is usual (Rafailov et al., 2024)",
    ),
)
SQUARED = 1.0  # of the first value: then the perplexity of the chosen answers is squared; by definition
ONE_NAT = 1.0  # nats: after a smaller fall the chosen answers keep more than a third of their probability; by definition
LOG_ANSWERS = 'writer.add_scalar("train/logps/chosen", log_probability_of_chosen.mean(), step)  # and train/logps/rejected'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    chosen, rejected = _answers(run, "chosen"), _answers(run, "rejected")
    (first, now), (other, after) = ((level(c.values, 1 / TENTH), level(c.values, ENDS, end=True)) for c in (chosen, rejected))
    if first >= 0:
        return  # no logarithm of a probability
    fall = first - now
    chance = SIGMAS * error_of_difference(noise(chosen.values), max(FOR_A_LEVEL, len(chosen) / TENTH))
    least = max(options["fall"] * -first, ONE_NAT, chance)
    if fall <= least:
        what = "fall of the log-probability of the chosen answers, as a fraction of its first value"
        run.measured(what, max(fall, 0.0) / -first, above=least / -first, percent=True, curve=chosen)
        return
    if other - after <= fall:
        run.measured("rise of the margin of the log-probabilities, in nats", other - after - fall, above=0.0, curve=rejected)
        return
    unit, since = chosen.axis, half_way(chosen, first, now)
    yield Finding(
        severity="warning" if fall > max(SQUARED * -first, least) else "info",
        confidence="possible",
        title=f"The chosen answers became less likely, too: their log-probability went from {number(first)} to {number(now)}",
        evidence={
            "first": first,
            "now": now,
            "fall_percent": 100 * fall / -first,
            "rejected_first": other,
            "rejected_now": after,
            "since_place": place(unit, since),
        },
        first_step=int(chosen.steps[0]),
        last_step=int(chosen.steps[-1]),
        axis=unit,
        curves=[chosen.source(), rejected.source()],
        causes=[
            Cause(
                "objective",
                f"The margin grew by {number(other - after - fall)} nats, while the chosen answers lost {number(fall)}.",
            ),
            Cause("alike"),
            rate_of_preferences(run),
        ],
        bad_step=since,
    )


def _answers(run: TrainingRun, which: str) -> Curve:
    curve = run.signal(f"{which} log-probability")
    if curve is None:
        raise NotChecked(f"no log-probability of the {which} answers was logged", LOG_ANSWERS)
    return enough(curve.finite, FOR_PREFERENCES, f"log-probability of the {which} answers")


HEURISTIC = Heuristic(
    id="likelihood-displacement",
    group="curves",
    title_passed="The chosen answers keep their probability",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("log-probabilities of chosen and rejected answers",),
    order=366,
    whole_training=True,
)
