"""Data that are not shuffled: the labels come in order, or the end of sorted data became the validation data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import shuffle, shuffle_before_split
from scram_plugin.heuristics.heuristic import (
    CALIBRATED,
    Cause,
    Finding,
    Heuristic,
    Inconclusive,
    NotChecked,
    Option,
    TooEarly,
    absent,
)
from scram_plugin.heuristics.limits import ALMOST
from scram_plugin.heuristics.measured import channels, chooses_class, whole_of, without_loader
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        10,
        "batches that are needed",
        CALIBRATED,
    ),
    Option(
        "max_excess",
        5.0,
        "largest variance of the batch means, as a multiple of what chance gives",
        (
            "the F ratio of an analysis of variance (Fisher, 1925): with ten batches or more, chance stays below 4 in all "
            "but one of 10,000 shuffled epochs"
        ),
    ),
    Option(
        "part",
        0.3,
        "share of the targets' variance that must be between batches as well; fully sorted labels reach 1",
        CALIBRATED,
    ),
    Option(
        "apart",
        0.5,
        (
            "share of the validation labels that would need another class to be distributed like the training labels (total "
            "variation distance)"
        ),
        f"by definition: 30 labels drawn at random from ten classes stay below 0.4; {CALIBRATED}",
    ),
)
TARGETS = tuple(f"y{number}" for number in range(8))  # that are looked at; a log may hold any number; by definition
SORTED = 0.9  # share of the batches that come after one with no larger targets; 0.5 by chance; by definition
LEAST_CLASSES = 2  # numbers of a label: one has no shares; by definition
LEAST_LABELS = 30  # in the validation data: with fewer, another distribution may be chance; as `apart`, by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if (apart := _apart(run, options)) is not None:
        yield apart
        return
    refused: list[NotChecked | TooEarly | Inconclusive] = []
    names = sorted({entry.kind for entry in run.parsed(schema.STATISTICS).values() if entry.kind in TARGETS}) or ["y0"]
    for name in names:
        try:
            found = list(_of_target(run, options, name))
        except (NotChecked, TooEarly, Inconclusive) as error:
            refused.append(error)
            continue
        if found:
            yield found[0]
            return
    if len(refused) == len(names):
        raise refused[0]


def _of_target(run: TrainingRun, options: Mapping[str, Any], name: str) -> Iterable[Finding]:
    """By the targets `name`, such as ``y0``."""
    means, spread = run.statistic(schema.BATCHES, f"{name}/mean"), run.statistic(schema.STATISTICS, f"{name}/std")
    size = _batch_size(run)
    if means is None or spread is None or not len(spread.finite) or size is None:
        raise NotChecked("the targets' means, or the batch size, were not logged", HOW)
    if run.statistic(schema.STATISTICS, f"{name}/mean/0") is not None:
        yield from _one_hot(run, options, name, size)
        return
    inputs = run.statistic(schema.BATCHES, "x0/mean")
    vary = inputs is not None and len(inputs.finite) > 0 and np.ptp(inputs.finite.values) > 0
    if without_loader(run) and not chooses_class(run) and not (vary and _is_sorted(means)):
        raise Inconclusive("there was no data loader: the program may compute the targets itself, as in reinforcement learning")
    values = means.finite.values
    if len(values) < options["least"]:
        raise TooEarly(f"it needs {int(options['least'])} batches")
    if name != TARGETS[0] and not _is_sorted(means):
        return  # one of several series in the order of time, as many are meant to be
    between = float(np.var(values))
    within = float(np.mean(np.square(spread.finite.values)))
    # for shuffled data both estimate the variance of the targets
    total = between + within
    if total <= 0:
        return
    excess = size * between / max(within, total / size)
    shares = between / total
    if excess <= options["max_excess"]:
        what = "variance of the mean labels of batches, as a multiple of what chance gives"
        run.measured(what, excess, above=options["max_excess"], curve=means)
        return
    if shares < options["part"]:
        what = "share of the variance of the labels that is between batches"
        run.measured(what, shares, above=options["part"], percent=True, curve=means)
        return
    if _draws(run):
        return
    yield _not_shuffled(run, means, excess, shares)


def _is_sorted(means: Curve) -> bool:
    """Whether the mean targets of the batches rise, or fall, nearly always: epoch by epoch, as those of sorted data."""
    changes = np.diff(means.finite.values)
    return bool(len(changes) and max(np.mean(changes >= 0), np.mean(changes <= 0)) > SORTED)


def _one_hot(run: TrainingRun, options: Mapping[str, Any], name: str, size: int) -> Iterable[Finding]:
    """Of labels with a number for each class: the shares of the classes in the measured batches."""
    shares = list(channels(run, name, "mean").values())
    if not chooses_class(run) or len(shares) < LEAST_CLASSES or len({len(curve) for curve in shares}) > 1:
        raise NotChecked("each target is several numbers, which have no order", "targets of one number each")
    each = np.array([curve.values for curve in shares])
    each = each[:, np.isfinite(each).all(axis=0)]
    if each.shape[1] < options["least"]:
        raise TooEarly(f"it needs {int(options['least'])} batches")
    # the variances of the shares, between the batches and within them, as of classes that are drawn (Light & Margolin, 1971)
    between, within = float(each.var(axis=1).sum()), float((each * (1 - each)).sum(axis=0).mean())
    total = between + within
    if total <= 0:
        return
    excess, part = size * between / max(within, total / size), between / total
    if excess <= options["max_excess"] or part < options["part"]:
        what = "share of the variance of the classes that is between batches"
        run.measured(what, part, above=options["part"], percent=True, curve=shares[0])
        return
    if not _draws(run):
        yield _not_shuffled(run, shares[int(each.var(axis=1).argmax())], excess, part)


def _draws(run: TrainingRun) -> bool:
    """Whether the sampler of PyTorch draws at random: targets may be those of some examples alone."""
    return run.framework_of_facts == "torch" and run.facts.get("fit", {}).get("shuffle") is True


def _not_shuffled(run: TrainingRun, means: Curve, excess: float, share: float) -> Finding:
    """`means`: of the targets, or the share of one class, in each batch."""
    values = means.finite.values
    return Finding(
        severity="warning",
        confidence="likely",
        title="The data are not shuffled",
        evidence={
            "excess": number(excess),
            "share": share,
            "lowest": number(float(values.min())),
            "highest": number(float(values.max())),
            "all": "Within a batch the labels hardly differ." if share > ALMOST else None,
            **absent("apart"),
        },
        first_step=int(means.steps[0]),
        last_step=int(means.steps[-1]),
        axis="batch",
        curves=[means.source(), *([loss.source()] if (loss := run.signal("batch loss")) is not None else [])],
        causes=_causes(run),
    )


def _batch_size(run: TrainingRun) -> int | None:
    """The batch size given to `fit`, or else the number of labels in a measured batch (all that is known of a stream)."""
    size = run.facts.get("fit", {}).get("batch_size")
    if isinstance(size, int):
        return size
    parsed = run.parsed(schema.STATISTICS).items()
    counts = [run.statistic(schema.STATISTICS, name) for name, c in parsed if (c.kind, c.statistic) == ("y0", "count")]
    return int(sum(curve.values[0] for curve in counts if curve is not None)) or None


def _apart(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """Classes in the validation data that the training data hardly have: the end of sorted data was cut off."""
    data = run.facts.get("data") or {}
    counts = [np.array(data.get(name, {}).get("counts") or [], float) for name in ("training", "validation")]
    loss = run.signal("validation loss") or run.signal("training loss") or run.signal("batch loss")
    if loss is None or not chooses_class(run) or not len(counts[0]) or counts[1].sum() < LEAST_LABELS:
        return None
    size = max(map(len, counts))
    training, validation = (np.pad(c, (0, size - len(c))) / c.sum() for c in counts)
    distance = float(np.abs(training - validation).sum() / 2)
    if distance < options["apart"]:
        what = "difference between the class shares of training and validation data (total variation distance)"
        run.measured(what, distance, above=options["apart"], percent=True)
        return None
    at = int(np.argmax(validation - training))
    ours, theirs = percent(training[at]), percent(validation[at])
    said = f"{theirs} of the validation labels are of class {at}, but {ours} of the training labels."
    return Finding(
        severity="warning",
        confidence="certain",
        title=f"The data are not shuffled: {theirs} of the validation labels are of class {at}",
        evidence={"apart": said, **absent("excess", "share", "lowest", "highest", "all")},
        **whole_of(loss),
        causes=[Cause("split", said, "", shuffle_before_split(run.facts))],
    )


def _causes(run: TrainingRun) -> list[Cause]:
    off = run.facts.get("fit", {}).get("shuffle") is False
    switched = Cause("off", "The training uses `shuffle=False`." if off else "", "", shuffle(run.facts) if off else None)
    told = isinstance(run.facts.get("fit", {}).get("batch_size"), int)
    stream = Cause(
        "stream", "" if told else "The batches came from a stream, which the training does not shuffle.", "", shuffle(run.facts)
    )
    return [switched, stream] if off else [stream, switched]


HEURISTIC = Heuristic(
    id="unshuffled-data",
    group="data",
    title_passed="The data are shuffled",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's record of every batch",),
    order=70,
    precedence=160,
    explains=("standstill", "unrest", "overfitting", "metric-loss-disagreement", "validation-better-than-training"),
)
