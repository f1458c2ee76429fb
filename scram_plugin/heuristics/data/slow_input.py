"""The training waits for its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import enough
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, NotChecked, Option
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.conventions import VALIDATION, words
from scram_plugin.logs.curve import Curve
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
LARGE_SHARE = (
    0.75  # share of a step from which on a logged wait is a warning: the training could be four times as fast; by definition
)
FOR_TIMES = 10  # points of logged times, of which the first one is left out; by definition
MORE_THAN_ALL = 1.2  # times of a step: a longer wait is measured in another unit, or in other processes; by definition
MILLISECONDS = 1000  # in a second; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    wait, step = (run.statistic(schema.PROCESS, which) for which in ("wait_seconds", "step_seconds"))
    recorded = wait is not None and step is not None and len(wait.finite) > 0 and len(step.finite) > 0
    if not recorded:
        wait, step = _logged(run)
    assert wait is not None
    assert step is not None
    waited, whole = median(wait.finite.values), median(step.finite.values)
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
        severity="warning" if recorded or share >= LARGE_SHARE else "info",
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
        axis=wait.axis,
        curves=[wait.source(), step.source()],
        causes=[Cause("pipeline")],
    )


def _logged(run: TrainingRun) -> tuple[Curve, Curve]:
    """The time for data, and that of a step, as a framework logs them, in seconds, without the first points.

    Raises NotChecked if one is missing, TooEarly if there are few points, Inconclusive if they do not fit each other.
    """
    wait, beside = _of_training(run, "data time"), _of_training(run, "step time")
    step = None if wait is None else beside or _beside(run, wait)
    if wait is None or step is None:
        raise NotChecked("the time spent waiting for data was not logged", HOW)
    wait, step = (_later(enough(curve.finite, FOR_TIMES, "time of steps")) for curve in (wait, step))
    if median(wait.values) > MORE_THAN_ALL * median(step.values):
        raise Inconclusive(f"{wait.tag} is larger than {step.tag}, of which it should be a part")
    return wait, step


def _of_training(run: TrainingRun, signal: str) -> Curve | None:
    """The curve of a time that is not of the evaluation by its tag or its TensorBoard run."""
    measured = (c for c in run.every(signal) if run.parts[c.tensorboard_run] != "validation")
    return next((curve for curve in measured if not set(words(curve.tag)) & set(VALIDATION)), None)


def _beside(run: TrainingRun, wait: Curve) -> Curve | None:
    """The `time` of a step that detectron2 and mmengine log beside their `data_time`; not a time that runs on."""
    if not wait.tag.endswith("data_time"):
        return None
    found = run.curve(wait.tensorboard_run, wait.tag.removesuffix("data_time") + "time")
    runs_on = found is not None and len(found) > 1 and bool((np.diff(found.values) > 0).all())
    return None if found is None or runs_on else found


def _later(curve: Curve) -> Curve:
    """Without the first tenth, in which caches are cold and workers start."""
    return curve.where(np.arange(len(curve)) >= len(curve) / TENTH)


HEURISTIC = Heuristic(
    id="slow-input",
    group="data",
    title_passed="The training does not wait for its data",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's times of steps, or the data time and the step time that a framework logs",),
    order=990,
    whole_training=True,
)
