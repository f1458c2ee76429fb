"""Trainable variables that get no gradient: cut off, never used, or behind a dead layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import listed, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "gradients")
    # Only PyTorch gives `apart`: what the loss does not depend on. The rest of `still` has gradients of 0.
    apart = found.get("apart")
    names = apart or found.get("still") or []
    count = found.get("count_apart") or found.get("count") or 0
    if not count or not names:
        if found.get("variables"):
            run.measured("trainable variables that were tested", found["variables"])
        return
    told = listed([f"`{path}`" for path in names])
    causes = ["cut", "unused", "dead"] if apart is None else ["unused", "cut"] if apart else ["dead"]
    curve = shown_loss(run)
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{count} of {found.get('variables')} variables {'gets' if count == 1 else 'get'} no gradient",
        evidence={
            "count": count,
            "variables": found.get("variables"),
            "names": None if apart else told,
            "apart": told if apart else None,
        },
        **whole_of(curve),
        causes=[Cause(cause) for cause in causes],
    )


HEURISTIC = Heuristic(
    id="no-gradient",
    group="preflight",
    title_passed="All variables get a gradient",
    check=check,
    page=Page.beside(__file__),
    needs=("a preflight",),
    order=480,
    families=("preflight-test",),
    precedence=250,
    explains=("ignored-input", "one-batch"),
    unexplained=("unused",),
)
