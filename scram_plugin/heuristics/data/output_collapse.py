"""The outputs of the model are the same for all examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option, TooEarly
from scram_plugin.heuristics.limits import ALMOST, HALF_BATCHES, LATE_BATCHES, THIRD
from scram_plugin.heuristics.measured import class_counts, enough_rows
from scram_plugin.heuristics.names import CATEGORICAL
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import speed
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

OPTIONS = (
    Option(
        "least",
        4,
        "measured batches that are needed",
        CALIBRATED,
    ),
    Option(
        "share",
        0.995,
        "share of the predictions in one class from which on the outputs count as the same",
        CALIBRATED,
    ),
    Option(
        "spread",
        0.01,
        "fraction of the targets' standard deviation up to which outputs count as the same",
        CALIBRATED,
    ),
    Option(
        "batches",
        200,
        "batches of training that are needed first; in its first steps a model may well predict one thing",
        CALIBRATED,
    ),
)
FOR_A_SHARE = 8  # predictions of a batch: in fewer, the same class for all may be chance; by bench-limits
FOR_ALL = 30  # predictions, where batches are smaller: 30 of one class are no chance; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    spread = run.statistic(schema.STATISTICS, "y_pred0/std")
    targets = run.statistic(schema.STATISTICS, "y0/std")
    if spread is None or targets is None:
        raise NotChecked("no statistics of the outputs were logged", HOW)
    enough_rows({"": spread}, int(options["least"]))
    if spread.steps[-1] < options["batches"]:
        raise TooEarly(f"it needs {int(options['batches'])} batches")
    labels, answers = class_counts(run, "y0", HALF_BATCHES), class_counts(run, "y_pred0", LATE_BATCHES)
    if labels is not None and answers is not None and answers.sum():
        common, most = int(np.argmax(answers)), float(labels.max() / max(labels.sum(), 1.0))
        whole = answers.max() >= options["share"] * answers.sum()
        share = _share(run, len(answers))
        if most <= ALMOST:
            told = answers.max() / answers.sum() if share is None else share
            run.measured("share of the predictions in the most common class", told, above=options["share"], percent=True)
        if share is None:  # batches of a few examples: within one of them all answers may well be the same
            if answers.sum() < FOR_ALL:
                raise TooEarly(f"it needs {FOR_ALL} predictions at the end, and batches are small")
            share = 1.0 if whole else 0.0
        # where nearly all labels are one class, nearly all predictions may be
        if share < options["share"] or most > ALMOST:
            return
        where = f": class {common}" if whole else " of a batch"
        title = f"The outputs are the same for all examples{where}"
        which = f"class {common}" if whole else "the same class within each batch"
        said = f"Nearly all predictions are {which}; {percent(most)} of the labels are of the most common class."
    else:
        if run.framework_of_facts == "torch" and not (run.facts.get("loss") or {}).get("class"):
            raise NotChecked("the loss does not compare the outputs, but what is computed from them", "a loss of the outputs")
        if _chooses_probabilities(run):
            raise NotChecked("there are too many classes to count them", HOW)  # the spread of their numbers says nothing
        late = spread.values[-max(len(spread) // THIRD, 2) :]
        usual = float(np.median(targets.values[np.isfinite(targets.values)])) if np.isfinite(targets.values).any() else 0.0
        if usual:
            what = "standard deviation of the outputs, as a share of that of the targets"
            run.measured(what, float(np.median(late)) / usual, below=options["spread"], percent=True, curve=spread)
        if not usual or not np.isfinite(late).all() or float(np.median(late)) > options["spread"] * usual:
            return
        differ = number(float(np.median(late)))
        said = f"Within a batch the outputs have a standard deviation of {differ}, the targets one of {number(usual)}."
        title = "The outputs are the same for all examples"
    yield Finding(
        severity="warning",
        confidence="likely",
        title=title,
        evidence={"said": said, "batches": int(spread.steps[-1]) + 1},
        first_step=int(spread.steps[-max(len(spread) // THIRD, 2)]),
        last_step=int(spread.steps[-1]),
        axis="batch",
        curves=[spread.source()],
        causes=[speed(run), Cause("signal")],
    )


def _chooses_probabilities(run: TrainingRun) -> bool:
    """Whether the outputs, or the first of several, are the probabilities of classes that were not counted."""
    loss = run.facts.get("loss") or {}
    first = next((part for part in loss.get("outputs") or [] if part.get("output") == 0), loss)
    return first.get("class") in CATEGORICAL and first.get("from_logits") is False


def _share(run: TrainingRun, classes: int) -> float | None:
    """The share of a batch's predictions in its most common class: the median over the last third of the measured batches.

    None if a batch has so few predictions that this says nothing.
    """
    curves = [run.statistic(schema.STATISTICS, column("y_pred0", None, "count", str(i))) for i in range(classes)]
    counts = np.stack([np.nan_to_num(curve.values) for curve in curves if curve is not None])
    counts = counts[:, -max(counts.shape[1] // THIRD, 2) :]
    if np.median(counts.sum(axis=0)) < FOR_A_SHARE:
        return None
    return float(np.median(counts.max(axis=0) / np.maximum(counts.sum(axis=0), 1.0)))


HEURISTIC = Heuristic(
    id="output-collapse",
    group="data",
    title_passed="The outputs are not the same for all examples",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of the outputs",),
    order=370,
    families=("standstill",),
)
