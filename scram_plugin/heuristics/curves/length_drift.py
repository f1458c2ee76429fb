"""Length drift: the answers of a rewarded language model grow by much, and the reward does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.checkable import enough, half_way, level
from scram_plugin.heuristics.curves.noise import error_of_difference, noise
from scram_plugin.heuristics.curves.returns import FOR_LEVELS, held_out, levels, moved
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS, TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "growth",
        0.5,
        "growth of the mean length of a completion, as a share of its first value",
        "that of rldoctor 0.2.0; real GRPO runs: `make bench-labelled`",
    ),
)
LOG_LENGTH = 'writer.add_scalar("train/completions/mean_length", lengths.float().mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("completion length")
    if curve is None:
        raise NotChecked("no length of completions was logged: nothing is generated, or its tag is unknown", LOG_LENGTH)
    curve, seen = enough(curve.finite, FOR_LEVELS, "mean length of completions"), levels(run)
    first, now = level(curve.values, 1 / TENTH), level(curve.values, ENDS, end=True)
    if first <= 0:
        return
    chance = SIGMAS * error_of_difference(noise(curve.values), max(FOR_A_LEVEL, len(curve) / TENTH))
    least = max(options["growth"], chance / first)
    if now / first - 1 <= least:
        run.measured("growth of the mean length of a completion", now / first - 1, above=least, percent=True, curve=curve)
        return
    rose = seen.last - float(seen.values[: max(len(seen.values) // 2, 1)].min())
    pays = [("rise of the reward", rose, SIGMAS * seen.error, seen.curve)]
    for other in held_out(run, FOR_A_LEVEL):
        then, later, by_chance = moved(other, int(other.steps[0]))
        pays.append(("rise of a held-out measure", later - then, by_chance, other))
    for what, gained, most, measure in pays:
        if gained > most:  # the length may be what earns it
            run.measured(what, gained, below=most, curve=measure)
            return
    since = half_way(curve, first, now)
    unit, cut = curve.axis, run.signal("truncated completions")
    yield Finding(
        severity="warning",
        confidence="possible",
        title=f"Completions grew by {percent(now / first - 1)}, and the reward did not rise",
        evidence={
            "first": first,
            "now": now,
            "since_place": place(unit, since),
            "reward_first": float(seen.values[0]),
            "reward_now": seen.last,
            "cut_percent": None if cut is None or not len(cut.finite) else 100 * float(cut.finite.values[-1]),
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis=unit,
        curves=[curve.source(), seen.curve.source()],
        causes=[
            Cause(
                "reward", f"The mean length went from {number(first)} to {number(now)} tokens, and no reward was earned by it."
            ),
            Cause("normalisation", "Completions are compared within groups." if run.signal("reward spread") else ""),
        ],
        bad_step=since,
    )


HEURISTIC = Heuristic(
    id="length-drift",
    group="curves",
    title_passed="The length of completions stays, or grows with the reward",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("mean length of completions", "return"),
    order=367,
    explains=("entropy-collapse",),
    precedence=338,
    whole_training=True,
)
