"""The training waits for its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "share",
        0.4,
        "share of a step's time that may be spent waiting for the next batch; with prefetching there is hardly a wait",
        CALIBRATED,
    ),
    Option(
        "seconds",
        0.005,
        "seconds from which on a wait matters; handing a batch over may take less",
        CALIBRATED,
    ),
)
LEAST_WORK = 0.05  # share of a step: shorter work is not told as a speed-up of more than 20 times; by definition
MILLISECONDS = 1000  # in a second; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    wait, step = (run.statistic(schema.PROCESS, which) for which in ("wait_seconds", "step_seconds"))
    if wait is None or step is None or not len(wait.finite) or not len(step.finite):
        raise NotChecked("the time spent waiting for data was not logged", HOW)
    waited, whole = float(np.median(wait.finite.values)), float(np.median(step.finite.values))
    if waited < options["share"] * whole:
        if whole > 0:
            run.measured(
                "share of a step spent waiting for data", waited / whole, above=options["share"], percent=True, curve=wait
            )
        return
    if waited < options["seconds"]:
        run.measured("seconds that a step waits for its data", waited, above=options["seconds"], curve=wait)
        return
    share = min(waited / whole, 1.0)
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The training waits for its data: {percent(share)} of each step",
        evidence={
            "wait": MILLISECONDS * waited,
            "step": MILLISECONDS * whole,
            "share": share,
            "times": 1 / max(1 - share, LEAST_WORK),
        },
        first_step=int(wait.steps[0]),
        last_step=int(wait.steps[-1]),
        axis="batch",
        curves=[wait.source(), step.source()],
        causes=[Cause("pipeline")],
    )


HEURISTIC = Heuristic(
    id="slow-input",
    group="data",
    title_passed="The training does not wait for its data",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's times of steps",),
    order=90,
    whole_training=True,
)
