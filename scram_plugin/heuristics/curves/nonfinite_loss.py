"""A loss that became NaN or infinite, and what in this run's evidence explains it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.nonfinite_evidence import causes
from scram_plugin.heuristics.heuristic import STRICT, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OTHERS = ("training loss part", "adversarial loss", "policy loss")  # NaN is a fault, even if the level means nothing


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curves = [c for c in (run.signal("batch loss"), run.signal("training loss")) if c is not None]
    curves += [c for signal in OTHERS for c in run.every(signal)]
    if not curves:
        raise NotChecked("no training loss was logged", HOW)
    # before the first epoch ends, the batch loss is also used as the training loss: one curve
    bad_curves = [c for c in dict.fromkeys(curves) if _bad(c, options["strict"]).any()]
    if not bad_curves:
        run.measured("values of the training loss looked at", sum(map(len, dict.fromkeys(curves))), curve=curves[0])
        return
    curve = bad_curves[0]
    bad = _bad(curve, options["strict"])
    where = np.flatnonzero(bad)
    at, step = int(where[0]), int(curve.steps[where[0]])
    recovered = not bad[-1]
    before = curve.values[:at][np.isfinite(curve.values[:at])]
    epoch = _epoch(run, step) if curve.axis == "batch" else None
    value = curve.values[at]
    name = "NaN" if math.isnan(value) else "infinite"
    if curve.axis == "batch" and epoch is not None:
        first_of_epoch = _first_batch(run, epoch)
        spot = f"batch {step - first_of_epoch + 1} of epoch {epoch + 1}"
    else:
        spot = place(curve.axis, step)
    evidence: dict[str, Any] = {
        "value": name,
        "place": spot,
        "unit": curve.axis,
        "step": step,
        "bad_points": len(where),
        "points": len(curve),
        "last_finite": float(before[-1]) if len(before) else None,
        "lowest_before": float(before.min()) if len(before) else None,
        "last_finite_text": number(float(before[-1])) if len(before) else None,
        "lowest_text": number(float(before.min())) if len(before) else None,
        "first_finite": float(before[0]) if len(before) > 1 else None,
        "began": f"The training loss was {name} at {spot}, the first recorded value."
        if at == 0
        else f"The training loss became {name} at {spot}.",
        "stayed": f"It is not finite at the end of the log, either ({len(where):,} of {len(curve):,} values are not)."
        if not recovered
        else None,
        "recovered": _recovered(curve, bad) if recovered else None,
    }
    shown = [c.source() for c in bad_curves]
    yield Finding(
        severity="warning" if recovered else "error",
        confidence="certain",
        title=f"Loss became {name} at {spot}" if at or epoch is not None else f"Loss is {name} from the first {curve.axis} on",
        evidence=evidence,
        first_step=step,
        last_step=int(curve.steps[where[-1]]),
        axis=curve.axis,
        curves=shown,
        causes=causes(run, curve, at, evidence),
        bad_step=step,
    )


def _recovered(curve: Curve, bad: np.ndarray) -> str:
    where = np.flatnonzero(bad)
    if len(where) > 1 and not (bad[1:] & bad[:-1]).any():
        return f"{len(where):,} of {len(curve):,} values are not finite; after each of them the next value is finite again."
    return f"It was finite again from {place(curve.axis, int(curve.steps[where[-1] + 1]))} on."


def _bad(curve: Curve, strict: bool) -> np.ndarray:
    return np.asarray(np.isnan(curve.values) if strict else ~np.isfinite(curve.values))


def _epoch(run: TrainingRun, step: int) -> int | None:
    epochs = run.signal("epoch")
    if epochs is None or step not in epochs.steps:
        return None
    return int(epochs.values[np.searchsorted(epochs.steps, step)])


def _first_batch(run: TrainingRun, epoch: int) -> int:
    epochs = run.signal("epoch")
    assert epochs is not None
    return int(epochs.steps[np.argmax(epochs.values == epoch)])


HEURISTIC = Heuristic(
    id="nonfinite-loss",
    group="curves",
    title_passed="Loss stayed finite",
    check=check,
    page=Page.beside(__file__),
    options=(STRICT,),
    needs=("training loss, of every batch or of every epoch",),
    order=200,
    families=("non-finite",),
    precedence=50,
    explains=("curve-shape", "standstill", "signal-flow", "non-finite", "preflight-test", "half-precision"),
)
