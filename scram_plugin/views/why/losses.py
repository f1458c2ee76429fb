"""Why the loss is NaN, why a metric is stuck, why the validation loss rose: chains of evidence from the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import Finding, NotChecked
from scram_plugin.heuristics.measured import class_counts, columns, dead_units, finite_median, late, step_ratios
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.conventions import HIGHER_IS_BETTER
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.views.why.answer import Answer, Step, fix_first, from_to, in_code, likeliest, on, usual, value_at

Findings = Mapping[str, Finding]  # heuristic -> its finding
STUCK = 0.02  # a metric between 0 and 1 that changes by less than this over all epochs is stuck
STANDS_STILL = ("no-learning", "plateau", "output-collapse")  # the standstill itself: the finding that explains it is the cause
# What can keep a model from learning, causes before their consequences.
HOLDS_BACK = (
    *("nonfinite-loss", "nonfinite-origin", "nonfinite-inputs", "label-range", "output-activation-mismatch", "frozen-weights"),
    *("poor-initialization", "unconventional-learning-rate", "unnormalized-inputs", "constant-inputs", "dead-relu"),
    *("saturated-activations", "vanishing-gradients", "exploding-gradients", "high-dropout", "strong-regularization"),
    *("class-imbalance", "unshuffled-data", "missing-activation", "hidden-activation", "update-ratio"),
    *("output-collapse", "no-learning", "oscillating-loss", "divergence", "plateau"),
)
RAISES_VALIDATION = ("nonfinite-loss", "divergence", "input-distribution-shift", "normalization-lag", "overfitting")


def nonfinite(run: TrainingRun, findings: Findings) -> Iterator[Answer]:
    """From the first loss that is not finite back to its origin."""
    finding = findings.get("nonfinite-loss")
    loss = run.signal("batch loss") or run.signal("training loss")
    if finding is None or loss is None or finding.bad_step is None:
        return
    bad = np.flatnonzero(~np.isfinite(loss.values))
    if not len(bad):
        return
    at = int(loss.steps[bad[0]])
    value = number(float(loss.values[bad[0]]))
    steps = [on(loss, f"The loss is {value} from {place(loss.axis, at)} on, in {len(bad)} of {len(loss)} points.", at, at=at)]
    if bad[0] > 0:
        before = loss.values[: bad[0]]
        last = int(loss.steps[bad[0] - 1])
        lowest = float(before.min())
        grew = f" Its lowest value before was {number(lowest)}." if before[-1] > 2 * lowest else ""
        text = f"Just before, in {place(loss.axis, last)}, it was {number(float(before[-1]))}.{grew}"
        steps.append(on(loss, text, int(loss.steps[0]), last, last))
    origin, probe = findings.get("nonfinite-origin"), run.statistic(schema.BATCHES, "weights/probe")
    if origin is not None and probe is not None and origin.bad_step is not None:
        steps.append(on(probe, origin.summary, origin.bad_step, at=origin.bad_step))
    steps += _gradients_before(run, at)
    steps += _inputs(run, at)
    steps += _rate(run)
    yield _ending("loss-not-finite", f"Why is the loss {value} from {place(loss.axis, at)} on?", steps, finding, findings)


def _gradients_before(run: TrainingRun, step: int) -> list[Step]:
    """The largest gradient of the last batch that was measured before a step."""
    found = []
    for path, curve in _logged(columns, run, "gradient", "norm").items():
        value = value_at(curve, step - 1)
        if value is not None and math.isfinite(value):
            found.append((value, path, curve))
    if not found:
        return []
    value, path, curve = max(found, key=lambda entry: entry[0])
    where = int(curve.steps[curve.steps < step][-1])
    text = f"In {place('batch', where)}, the last one measured before, `{path}` had the largest gradient norm: {number(value)}."
    return [on(curve, text, last=where, at=where)]


def _inputs(run: TrainingRun, step: int) -> list[Step]:
    low, high = (run.statistic(schema.STATISTICS, schema.column("x0", None, which)) for which in ("min", "max"))
    mean = run.statistic(schema.BATCHES, "x0/mean")
    if low is None or high is None:
        return []
    upto = high.steps <= step
    if mean is not None and not np.isfinite(mean.values[mean.steps <= step]).all():
        first = int(mean.steps[~np.isfinite(mean.values)][0])
        text = f"The inputs themselves are not finite, for the first time in {place('batch', first)}."
        return [on(mean, text, first, at=first)]
    if not upto.any():
        return []
    least, most = float(low.values[upto].min()), float(high.values[upto].max())
    return [on(high, f"The inputs measured up to there are finite: between {number(least)} and {number(most)}.")]


def _rate(run: TrainingRun) -> list[Step]:
    rate = run.statistic(schema.STATISTICS, "learning_rate") or run.signal("learning rate")
    if rate is None or not len(rate.finite):
        return []
    values = rate.finite.values
    text = f"The learning rate was {number(float(values[0]))}"
    text += "." if values.min() == values.max() else f" at first and {number(float(values[-1]))} at the end."
    return [on(rate, text), *filter(None, [in_code(run, "compile", "It is set here.")])]


def stuck(run: TrainingRun, findings: Findings) -> Iterator[Answer]:
    """A metric that is stuck: the predictions, the gradients, and the sizes of the updates."""
    for name in run.signals:
        curve = run.signal(name)
        if curve is None or not name.startswith("training ") or not set(name.split()) & HIGHER_IS_BETTER or len(curve) < 2:
            continue
        values = curve.finite.values
        if len(values) < 2 or values.min() < 0 or values.max() > 0.98 or values.max() - values.min() >= STUCK:
            continue
        metric = name.removeprefix("training ")
        middle = number(float(np.median(values)))
        steps = [on(curve, f"{from_to(curve, f'The {name}')}, within a range of {number(float(np.ptp(values)))}.")]
        steps += [*_predictions(run), *_moves(run), *_dead(run), *_rate(run)]
        yield _ending(
            f"stuck-{metric.replace(' ', '-')}",
            f"Why does the {metric} stay at {middle}?",
            steps,
            next((findings[h] for h in (*STANDS_STILL, *HOLDS_BACK) if h in findings), None),
            findings,
        )


def _predictions(run: TrainingRun) -> list[Step]:
    predicted, labelled = class_counts(run, "y_pred0", 0.3), class_counts(run, "y0")
    if predicted is None or labelled is None or not predicted.sum() or not labelled.sum():
        return []
    top, most = int(predicted.argmax()), int(labelled.argmax())
    column = run.statistic(schema.STATISTICS, f"y_pred0/count/{top}")
    text = f"Of the last measured predictions, {percent(predicted[top] / predicted.sum())} are class {top}"
    text += f"; the most frequent label, class {most}, makes up {percent(labelled[most] / labelled.sum())} of the data."
    return [on(column, text)] if column is not None else []


def _moves(run: TrainingRun) -> list[Step]:
    """The sizes of the updates, and whether gradients reach the first weights."""
    steps = []
    ratios = {path: (late(curve, 1.0), curve) for path, curve in _logged(step_ratios, run).items()}
    known = {path: entry for path, entry in ratios.items() if math.isfinite(entry[0])}
    if known:
        path = min(known, key=lambda p: known[p][0])
        value, curve = known[path]
        steps.append(on(curve, f"Of all kernels, `{path}` has the smallest updates: {number(value)} of its norm (median)."))
    gradients = _logged(columns, run, "gradient", "norm")
    if len(gradients) > 1:
        (first, at_first), *_, (last, at_last) = gradients.items()
        sizes = finite_median(at_first.values), finite_median(at_last.values)
        if all(map(math.isfinite, sizes)):
            text = f"The gradient norm of `{first}` is {number(sizes[0])}, that of `{last}` is {number(sizes[1])} (medians)."
            steps.append(on(at_first, text))
    return steps


def _dead(run: TrainingRun) -> list[Step]:
    dead = {path: part for path, part in dead_units(run).items() if part > 0.5}
    worst = max(dead, key=lambda path: dead[path], default=None)
    curve = run.statistic(schema.STATISTICS, schema.column(schema.LAYER, worst, "dead")) if worst else None
    return (
        [on(curve, f"{percent(dead[worst])} of the units of `{worst}` are never active.")]
        if curve is not None and worst
        else []
    )


def validation_rises(run: TrainingRun, findings: Findings) -> Iterator[Answer]:
    """The validation loss ends above its minimum: what the training loss does meanwhile, and how large the model is."""
    validation, training = run.signal("validation loss"), run.signal("training loss")
    if validation is None or len(validation.finite) < 3:
        return
    values, steps_ = validation.finite.values, validation.finite.steps
    best = int(np.argmin(values))
    finding = next((findings[h] for h in RAISES_VALIDATION if h in findings), None)
    if best >= len(values) - 2 or values[-1] <= values[best] or finding is None:
        return
    at = int(steps_[best])
    where = place(validation.axis, at)
    rise = f", {percent(values[-1] / values[best] - 1)} more" if values[best] > 0 else ""
    end = f"{number(float(values[-1]))} in {place(validation.axis, int(steps_[-1]))}"
    steps = [on(validation, f"It was lowest in {where}: {number(float(values[best]))}. It ended at {end}{rise}.", at, at=at)]
    if training is not None and training.axis == validation.axis and (then := value_at(training, at)) is not None:
        now = float(training.values[-1])
        does = "kept falling" if now < then else "rose too"
        steps.append(on(training, f"Meanwhile the training loss {does}, from {number(then)} to {number(now)}.", at))
    accuracies = [run.signal(f"{part} accuracy") for part in ("training", "validation")]
    if accuracies[0] is not None and accuracies[1] is not None:
        ends = [number(float(curve.values[-1])) for curve in accuracies if curve is not None]
        text = f"At the end the accuracy is {ends[0]} on the training data and {ends[1]} on the validation data."
        steps.append(on(accuracies[1], text, at))
    parameters, samples = (run.facts.get(a, {}).get(b) for a, b in (("model", "parameters"), ("fit", "samples")))
    if parameters and samples:
        size = in_code(run, "model", f"The model has {parameters:,} weights and learned from {samples:,} examples.")
        steps += [size] if size is not None else []
    yield _ending("validation-rises", f"Why did the validation loss rise after {where}?", steps, finding, findings)


def _ending(id_: str, question: str, steps: list[Step], finding: Finding | None, findings: Findings) -> Answer:
    """The finding that explains this one; or the likeliest cause that its evidence supports; or what is not known."""
    if finding is None:
        missing = "No check found a cause in the log. Statistics of layers and gradients may show more."
        return Answer(id_, question, steps, "open", missing, how=HOW)
    if (first := findings.get(finding.explained_by or "")) is not None:
        return Answer(id_, question, steps, "cause", likeliest(first) or fix_first(first), first.heuristic)
    cause = likeliest(finding)
    if cause is not None:
        return Answer(id_, question, steps, "cause", cause, finding.heuristic)
    text = f"{finding.title}. The log does not decide between the usual causes: {usual(finding)}."
    return Answer(id_, question, steps, "open", text, finding.heuristic, HOW)


def _logged(measure: Callable[..., dict[str, Curve]], *what: Any) -> dict[str, Curve]:
    try:
        return measure(*what)
    except NotChecked:
        return {}
