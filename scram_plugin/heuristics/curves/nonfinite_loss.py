"""A loss that became NaN or infinite, and what in this run's evidence explains it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import USUAL
from scram_plugin.heuristics.edits import clip_gradients, set_learning_rate
from scram_plugin.heuristics.heuristic import STRICT, Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import HOW, RECURRENT, known_layers
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import HIGH, USUAL_RATES, times_too_high
from scram_plugin.heuristics.words import counted, number, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

HUGE_INPUT = 1e4  # larger inputs make a first layer with usual weights overflow in float16 and saturate in float32
OTHERS = ("training loss part", "adversarial loss", "policy loss")  # NaN is a fault, even if the level means nothing
GROWTH = 100.0  # times the lowest loss so far: a healthy loss never grows that much


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curves = [c for c in (run.signal("batch loss"), run.signal("training loss")) if c is not None]
    curves += [c for signal in OTHERS for c in run.every(signal)]
    if not curves:
        raise NotChecked("no training loss was logged", HOW)
    # before the first epoch ends, the batch loss is also used as the training loss: one curve
    bad_curves = [c for c in dict.fromkeys(curves) if _bad(c, options["strict"]).any()]
    if not bad_curves:
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
        causes=_causes(run, curve, at, evidence),
        bad_step=step,
    )


def _recovered(curve: Curve, bad: np.ndarray) -> str:
    where = np.flatnonzero(bad)
    if len(where) > 1 and not (bad[1:] & bad[:-1]).any():
        return f"{len(where):,} of {len(curve):,} values are not finite; after each of them the next value is finite again."
    return f"It was finite again from {place(curve.axis, int(curve.steps[where[-1] + 1]))} on."


def _bad(curve: Curve, strict: bool) -> np.ndarray:
    return np.isnan(curve.values) if strict else ~np.isfinite(curve.values)


def _epoch(run: TrainingRun, step: int) -> int | None:
    epochs = run.signal("epoch")
    if epochs is None or step not in epochs.steps:
        return None
    return int(epochs.values[np.searchsorted(epochs.steps, step)])


def _first_batch(run: TrainingRun, epoch: int) -> int:
    epochs = run.signal("epoch")
    assert epochs is not None
    return int(epochs.steps[np.argmax(epochs.values == epoch)])


def _causes(run: TrainingRun, curve: Curve, at: int, evidence: dict[str, Any]) -> list[Cause]:
    """All causes, those with the strongest evidence in this run first (a weight of 0 means that nothing is known)."""
    step = int(curve.steps[at]) if curve.axis == "batch" else None
    weighed = [
        _learning_rate(run, step, evidence),
        _inputs(run, step),
        _labels(run, step),
        _custom_loss(run),
        _float16(run),
        _recurrent(run),
    ]
    causes = [cause for _, cause in sorted(weighed, key=lambda entry: -entry[0])]
    rate, strongest = weighed[0][1], max(weight for weight, _ in weighed)
    if at + 1 < len(curve) and math.isfinite(curve.values[at + 1]) and strongest < 2.0 and not rate.for_:
        # NaN weights would have stayed NaN: the fault is in single batches, or in how their loss is computed
        why = "The next value is finite, so the weights are sound: the fault is in single batches, or in their loss."
        causes.sort(
            key=lambda cause: ["custom-loss", "inputs", "labels", "learning-rate", "float16", "recurrent"].index(cause.id)
        )
        causes[0] = replace(causes[0], for_=" ".join(filter(None, (causes[0].for_, why))))
    return causes


def _rate(run: TrainingRun, step: int | None) -> float | None:
    """The highest known learning rate up to the bad step: measured, as compiled, or as logged."""
    rates = []
    measured = run.statistic(schema.STATISTICS, "learning_rate")
    if measured is not None:
        rates += measured.values[measured.steps <= (step if step is not None else np.inf)].tolist()
    compiled = run.facts.get("optimizer", {}).get("learning_rate")
    rates += [float(compiled)] if isinstance(compiled, int | float) else []
    logged = run.signal("learning rate")
    if not rates and logged is not None:
        rates += logged.values.tolist()
    return max((rate for rate in rates if math.isfinite(rate)), default=None)


def _learning_rate(run: TrainingRun, step: int | None, evidence: dict[str, Any]) -> tuple[float, Cause]:
    optimizer = run.facts.get("optimizer", {})
    name, rate = str(optimizer.get("class", "")), _rate(run, step)
    usual = USUAL_RATES.get(name)
    said, weight, edit = [], 0.0, None
    if rate is not None and usual is not None:
        times = rate / usual
        if times >= HIGH:
            weight = 2.0 + min(math.log10(times), 12.0)
            said.append(times_too_high(name, rate, usual))
            edit = set_learning_rate(run.facts, name, rate, usual)
    elif rate is not None and rate >= 1.0 and not name:
        weight = 2.0
        said.append(f"The learning rate is {number(rate)}; most optimizers work with 0.1 or less.")
    first, last, lowest = (evidence[key] for key in ("first_finite", "last_finite", "lowest_before"))
    if first is not None and lowest is not None and last > GROWTH * max(abs(lowest), 1e-3):
        weight += 2.0
        said.append(f"The loss grew from {number(lowest)} to {number(last)} just before that: the steps were too large.")
    against = ""
    if rate is not None and usual is not None and not said and usual / 100 <= rate and not optimizer.get("schedule"):
        against = f"The learning rate, {number(rate)}, is in the usual range for {name}."
    elif rate is not None and usual is None and not said and USUAL[0] <= rate <= USUAL[1]:
        weight, against = (
            -0.5,
            f"The highest learning rate was {number(rate)}, which is usual, and the loss did not grow before that.",
        )
    return weight, Cause("learning-rate", " ".join(said), against, edit)


def _inputs(run: TrainingRun, step: int | None) -> tuple[float, Cause]:
    """Non-finite or huge inputs in any batch up to the first bad loss."""
    bad, largest = _first_nonfinite(run, "x", step)
    if bad is not None:
        return 20.0, Cause("inputs", f"Batch {bad[0] + 1} held {bad[1]}NaN or infinite input value{_plural(bad)}.")
    if largest > HUGE_INPUT:
        return 3.0, Cause("inputs", f"Input values are as large as {number(largest)}.")
    return 0.0, Cause("inputs", "", f"All inputs were finite; those measured are at most {number(largest)}." if largest else "")


def _first_nonfinite(run: TrainingRun, kind: str, step: int | None) -> tuple[tuple[int, str] | None, float]:
    """(first batch up to `step` with a non-finite "x" or "y", number of such values if known), and the largest value."""
    largest = 0.0
    each = [(t, name, parsed) for t in (schema.BATCHES, schema.STATISTICS) for name, parsed in run.parsed(t).items()]
    for table, name, (tensor, _, statistic, part) in each:
        if step is None or part or tensor.rstrip("0123456789") != kind or statistic not in ("mean", "min", "max"):
            continue
        curve = run.statistic(table, name)
        if curve is None:
            continue
        values = curve.values[curve.steps <= step]
        bad = ~np.isfinite(values)
        if bad.any():
            batch = int(curve.steps[np.argmax(bad)])
            count = run.statistic(schema.STATISTICS, column(tensor, None, "nonfinite"))
            known = count.values[count.steps == batch] if count is not None else np.zeros(0)
            return (batch, f"{int(known[0]):,} " if len(known) else ""), largest
        if len(values) and table == schema.STATISTICS:
            largest = max(largest, float(np.abs(values).max()))
    return None, largest


def _plural(bad: tuple[int, str]) -> str:
    return "" if bad[1] == "1 " else "s"


def _labels(run: TrainingRun, step: int | None) -> tuple[float, Cause]:
    bad, _ = _first_nonfinite(run, "y", step)
    if bad is not None:
        return 20.0, Cause("labels", f"Batch {bad[0] + 1} held {bad[1]}NaN or infinite target{_plural(bad)}.")
    loss = loss_class(run)
    low, high = run.statistic(schema.BATCHES, "y0/min"), run.statistic(schema.BATCHES, "y0/max")
    if low is None or high is None or step is None or not (low.steps <= step).any():
        return 0.0, Cause("labels")
    least, most = float(np.nanmin(low.values[low.steps <= step])), float(np.nanmax(high.values[high.steps <= step]))
    units = run.facts.get("model", {}).get("output_units")
    if "SparseCategorical" in loss and isinstance(units, int):
        if least < 0 or most >= units:
            said = f"Labels go from {least:g} to {most:g}, but the model has {counted(units, 'output')} (0 to {units - 1})."
            return 15.0, Cause("labels", said)
        return 0.0, Cause("labels", "", f"The labels, {least:g} to {most:g}, fit the {counted(units, 'output')}.")
    if "Binary" in loss:
        if least < 0 or most > 1:
            return 6.0, Cause("labels", f"Labels go from {least:g} to {most:g}; {loss} needs them between 0 and 1.")
        return 0.0, Cause("labels", "", f"The labels, {least:g} to {most:g}, are between 0 and 1.")
    return 0.0, Cause("labels")


def _custom_loss(run: TrainingRun) -> tuple[float, Cause]:
    loss = run.facts.get("loss", {})
    source = str(loss.get("source") or "")
    if not loss.get("custom"):
        return -1.0, Cause("custom-loss", "", "The loss is the framework's own." if loss.get("custom") is False else "")
    found = sorted(set(re.findall(r"\b(log|sqrt|exp|divide|pow|norm)\b(?=\()", source)) | ({"/"} if "/" in source else set()))
    if found:
        return 5.0, Cause("custom-loss", f"The loss {loss.get('name')} is your own and uses {', '.join(found)}.")
    return 1.0, Cause("custom-loss", f"The loss {loss.get('name')} is your own.")


def _recurrent(run: TrainingRun) -> tuple[float, Cause]:
    """A recurrent layer in which the first non-finite value appeared."""
    columns = run.parsed(schema.ORIGIN)
    flawed = (c for c in columns if (v := run.statistic(schema.ORIGIN, c)) is not None and v.values.any())
    born = next((columns[name] for name in flawed), None)
    recurrent = [layer for layer in known_layers(run) if layer.kind in RECURRENT]
    where = f"{born.path}/" if born is not None and born.kind == schema.LAYER else ""
    names = [layer for layer in recurrent if where.startswith(f"{layer.path}/")]
    if not names:
        return -0.5, Cause("recurrent")
    said = f"The first non-finite value appeared in {names[0].name}, which applies the same weights at each position."
    return 1.5, Cause("recurrent", said, edit=clip_gradients(run.facts))


def _float16(run: TrainingRun) -> tuple[float, Cause]:
    policy = str(run.facts.get("dtype_policy", ""))
    if "float16" not in policy or "bfloat16" in policy:
        return -1.0, Cause("float16", "", f"The model computes in {policy}." if policy else "")
    scaled = run.facts.get("optimizer", {}).get("loss_scale")
    said = f"The model computes in {policy}, whose largest number is 65,504"
    return (
        (4.0, Cause("float16", f"{said}, and the loss is not scaled.")) if not scaled else (2.5, Cause("float16", f"{said}."))
    )


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
    explains=("curve-shape", "standstill", "signal-flow", "non-finite", "preflight-test", "unconventional-learning-rate"),
)
