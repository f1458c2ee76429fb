"""Why a loss became NaN or infinite: each piece of evidence, how strongly it speaks, and the causes in that order."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.causes_of_settings import where
from scram_plugin.heuristics.curves.checkable import USUAL
from scram_plugin.heuristics.edits import clip_gradients, set_learning_rate
from scram_plugin.heuristics.heuristic import Cause
from scram_plugin.heuristics.measured import RECURRENT, known_layers, listed
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.origin import Origin, origin_of
from scram_plugin.heuristics.overflow import of_layer
from scram_plugin.heuristics.rates import HIGH, USUAL_RATES, times_too_high
from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.settings import Setting
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

HUGE_INPUT = 1e4  # larger inputs make a first layer with usual weights overflow in float16 (IEEE 754)
SMALLEST_LOSS = 1e-3  # a lower loss counts as this, since a small one grows fast; by bench-limits
GROWTH = 100.0  # times the lowest loss so far: a healthy loss never grows that much; by bench-limits
TOO_HIGH = 1.0  # learning rate of an unknown optimizer: usual rates are a tenth of that or less (Bengio, 2012)
MOST_DECADES = 12.0  # of a learning rate above the usual one: more say nothing more; by definition
USUAL_FROM = 100  # times below the usual rate: lower rates are not called usual; by bench-limits

# causes in the order of likelihood where only single batches are bad
OF_SINGLE_BATCHES = ("custom-loss", "inputs", "labels", "learning-rate", "float16", "recurrent", "weights", "activation")


class Strength:
    """How strongly each piece of evidence speaks for its cause. Only the order counts: the cause with the strongest evidence
    is named first, and `make bench-faults` prints how often that one is right."""

    NOT_FINITE = 20.0  # NaN or infinity in the batch itself
    INITIAL_WEIGHTS = 18.0  # far too large, and the values are too large before any update
    IMPOSSIBLE_LABELS = 15.0  # there is no output for some labels
    AT_ZERO = 10.0  # a root, logarithm or division of 0, or a mean of nothing, seen in the graph
    ODD_LABELS = 6.0  # outside the range that the loss needs
    OWN_LOGARITHM = 5.0  # a loss of the user's own with log, sqrt, a division, ...
    UNSCALED_FLOAT16 = 4.0
    HUGE_INPUTS = 3.0
    SCALED_FLOAT16 = 2.5
    RATE = 2.0  # a rate far above the usual one; and 1 for each decade
    GROWTH = 2.0  # the loss grew just before; added to that of the rate
    EXPONENTIAL = 1.9  # an exponential as activation, where the first such value appeared
    MIXED = 1.8  # mixed precision, which may be that of float16
    RECURRENT = 1.5  # the first NaN appeared in a recurrent layer
    UNGUARDED = 1.2  # a root, norm or logarithm to whose argument nothing was added
    OWN_LOSS = 1.0
    NOTHING = 0.0  # nothing is known
    UNLIKELY = -0.5  # the evidence speaks against it
    EXCLUDED = -1.0


def causes(run: TrainingRun, curve: Curve, at: int, evidence: dict[str, Any]) -> list[Cause]:
    """All causes, those with the strongest evidence in this run first (`Strength`)."""
    step = int(curve.steps[at]) if curve.axis == "batch" else None
    origin = origin_of(run)
    early = origin is not None and origin.before_updates
    weighed = [
        _learning_rate(run, 0 if early else step, evidence),
        *(_of_layer(run, origin) if origin is not None else []),
        _inputs(run, step),
        _labels(run, step),
        _custom_loss(run),
        _float16(run),
        _recurrent(run),
    ]
    if early and origin is not None and origin.kind in ("initial", "layer"):
        weighed = [_elsewhere(origin, weight, cause) for weight, cause in weighed]
    ordered = [cause for _, cause in sorted(weighed, key=lambda entry: -entry[0])]
    rate, strongest = weighed[0][1], max(weight for weight, _ in weighed)
    if at + 1 < len(curve) and math.isfinite(curve.values[at + 1]) and strongest < Strength.RATE and not rate.for_:
        # NaN weights would have stayed NaN: the fault is in single batches, or in how their loss is computed
        why = "The next value is finite, so the weights are sound: the fault is in single batches, or in their loss."
        ordered.sort(key=lambda cause: OF_SINGLE_BATCHES.index(cause.id))
        ordered[0] = replace(ordered[0], for_=" ".join(filter(None, (ordered[0].for_, why))))
    return ordered


def _rate(run: TrainingRun, step: int | None) -> float | None:
    """The highest known learning rate up to the bad step: measured, as compiled, as logged, or as set."""
    rates = []
    measured = run.statistic(schema.STATISTICS, "learning_rate")
    if measured is not None:
        rates += measured.values[measured.steps <= (step if step is not None else np.inf)].tolist()
    compiled = run.facts.get("optimizer", {}).get("learning_rate")
    rates += [float(compiled)] if isinstance(compiled, int | float) else []
    logged = run.signal("learning rate")
    if not rates and logged is not None:
        rates += logged.values.tolist()
    if not rates and (given := run.settings.get("learning rate")) is not None:
        rates.append(float(given.value or 0.0))
    return max((rate for rate in rates if math.isfinite(rate)), default=None)


def _of_layer(run: TrainingRun, origin: Origin) -> list[tuple[float, Cause]]:
    """The initial weights and the activation, where the first such value appeared in a hidden layer."""
    found = {"weights": Strength.INITIAL_WEIGHTS, "activation": Strength.EXPONENTIAL}
    return [
        (found[cause.id] if cause.for_ else Strength.EXCLUDED if cause.against else Strength.NOTHING, cause)
        for cause in of_layer(run, origin)
    ]


def _elsewhere(origin: Origin, weight: float, cause: Cause) -> tuple[float, Cause]:
    """Nothing that is computed after the place where the first such value appeared can be its cause."""
    if cause.id not in ("labels", "custom-loss") or weight == Strength.AT_ZERO:  # the graph goes through the model, too
        return weight, cause
    against = f"The first value that was not finite appeared before the loss, in {origin.names}."
    return Strength.EXCLUDED, replace(cause, for_="", against=against)


def _learning_rate(run: TrainingRun, step: int | None, evidence: dict[str, Any]) -> tuple[float, Cause]:
    if step == 0:
        before = "The loss of the first batch is computed before the optimizer takes a step."
        return Strength.EXCLUDED, Cause("learning-rate", "", before)
    optimizer = run.facts.get("optimizer", {})
    name, rate = str(optimizer.get("class", "")), _rate(run, step)
    usual = USUAL_RATES.get(name)
    said, weight, edit = [], Strength.NOTHING, None
    if rate is not None and usual is not None:
        times = rate / usual
        if times >= HIGH:
            weight = Strength.RATE + min(math.log10(times), MOST_DECADES)
            said.append(times_too_high(name, rate, usual))
            edit = set_learning_rate(run.facts, name, rate, usual)
    elif rate is not None and rate >= TOO_HIGH and not name:
        weight = Strength.RATE
        said.append(f"The learning rate is {number(rate)}; most optimizers work with 0.1 or less.")
    first, last, lowest = (evidence[key] for key in ("first_finite", "last_finite", "lowest_before"))
    if first is not None and lowest is not None and last > GROWTH * max(abs(lowest), SMALLEST_LOSS):
        weight += Strength.GROWTH
        said.append(f"The loss grew from {number(lowest)} to {number(last)} just before that: the steps were too large.")
    against = ""
    if rate is not None and usual is not None and not said and usual / USUAL_FROM <= rate and not optimizer.get("schedule"):
        against = f"The learning rate, {number(rate)}, is in the usual range for {name}."
    elif rate is not None and usual is None and not said and USUAL[0] <= rate <= USUAL[1]:
        weight = Strength.UNLIKELY
        against = f"The highest learning rate was {number(rate)}, which is usual, and the loss did not grow before that."
    return weight, Cause("learning-rate", " ".join(said), against, edit)


def _inputs(run: TrainingRun, step: int | None) -> tuple[float, Cause]:
    """Non-finite or huge inputs in any batch up to the first bad loss."""
    bad, largest = _first_nonfinite(run, "x", step)
    if bad is not None:
        return Strength.NOT_FINITE, Cause(
            "inputs", f"Batch {bad[0] + 1} held {bad[1]}NaN or infinite input value{_plural(bad)}."
        )
    if largest > HUGE_INPUT:
        return Strength.HUGE_INPUTS, Cause("inputs", f"Input values are as large as {number(largest)}.")
    return Strength.NOTHING, Cause(
        "inputs", "", f"All inputs were finite; those measured are at most {number(largest)}." if largest else ""
    )


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
        return Strength.NOT_FINITE, Cause("labels", f"Batch {bad[0] + 1} held {bad[1]}NaN or infinite target{_plural(bad)}.")
    loss = loss_class(run)
    low, high = run.statistic(schema.BATCHES, "y0/min"), run.statistic(schema.BATCHES, "y0/max")
    if low is None or high is None or step is None or not (low.steps <= step).any():
        return Strength.NOTHING, Cause("labels")
    least, most = float(np.nanmin(low.values[low.steps <= step])), float(np.nanmax(high.values[high.steps <= step]))
    units = run.facts.get("model", {}).get("output_units")
    if "SparseCategorical" in loss and isinstance(units, int):
        if least < 0 or most >= units:
            said = f"Labels go from {least:g} to {most:g}, but the model has {counted(units, 'output')} (0 to {units - 1})."
            return Strength.IMPOSSIBLE_LABELS, Cause("labels", said)
        return Strength.NOTHING, Cause("labels", "", f"The labels, {least:g} to {most:g}, fit the {counted(units, 'output')}.")
    if "Binary" in loss:
        if least < 0 or most > 1:
            return Strength.ODD_LABELS, Cause(
                "labels", f"Labels go from {least:g} to {most:g}; {loss} needs them between 0 and 1."
            )
        return Strength.NOTHING, Cause("labels", "", f"The labels, {least:g} to {most:g}, are between 0 and 1.")
    return Strength.NOTHING, Cause("labels")


def _custom_loss(run: TrainingRun) -> tuple[float, Cause]:
    loss, loop = run.facts.get("loss", {}), run.loop
    if singular := loop.get("singular"):
        return Strength.AT_ZERO, Cause("custom-loss", f"The graph of the loss has {listed(singular)}.")
    source = str(loss.get("source") or "")
    if (unguarded := loop.get("unguarded")) and not loss.get("custom"):
        said = f"The graph of the loss has {listed(unguarded)}, with nothing added to the argument."
        return Strength.UNGUARDED, Cause("custom-loss", said)
    if not loss.get("custom"):
        return Strength.EXCLUDED, Cause(
            "custom-loss", "", "The loss is the framework's own." if loss.get("custom") is False else ""
        )
    found = sorted(set(re.findall(r"\b(log|sqrt|exp|divide|pow|norm)\b(?=\()", source)) | ({"/"} if "/" in source else set()))
    if found:
        return Strength.OWN_LOGARITHM, Cause(
            "custom-loss", f"The loss {loss.get('name')} is your own and uses {', '.join(found)}."
        )
    return Strength.OWN_LOSS, Cause("custom-loss", f"The loss {loss.get('name')} is your own.")


def _recurrent(run: TrainingRun) -> tuple[float, Cause]:
    """A recurrent layer in which the first non-finite value appeared."""
    origin = origin_of(run)
    where = origin.where if origin is not None and origin.kind == "layer" else ()
    names = [layer for layer in known_layers(run) if layer.kind in RECURRENT and layer.path in where]
    if not names:
        return Strength.UNLIKELY, Cause("recurrent")
    said = f"The first non-finite value appeared in {names[0].name}, which applies the same weights at each position."
    return Strength.RECURRENT, Cause("recurrent", said, edit=clip_gradients(run.facts))


def _float16(run: TrainingRun) -> tuple[float, Cause]:
    policy, given = str(run.facts.get("dtype_policy", "")), run.settings.get("precision")
    if not policy and given is not None:
        return _precision(given)
    if "float16" not in policy or "bfloat16" in policy:
        return Strength.EXCLUDED, Cause("float16", "", f"The model computes in {policy}." if policy else "")
    scaled = run.facts.get("optimizer", {}).get("loss_scale")
    said = f"The model computes in {policy}, whose largest number is 65,504"
    if not scaled:
        return Strength.UNSCALED_FLOAT16, Cause("float16", f"{said}, and the loss is not scaled.")
    return Strength.SCALED_FLOAT16, Cause("float16", f"{said}.")


def _precision(given: Setting) -> tuple[float, Cause]:
    """The precision that was set, where the recorder did not run."""
    if given.value == "fp16":
        return Strength.SCALED_FLOAT16, Cause("float16", f"float16 is used {where(given)}; its largest number is 65,504.")
    if given.value == "amp":
        said = f"Mixed precision is used {where(given)}; if its type is float16, the largest number is 65,504."
        return Strength.MIXED, Cause("float16", said)
    return Strength.EXCLUDED, Cause("float16", "", f"The precision is {given.value} {where(given)}.")
