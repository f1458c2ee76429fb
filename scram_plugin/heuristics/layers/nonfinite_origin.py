"""Where the first NaN or infinite value of a training appeared: the step, and the layer or variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked, by_evidence
from scram_plugin.heuristics.measured import RECURRENT, known_layers, listed
from scram_plugin.heuristics.origin import Origin, origin_of
from scram_plugin.heuristics.overflow import BEFORE, of_layer
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import speed, too_high
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    probe = run.statistic(schema.BATCHES, "weights/probe")
    if probe is None:
        raise NotChecked("it was not recorded whether the weights are finite", HOW)
    run.measured("batches checked for NaN and infinite values", len(probe), curve=probe)
    loss, origin = run.statistic(schema.BATCHES, "loss"), origin_of(run)
    if origin is None or origin.step is None:
        recorded = any(run.statistic(schema.ORIGIN, name) is not None for name in run.columns(schema.ORIGIN))
        if not recorded and not all(np.isfinite(curve.values).all() for curve in (probe, loss) if curve is not None):
            raise Inconclusive("there are NaN or infinite values, and it was not recorded where the first one appeared")
        return
    step, kind = origin.step, origin.kind
    hidden = loss is not None and bool(np.isfinite(loss.values[loss.steps >= step]).all())
    value = "NaN" if origin.nan else "infinite"
    where = {
        "data": f"in the {origin.names}",
        "initial": f"in the initial values of {origin.names}",
        "layer": f"in {origin.names}",
        "loss": "in the loss",
        "backward": f"in the backward pass, at {origin.names}",
        "weights": f"in the update of {origin.names}",
    }[kind]
    yield Finding(
        severity="error",
        confidence="certain",
        title=f"The first {value} value appeared {where}, in {place('batch', step)}",
        evidence={
            "value": value,
            "where": where,
            "place": place("batch", step),
            "count": origin.count,
            "forward": "All values computed before it in this step were finite." if kind in ("layer", "loss") else None,
            "backward": "The step's outputs and loss were finite; its gradients were not." if kind == "backward" else None,
            "update": "The outputs and the loss were finite; the update was too large." if kind == "weights" else None,
            "hidden": "The loss does not show it: it stays finite, but units with these weights are dead." if hidden else None,
        },
        first_step=step,
        last_step=int(probe.steps[-1]),
        axis="batch",
        curves=[(loss if loss is not None and not hidden else probe).source()],
        causes=_causes(run, origin),
        bad_step=step,
        where=origin.where,
    )


def _causes(run: TrainingRun, origin: Origin) -> list[Cause]:
    kind, loop = origin.kind, run.loop
    place_said = {"layer": f"It appeared in {origin.names}.", "loss": "It appeared in the loss."}.get(kind, "")
    singular = loop.get("singular") or []
    seen = f"The graph of the loss has {listed(singular)}." if singular else ""
    operation = Cause("operation", " ".join(filter(None, (place_said, seen))))
    if kind == "data":
        return [Cause("data", f"The {origin.names} contained it."), operation]
    steep = seen or (f"The graph of the loss has {listed(loop['unguarded'])}." if loop.get("unguarded") else "")
    said = "The gradients were the first values that were not finite." if kind == "backward" else ""
    slope = Cause("slope", " ".join(filter(None, (said, steep))))
    policy = str(run.facts.get("dtype_policy", ""))
    half = "float16" in policy and "bfloat16" not in policy
    narrow = [Cause("float16", f"The model computes in {policy}.")] if half else []
    recurrent = any(layer.kind in RECURRENT for layer in known_layers(run))
    said = "The model is recurrent: small growth at each time step of a sequence multiplies." if recurrent else ""
    growth = Cause("explosion", said)
    high, rate = too_high(run), Cause("learning-rate", "", BEFORE) if origin.before_updates else speed(run)
    if born := of_layer(run, origin):
        weights, activation = born
        known = [*narrow, weights, rate, activation, *([growth] if recurrent else [])]
        apart = replace(operation, for_=seen if any(cause.for_ for cause in known) else operation.for_)
        ruled_out = [rate] if rate.against else []
        return [*by_evidence([cause for cause in [*known, apart] if cause not in ruled_out]), *ruled_out]
    order = {
        "initial": [Cause("weights")],
        "layer": [*narrow, *([growth] if recurrent else []), operation, rate],
        "loss": [operation, *narrow, rate],
        "backward": [slope, *([growth] if recurrent else []), rate],
        "weights": [slope, rate, growth] if singular else [rate, growth],
    }[kind]
    if high is not None and not singular and not origin.before_updates:
        order = [high, *(cause for cause in order if cause.id != "learning-rate")]
    return order


HEURISTIC = Heuristic(
    id="nonfinite-origin",
    group="layers",
    title_passed="No NaN or infinite value in weights or loss",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of every batch",),
    order=210,
    families=("non-finite",),
    precedence=60,
    explains=("curve-shape", "nonfinite-metric", "standstill", "signal-flow", "preflight-test", "half-precision"),
)
