"""Usual learning rates, and the cause "learning-rate" with the evidence of a run for or against it."""

from __future__ import annotations

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import rate_as_cause
from scram_plugin.heuristics.edits import set_learning_rate
from scram_plugin.heuristics.heuristic import Cause
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

# Keras's own defaults, which are those of the papers that introduced the optimizers (Adam: Kingma & Ba, 2015).
USUAL_RATES = {
    "SGD": 1e-2,
    "Adam": 1e-3,
    "AdamW": 1e-3,
    "Nadam": 1e-3,
    "Adamax": 1e-3,
    "RMSprop": 1e-3,
    "Adagrad": 1e-3,
    "Adadelta": 1.0,
    "Ftrl": 1e-3,
    "Lion": 1e-4,
    "Adafactor": 1e-3,
    "Lamb": 1e-3,
}
HIGH = 10.0  # times the usual rate: outside the grids that people search (Bengio, 2012, section 3.1: within 10x of the best)


def known_rate(run: TrainingRun) -> tuple[str, float, float] | None:
    """(optimizer, its initial learning rate, the usual one); None if one of them is not known. Where the training begins with a
    warm-up, the highest measured rate counts."""
    optimizer = run.facts.get("optimizer", {})
    name, rate = str(optimizer.get("class", "")), optimizer.get("learning_rate")
    usual = USUAL_RATES.get(name)
    if usual is None or not isinstance(rate, int | float):
        return None
    measured = run.statistic(schema.STATISTICS, "learning_rate") if optimizer.get("schedule") else None
    highest = float(measured.finite.values.max()) if measured is not None and len(measured.finite) else 0.0
    return name, max(float(rate), highest), usual


def too_high(run: TrainingRun) -> Cause | None:
    """The cause "learning-rate", with its fix, if the rate is far too high for its optimizer."""
    known = known_rate(run)
    if known is None or known[1] < HIGH * known[2]:
        return None
    name, rate, usual = known
    return Cause("learning-rate", times_too_high(name, rate, usual), "", set_learning_rate(run.facts, name, rate, usual))


def times_too_high(name: str, rate: float, usual: float) -> str:
    """How far a learning rate is above the usual one of its optimizer, as a sentence."""
    return f"The learning rate is {number(rate)}. That is {number(rate / usual)} times the usual {number(usual)} of {name}."


def beside_speed(run: TrainingRun, other: Cause) -> list[Cause]:
    """The learning rate and another cause: that one first if there is evidence for it and the rate is not far too high."""
    rate = speed(run)
    return [other, rate] if other.for_ and rate.edit is None else [rate, other]


def speed(run: TrainingRun) -> Cause:
    """The cause "learning-rate", with the evidence for or against it."""
    return too_high(run) or rate_as_cause(run)
