"""Gradients that become far larger than they were at first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option
from scram_plugin.heuristics.measured import RECURRENT, columns, enough_rows, known_layers
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import beside_speed
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        4,
        "number of measured batches that are needed",
        CALIBRATED,
    ),
    Option(
        "growth",
        1000.0,
        "largest norm of all gradients together, as a multiple of its median in the first three measured batches",
        f"Pascanu et al. (2013) clip at half to ten times the average norm; {CALIBRATED}",
    ),
)
FIRST_MEASURED = 3  # measured batches: the median of their norms is what later norms are compared with; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    norms = columns(run, "gradient", "norm")
    enough_rows(norms, int(options["least"]))
    curves = list(norms.values())
    length = min(map(len, curves))
    with np.errstate(over="ignore"):
        together = np.sqrt(sum(np.square(curve.values[:length]) for curve in curves))
    finite = together[np.isfinite(together)]
    start = float(np.median(finite[:FIRST_MEASURED])) if len(finite) >= FIRST_MEASURED else float("nan")
    if start > 0:
        largest_norm = np.fmax.reduce(together[FIRST_MEASURED:], initial=np.nan)
        run.measured(
            "largest later gradient norm, as a multiple of the first ones", largest_norm / start, above=options["growth"]
        )
    beyond = np.isinf(together) | (together > options["growth"] * start)
    if not np.isfinite(start) or not start or not beyond[FIRST_MEASURED:].any():
        return
    at = FIRST_MEASURED + int(np.argmax(beyond[FIRST_MEASURED:]))
    largest = max(norms, key=lambda path: np.nan_to_num(norms[path].values[at], posinf=np.finfo(float).max))
    step = int(curves[0].steps[at])
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"Exploding gradients, in {place('batch', step)}",
        evidence={
            "place": place("batch", step),
            "norm": number(float(together[at])),
            "start": number(start),
            "times": number(float(together[at]) / start),
            "largest": f"`{largest}`",
        },
        first_step=step,
        last_step=int(curves[0].steps[length - 1]),
        axis="batch",
        curves=[norms[largest].source()],
        causes=_causes(run),
        bad_step=step,
        where=[largest.rpartition("/")[0]],
        at_once=False,
    )


def _causes(run: TrainingRun) -> list[Cause]:
    recurrent = [layer.name for layer in known_layers(run) if layer.kind in RECURRENT]
    said = f"{recurrent[0]} multiplies by the same weights at each time step of a sequence." if recurrent else ""
    clip = Cause("unclipped", said)
    return beside_speed(run, clip)


HEURISTIC = Heuristic(
    id="exploding-gradients",
    group="layers",
    title_passed="Gradients do not explode",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of gradients",),
    order=410,
    families=("signal-flow",),
    precedence=190,
    explains=("unrest", "preflight-test", "output-collapse", "dead-relu", "update-ratio"),
)
