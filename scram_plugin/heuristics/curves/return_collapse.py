"""Return collapse: a policy loses much of the return that it had reached, and does not get it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.returns import AT_THE_END, Levels, entropy, levels, updates_as_cause
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Option, by_evidence
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "lost",
        0.3,
        "part of what the return had gained that must be lost at the end",
        "real PPO runs: `make bench-labelled`",
    ),
)
LOST_FOR_GOOD = 0.6  # part of the gain: such a loss is likely to be one for good; by bench-labelled
HALF_LOST = 0.5  # of the best level: a fall by more counts without a gain before, too; by bench-labelled
LOW_ENTROPY = 0.05  # of the first entropy: the policy hardly tries anything else any more; by bench-labelled


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    seen = levels(run)
    fall = seen.highest - seen.last
    # a policy may be good from the start, or get worse from its first update on
    fell_far = fall > max(2 * SIGMAS * max(seen.error, seen.wander), HALF_LOST * abs(seen.highest))
    lowest = seen.lowest if seen.gained else float(seen.values.min())
    gain = seen.highest - lowest
    if gain <= SIGMAS * seen.error or gain <= 0:
        return
    least = max(options["lost"], 2 * SIGMAS * seen.error / gain)
    lost = max(fall, 0.0) / gain
    if not seen.gained and not (fell_far and lost > LOST_FOR_GOOD):
        run.measured("fall of the return from its best level", fall, curve=seen.curve)
        return
    run.measured("part of the return's gain that is lost at the end", lost, above=least, percent=True)
    if lost <= least:
        return
    curve, unit = seen.curve, seen.curve.axis
    best = int(curve.steps[seen.begins[seen.best]])
    last = int(curve.steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely" if lost > LOST_FOR_GOOD and seen.best < len(seen.values) - AT_THE_END - 1 else "possible",
        title=f"The return fell from {number(seen.highest)} to {number(seen.last)} and did not come back",
        evidence={
            "best_place": place(unit, best),
            "best_return": seen.highest,
            "last_return": seen.last,
            "last_place": place(unit, last),
            "lost_percent": 100 * min(lost, 1.0),
            "lowest": lowest,
        },
        first_step=best,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *(c.source() for c in _others(run))],
        causes=_causes(run, seen),
        bad_step=_first_low(seen),
        best_step=best,
    )


def _first_low(seen: Levels) -> int:
    """Where the level fell, for good, below the middle between the best and the last one."""
    middle = (seen.highest + seen.last) / 2
    high = [i for i, level in enumerate(seen.values) if level > middle and i >= seen.best]
    return int(seen.curve.steps[seen.begins[min(high[-1] + 1, len(seen.begins) - 1)]])


def _others(run: TrainingRun) -> list[Curve]:
    known = (run.signal(name) for name in ("policy kl", "policy entropy", "entropy loss"))
    return [curve for curve in known if curve is not None]


def _causes(run: TrainingRun, seen: Levels) -> list[Cause]:
    known, exploration = entropy(run), Cause("no-exploration")
    if known is not None:
        first, now = known[1][:FOR_A_LEVEL].max(), known[1][-FOR_A_LEVEL:].mean()
        said = f"The entropy of the policy went from {number(first)} to {number(now)}"
        low = now < LOW_ENTROPY * first
        exploration = Cause(
            "no-exploration", f"{said}." if low else "", "" if low else f"{said}: it still tries other actions."
        )
    causes = [updates_as_cause(run, int(seen.curve.steps[-1])), exploration]
    return [*by_evidence(causes), Cause("not-kept")]


HEURISTIC = Heuristic(
    id="return-collapse",
    group="curves",
    title_passed="The return kept what it had reached",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("return",),
    order=362,
    families=("blow-up",),
    explains=("no-return-gain",),
    precedence=347,
    whole_training=True,
)
