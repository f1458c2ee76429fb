"""Some classes are much rarer than others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.edits import weigh_classes
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option, TooEarly
from scram_plugin.heuristics.limits import HALF_BATCHES
from scram_plugin.heuristics.measured import chooses_class, class_counts, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "ratio",
        10.0,
        "ratio of the most common to the rarest class from which on it is reported",
        "He & Garcia (2009) call 10:1 moderate",
    ),
    Option(
        "neglect",
        0.25,
        "fraction of its share of the labels below which a rare class is predicted too rarely; that is a warning",
        CALIBRATED,
    ),
    Option(
        "least",
        200,
        "labels that must have been counted",
        CALIBRATED,
    ),
)
EXPECTED = 10  # predictions of a rare class that its share would give: with fewer, none may be chance; by bench-limits
MOST_CLASSES = 20  # of more, as in a vocabulary, the rarest may well hardly ever be predicted; by bench-limits
DIGITS, MOST_WEIGHTS = 3, 20  # of the weights of classes in a proposed edit: more are no line to read; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = data_of(run, "training").get("counts")
    counts = np.array(known, float) if known and chooses_class(run) else class_counts(run, "y0")
    if counts is None or len(counts) < 2:
        raise NotChecked("the classes of the labels were not counted, or the loss is not one for classes", HOW)
    if counts.sum() < options["least"]:
        raise TooEarly(f"it needs {int(options['least'])} labels")
    present = counts[counts > 0]
    if len(present) < 2:
        return
    what = "labels of the most common class for each label of the rarest"
    run.measured(what, present.max() / present.min(), above=options["ratio"])
    if present.max() < options["ratio"] * present.min():
        return
    rare, common = int(np.argmin(np.where(counts > 0, counts, np.inf))), int(np.argmax(counts))
    share = counts[rare] / counts.sum()
    predicted = class_counts(run, "y_pred0", part=HALF_BATCHES)
    if predicted is None and len(counts) == 2:
        predicted = _one_sided(run)
    said = None
    trained = "preflight" not in run.facts  # a model learns the common classes first
    few = len(present) <= MOST_CLASSES
    if few and trained and predicted is not None and predicted.sum() >= options["least"] / 2 and rare < len(predicted):
        given = predicted[rare] / predicted.sum()
        # with fewer of them expected, none at all may be chance
        if share * predicted.sum() >= EXPECTED and given < options["neglect"] * share:
            said = (
                f"The model predicts class {rare} for {percent(given, 2)} of the examples; "
                f"its share of the labels is {percent(share, 2)}."
            )
    curve = run.signal("training loss") or run.signal("batch loss")
    if curve is None:
        raise NotChecked("no training loss was logged", HOW)
    weights = {int(i): round(float(counts.sum() / (len(present) * n)), DIGITS) for i, n in enumerate(counts) if n}
    edit = weigh_classes(run.facts, weights) if len(weights) <= MOST_WEIGHTS else None
    yield Finding(
        severity="warning" if said else "info",
        confidence="likely" if said else "certain",
        title=f"Classes are imbalanced: {counts[common] / counts[rare]:,.0f} labels of class {common} for one of class {rare}",
        evidence={
            "common": common,
            "rare": rare,
            "common_count": int(counts[common]),
            "rare_count": int(counts[rare]),
            "share": counts[common] / counts.sum(),
            "neglected": said,
        },
        **whole_of(curve),
        causes=[Cause("rare", f"Labels of class {rare}: {int(counts[rare]):,} of {int(counts.sum()):,}.", "", edit)],
    )


def _one_sided(run: TrainingRun) -> np.ndarray | None:
    """How often each of two classes was predicted in the later half of the measured batches; None unless it was always one."""
    low, high = (run.statistic(schema.STATISTICS, f"y_pred0/{which}") for which in ("min", "max"))
    size, units = run.facts.get("fit", {}).get("batch_size"), run.facts.get("model", {}).get("output_units")
    logits = bool(run.facts.get("loss", {}).get("from_logits"))
    if low is None or high is None or not isinstance(size, int) or units != 1:
        return None
    border, half = 0.0 if logits else 0.5, (len(low) + 1) // 2
    never, always = bool((high.values[-half:] < border).all()), bool((low.values[-half:] > border).all())
    return np.array([half * size * never, half * size * always], float) if never or always else None


HEURISTIC = Heuristic(
    id="class-imbalance",
    group="data",
    title_passed="Classes are not imbalanced",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's counts of the labels",),
    order=80,
    precedence=270,
    explains=("no-learning", "output-collapse"),
)
