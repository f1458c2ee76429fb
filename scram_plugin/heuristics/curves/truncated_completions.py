"""Truncated completions: most answers of a language model are cut at the limit of length, so that they cannot earn a reward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.curves.causes_of_settings import length_limit
from scram_plugin.heuristics.curves.checkable import enough, level
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import ENDS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "share",
        0.5,
        "share of the completions that are cut, at the end of the log",
        "by definition: then most answers have no end",
    ),
)
LEAST = 10  # points, so that a level is not that of a few batches; by definition
LOG_CUT = 'writer.add_scalar("train/completions/clipped_ratio", cut.float().mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("truncated completions")
    if curve is None:
        raise NotChecked("no share of truncated completions was logged: nothing is generated, or its tag is unknown", LOG_CUT)
    curve = enough(curve.finite, LEAST, "share of truncated completions")
    first, now = level(curve.values, ENDS), level(curve.values, ENDS, end=True)
    run.measured("share of the completions that are cut, at the end", now, above=options["share"], percent=True, curve=curve)
    if now <= options["share"]:
        return
    above = curve.values > options["share"]
    since = len(above) - int((~above)[::-1].argmax()) if not above.all() else 0
    begin, last, unit = int(curve.steps[min(since, len(curve) - 1)]), int(curve.steps[-1]), curve.axis
    length = run.signal("completion length")
    said = (
        f"Their mean length ends at {number(float(length.finite.values[-1]))} tokens."
        if length is not None and len(length.finite)
        else ""
    )
    limit = length_limit(run)
    grew = first <= options["share"]
    causes = [Cause("longer-and-longer", f"At the start {percent(first)} were cut. {said}".rstrip()), Cause("limit", limit)]
    others = [
        Cause("limit", f"From the start {percent(first)} are cut. {said} {limit}".rstrip()),
        Cause("no-end"),
        Cause("longer-and-longer"),
    ]
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{percent(now)} of the completions are cut at the limit of length",
        evidence={"now": 100 * now, "first": 100 * first, "since_place": place(unit, begin)},
        first_step=begin,
        last_step=last,
        axis=unit,
        curves=[curve.source(), *(c.source() for c in (length, run.signal("return")) if c is not None)],
        causes=[*causes, Cause("no-end")] if grew else others,
        bad_step=begin,
    )


HEURISTIC = Heuristic(
    id="truncated-completions",
    group="curves",
    title_passed="Completions end before the limit of length",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("share of truncated completions",),
    order=214,
    explains=("return-collapse", "entropy-collapse", "zero-gradient", "length-drift"),
    precedence=210,
)
