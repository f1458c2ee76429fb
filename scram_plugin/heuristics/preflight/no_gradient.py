"""Variables that are to be trained and get no gradient: cut off, or never used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import listed, shown_loss
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested, whole_of
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "gradients")
    still, count = found.get("still") or [], found.get("count") or 0
    if not count or not still:
        return
    curve = shown_loss(run)
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{count} of {found.get('variables')} variables get no gradient",
        evidence={"count": count, "variables": found.get("variables"), "names": listed([f"`{path}`" for path in still])},
        **whole_of(curve),
        causes=[Cause("unused"), Cause("cut"), Cause("dead")],
    )


HEURISTIC = Heuristic(
    id="no-gradient",
    group="preflight",
    title_passed="All variables get gradients",
    check=check,
    page=Page.beside(__file__),
    needs=("a preflight",),
)
