"""Units with tanh or sigmoid whose outputs are at their bounds, where the slope is almost 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.consequence import since
from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option, by_evidence
from scram_plugin.heuristics.layers.vanishing_gradients import vanishing
from scram_plugin.heuristics.limits import LARGE_INPUTS, LARGE_WEIGHTS
from scram_plugin.heuristics.measured import columns, enough_rows, known_layers, late, listed
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import speed
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        3,
        "number of measured batches that are needed",
        CALIBRATED,
    ),
    Option(
        "max_saturated",
        0.7,
        "share of a layer's outputs within 3 % of a bound, from which on it hardly learns",
        "Glorot & Bengio (2010, figures 2 and 3): the training stalls at saturated layers",
    ),
)
OUTPUTS = 2  # layers at the end, whose outputs may be confident; by definition
AT_FIRST = 0.1  # share of saturated outputs in the first measured batch: below that they saturated later; by bench-limits
MOST_OF = 0.8  # of the saturated outputs: so many were saturated at the start; by bench-limits
CURVES_SHOWN = 3  # curves of a finding; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    saturated = columns(run, "layer", "saturated")
    last = [layer.path for layer in known_layers(run)][-OUTPUTS:]
    hidden = {path: curve for path, curve in saturated.items() if path not in last}  # outputs may be confident
    if not hidden:
        return
    enough_rows(hidden, int(options["least"]))
    values = {path: late(curve) for path, curve in hidden.items()}
    found = [path for path, value in values.items() if value >= options["max_saturated"]]
    if not found:
        for path, value in values.items():
            what = f"largest share of outputs at their bounds, in `{path}`"
            run.measured(what, value, above=options["max_saturated"], percent=True, curve=hidden[path])
    # if gradients vanish, only the later layers learn: they can saturate as a consequence
    late_only = all(hidden[path].values[0] < AT_FIRST for path in found)
    if not found or (late_only and vanishing(run)):
        return
    worst = max(found, key=lambda path: values[path])
    curve, names = hidden[worst], listed([f"`{path}`" for path in found])
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"Saturated activations: {percent(values[worst])} of the outputs of `{worst}` are at their bounds",
        evidence={
            "layer": f"`{worst}`",
            "saturated": values[worst],
            "first": float(curve.values[0]),
            "layers": names if len(found) > 1 else None,
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[hidden[path].source() for path in found[:CURVES_SHOWN]],
        causes=_causes(run, found, float(curve.values[0]), values[worst]),
        where=found,
        since=since(curve, curve.values >= options["max_saturated"]),
    )


def _causes(run: TrainingRun, found: list[str], first: float, now: float) -> list[Cause]:
    at_start = f"In the first measured batch, {percent(first)} of the outputs were saturated." if first > MOST_OF * now else ""
    known = {layer.path: layer for layer in known_layers(run)}
    given = [p for p in found if p in known and (known[p].initial_scale or 0.0) > LARGE_WEIGHTS]
    weights = Cause("weights")
    if given:
        said = f"{listed([f'`{path}`' for path in given])} started with weights far above the usual size. {at_start}".strip()
        weights = Cause("weights", said, "", set_in_layers(run.facts, given, "kernel_initializer", None))
    deviation = run.statistic(schema.STATISTICS, "x0/std")
    mean = run.statistic(schema.STATISTICS, "x0/mean")
    scale = float(np.hypot(late(deviation, 1.0), late(mean, 1.0))) if deviation is not None and mean is not None else 0.0
    large = f"The inputs are large: their root mean square is about {number(scale)}. {at_start}".strip()
    inputs = Cause("inputs", large if scale > LARGE_INPUTS else "")
    ordered = [weights, inputs, speed(run)]
    return by_evidence(ordered)


HEURISTIC = Heuristic(
    id="saturated-activations",
    group="layers",
    title_passed="Activations are not saturated",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of layers with tanh or sigmoid",),
    order=390,
    families=("signal-flow",),
    precedence=200,
    explains=("standstill", "preflight-test", "vanishing-gradients"),
)
