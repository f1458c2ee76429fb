"""NaN or infinite values in the inputs or targets of any batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import Edit, guard_logarithm, keep_finite_targets, replace_missing_inputs
from scram_plugin.heuristics.heuristic import INPUTS, TARGETS, Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import channels, listed
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

ALWAYS = 0.9  # share of the measured batches in which a feature is not finite: its computation is the cause; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    means = {
        parsed.kind: curve
        for each, parsed in run.parsed(schema.BATCHES).items()
        if parsed.kind.startswith(("x", "y")) and not parsed.kind.startswith("y_pred") and parsed.statistic == "mean"
        if (curve := run.statistic(schema.BATCHES, each)) is not None
    }
    if not means:
        raise NotChecked("the means of the batches' inputs were not logged", HOW)
    for name, curve in means.items():
        bad = ~np.isfinite(curve.values)
        run.measured("batches with NaN or infinite values", int(bad.sum()), above=0, curve=curve)
        if bad.any():
            yield _finding(run, name, curve, bad)


def _finding(run: TrainingRun, name: str, curve: Curve, bad: np.ndarray) -> Finding:
    inputs = name.startswith("x")
    first, last = int(curve.steps[np.argmax(bad)]), int(curve.steps[np.flatnonzero(bad)[-1]])
    features, always = _features(run, name)
    counts = run.statistic(schema.STATISTICS, column(name, None, "nonfinite"))
    counted = counts.values[counts.values > 0] if counts is not None else np.zeros(0)
    origin = run.statistic(schema.ORIGIN, column(name, None, "nan"))
    if origin is not None and len(origin) and origin.values[0] > 0:
        first = min(first, int(origin.steps[0]))  # the first batches of a loop may not be recorded
    count = int(counted[0]) if len(counted) else int(origin.values[0]) if origin is not None else None
    what = "inputs" if inputs else "targets"
    return Finding(
        severity="error",
        confidence="certain",
        title=f"NaN or infinite values in the {what} of {place('batch', first)}",
        evidence={
            "what": what.capitalize(),
            "batch": place("batch", first),
            "batches": int(bad.sum()),
            "total": len(curve),
            "count": count,
            "features": listed([str(feature) for feature in features]) if features else None,
        },
        first_step=first,
        last_step=last,
        axis="batch",
        curves=[curve.source()],
        causes=_causes(run, inputs, features, always),
        bad_step=first,
        where=[INPUTS if inputs else TARGETS],
        times=math.inf,
        by_updates=False,
    )


def _features(run: TrainingRun, name: str) -> tuple[list[int], bool]:
    """The features (channels) that were not finite in a measured batch, and whether one of them hardly ever is."""
    shares = {channel: float(np.mean(~np.isfinite(curve.values))) for channel, curve in channels(run, name, "mean").items()}
    return [channel for channel, share in shares.items() if share], any(share >= ALWAYS for share in shares.values())


def _causes(run: TrainingRun, inputs: bool, features: list[int], always: bool) -> list[Cause]:
    if not inputs:
        single = run.statistic(schema.STATISTICS, "y0/mean/0") is None  # one number for each example
        drop = keep_finite_targets(run.facts) if single else None
        return [Cause("targets", "The values are in the targets.", edit=drop)]
    edit: Edit | None = replace_missing_inputs(run.facts)
    seldom = ""
    if features and not always:
        names = listed([str(f) for f in features])
        seldom = f"Only feature {names} is affected." if len(features) == 1 else f"Only features {names} are affected."
    constant = "A feature is affected in nearly every measured batch." if always else ""
    guarded = guard_logarithm(run.facts) if not always else None
    if guarded is not None:
        said = f"Line {guarded.line} takes a logarithm, which of 0 is infinite, with nothing added."
        return [Cause("computed", said, edit=guarded), Cause("missing-values", seldom, edit=edit)]
    causes = [Cause("missing-values", seldom, edit=edit), Cause("computed", constant, edit=edit)]
    return causes[::-1] if always else causes


HEURISTIC = Heuristic(
    id="nonfinite-inputs",
    group="data",
    title_passed="No NaN or infinite values in the inputs or targets",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of every batch",),
    order=10,
    precedence=10,
    explains=(
        "curve-shape",
        "standstill",
        "signal-flow",
        "non-finite",
        "preflight-test",
        "half-precision",
        "unnormalized-inputs",
        "initial-loss",
    ),
)
