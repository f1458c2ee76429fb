"""A first loss far above the loss of guessing: the model starts out confident and wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import loss
from scram_plugin.heuristics.heuristic import CALIBRATED, LOSS, Cause, Finding, Heuristic, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import LARGE_INPUTS, LARGE_WEIGHTS
from scram_plugin.heuristics.measured import chooses_class, is_mean, known_layers
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "times",
        4.0,
        "largest loss of the first batch, as a multiple of the loss of guessing, ln(classes)",
        f"it should be about 1 (Karpathy, 2019); {CALIBRATED}",
    ),
    Option(
        "language",
        1.2,
        "the same of a language model, whose first loss is near that of guessing among all tokens, or far below it",
        f"one that knows nothing has 1 (Karpathy, 2019); {CALIBRATED}",
    ),
)
BATCHES_SHOWN = 20  # batches of the curve that are marked; by definition

WRITES_TEXT = re.compile("CausalLM|LMHead|ConditionalGeneration")  # in the names of Hugging Face's classes


def vocabulary(run: TrainingRun) -> int | None:
    """How many tokens a language model chooses among; None if that is not known, or the model is no such one.

    By SCRAM's facts it has as many outputs as an embedding has rows, and a loss for classes; by the settings in its log it is
    of a class that writes text.
    """
    if not run.facts:
        size, written = (run.settings.get(name) for name in ("vocabulary size", "model class"))
        return int(size.value) if size and size.value and written and WRITES_TEXT.search(str(written.value)) else None
    units = run.facts.get("model", {}).get("output_units")
    rows = [layer.facts.get("settings", {}).get("input_dim") for layer in known_layers(run) if layer.kind == "Embedding"]
    return units if chooses_class(run) and isinstance(units, int) and units > 1 and units in rows else None


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    tokens, losses = vocabulary(run), run.statistic(schema.BATCHES, "loss")
    if losses is None:
        if tokens is None:
            raise NotChecked("the loss of the first batch was not logged", HOW)
        losses = loss(run, least=1)
    kind, units, most = loss_class(run), run.facts.get("model", {}).get("output_units"), options["times"]
    if tokens is not None:
        classes, most = tokens, options["language"]
    elif kind in ("SparseCategoricalCrossentropy", "CategoricalCrossentropy") and isinstance(units, int) and units > 1:
        classes = units
    elif kind == "BinaryCrossentropy":
        classes = 2
    else:
        raise NotChecked("the loss of guessing is known only for a cross-entropy of classes", "a cross-entropy of classes")
    if not is_mean(run):
        raise NotChecked("the loss is not a mean, or it has other terms", "a mean cross-entropy of classes without other terms")
    first = float(losses.values[0])
    guessing = math.log(classes)
    if not math.isfinite(first):
        return
    what = f"loss of the first {losses.axis}, as a multiple of the loss of guessing"
    run.measured(what, first / guessing, above=most, curve=losses)
    if first <= most * guessing:
        return
    yield Finding(
        severity="info",
        confidence="likely",
        title=f"The first loss, {number(first)}, is {'far ' * (tokens is None)}above the loss of guessing",
        evidence={
            "first": number(first),
            "guessing": number(guessing),
            "classes": classes,
            "named": "classes" if tokens is None else "tokens",
            "times": number(first / guessing),
        },
        first_step=int(losses.steps[0]),
        last_step=int(losses.steps[min(len(losses) - 1, BATCHES_SHOWN)]),
        axis=losses.axis,
        curves=[losses.source()],
        causes=_causes(run, tokens),
        bad_step=int(losses.steps[0]),
        where=[LOSS],
        times=first / guessing,
    )


def _causes(run: TrainingRun, tokens: int | None) -> list[Cause]:
    mean, deviation = run.statistic(schema.STATISTICS, "x0/mean"), run.statistic(schema.STATISTICS, "x0/std")
    size = float(np.hypot(mean.values[0], deviation.values[0])) if mean is not None and deviation is not None else 0.0
    large = [layer for layer in known_layers(run) if (layer.initial_scale or 0.0) > LARGE_WEIGHTS]
    inputs = Cause(
        "inputs", f"The inputs are large: their root mean square is about {number(size)}." if size > LARGE_INPUTS else ""
    )
    weights = Cause("weights", f"The initial weights of {large[0].name} are large." if large else "")
    if tokens is not None:
        return by_evidence([Cause("padding"), Cause("tokenizer"), weights])
    return by_evidence([weights, inputs, Cause("outputs")])


HEURISTIC = Heuristic(
    id="initial-loss",
    group="model",
    title_passed="The first loss is not far above the loss of guessing",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's record of every batch", "a cross-entropy of classes"),
    order=190,
)
