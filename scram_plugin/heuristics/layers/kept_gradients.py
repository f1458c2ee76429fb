"""Gradients that are not cleared between steps, so that each step uses the sum of all gradients so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin import schema
from scram_plugin.heuristics.edits import clear_gradients, never_cleared
from scram_plugin.heuristics.heuristic import CALIBRATED, OPTIMIZER, Cause, Finding, Heuristic, NotChecked, Option, TooEarly
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        3,
        "number of measured batches that are needed",
        CALIBRATED,
    ),
)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    kept = run.statistic(schema.STATISTICS, "gradient/kept")
    if kept is None:
        if run.framework_of_facts == "keras":
            raise NotChecked("Keras clears gradients itself", "a PyTorch loop in scram_plugin.watch(model, optimizer)")
        raise NotChecked("whether gradients are cleared was not recorded", "scram_plugin.watch(model, optimizer)")
    if len(kept) < options["least"]:
        raise TooEarly(f"it needs {int(options['least'])} measured batches")
    times = int(kept.values.sum())
    run.measured("measured batches that began with cleared gradients", len(kept) - times, below=1, curve=kept)
    other = never_cleared(run.facts) if times < len(kept) else None
    if times < len(kept) and other is None:  # in some batches only: probably intended
        return
    owner, edit = other or ("", clear_gradients(run.facts))
    said = f"The program clears the gradients of other optimizers, and never those of `{one_line(owner)}`." if owner else None
    loss = run.signal("batch loss")
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The gradients of `{one_line(owner)}` are never cleared" if owner else "Gradients are not cleared between steps",
        evidence={"times": None if owner else times, "said": said},
        first_step=int(kept.steps[0]),
        last_step=int(kept.steps[-1]),
        axis="batch",
        curves=[*([loss.source()] if loss is not None else []), kept.source()],
        causes=[Cause("forgotten", said or "Nothing cleared them before the next backward pass.", "", edit)],
        where=[OPTIMIZER],
        at_once=False,
    )


HEURISTIC = Heuristic(
    id="kept-gradients",
    group="layers",
    title_passed="Gradients are cleared between steps",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's record of a training with PyTorch",),
    order=420,
    precedence=180,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "overfitting", "metric-loss-disagreement", "undertrained"),
)
