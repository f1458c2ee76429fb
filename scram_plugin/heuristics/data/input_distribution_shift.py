"""Validation inputs that are not like the training inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.edits import (
    Prepared,
    add_missing_step,
    change_validation,
    prepared_apart,
    shuffle_before_split,
    treat_validation_alike,
)
from scram_plugin.heuristics.heuristic import CALIBRATED, INPUTS, Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import BRIGHT, BYTE, TINY
from scram_plugin.heuristics.measured import called_once, known_layers, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import Column

OPTIONS = (
    Option(
        "shift",
        1.0,
        "standard deviations by which means may differ if the ranges do not overlap, twice as many if they do",
        "Cohen (1988): 0.8 is large",
    ),
    Option(
        "scale",
        3.0,
        "factor by which spreads may differ, where means differ by more than half a standard deviation",
        CALIBRATED,
    ),
    Option(
        "errors",
        8.0,
        "standard errors by which means must differ; a rare feature may be non-zero in a few examples only",
        CALIBRATED,
    ),
    Option(
        "factor",
        10.0,
        "factor between the scales of the two above which probably only one of them was scaled",
        CALIBRATED,
    ),
)
WHOLE = ("int32", "int64")  # types of numbers of tokens and places; source: NumPy
HALF_A_DEVIATION = 0.5  # standard deviations between the means where spreads differ, too (Cohen, 1988: medium)
OTHER_RANGE = 1.5  # factor between the widths of two ranges that are not the same; by bench-limits
SEVERAL_SEEN = 2  # examples, or batches, of which one value alone is no scale; by definition
SAME_PLACE = 0.03  # of its range: so near the means of samples of the same data are; by bench-limits
SAME_SPREAD = 0.1  # so near their spreads are, as a share; by bench-limits
AS_BYTES = (200, 300)  # factor between bytes and bytes divided by 255, with some room; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if (apart := prepared_apart(run.facts)) is not None:
        yield _of_lines(run, apart)
        return
    yield from _measured(run, options)


def _of_lines(run: TrainingRun, apart: Prepared) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title="Validation inputs are not prepared as the training inputs are",
        evidence={"said": apart.said, **absent("feature", "training", "validation", "factor")},
        **whole_of(shown_loss(run)),
        causes=[Cause("preprocessing", apart.said, edit=apart.edit), Cause("split")],
        where=[INPUTS],
    )


def _measured(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    columns = [c for c in run.parsed(schema.VALIDATION).values() if c.kind.startswith("x") and c.statistic == "mean"]
    columns = [c for c in columns if c.kind not in _places(run) and not (c.part and c.kind in _tokens(run))]
    if not columns:
        how = HOW + "\n# and with validation data (in Keras: arrays)"
        raise NotChecked("no statistics of the validation inputs were logged", how)
    called_once(run)
    worst = None
    for column in columns:
        found = _compare(run, column)
        if found is None:
            continue
        (mean, spread, low, high), (mean_v, spread_v, low_v, high_v) = found
        seen = _validated(run, column)
        if low_v == high_v != 0 and seen < SEVERAL_SEEN:
            continue  # perhaps of a single number; an array of zeros was forgotten
        if not column.part and low_v != high_v and not _varies(run, column):
            continue  # one number for a whole batch, such as the time of a diffusion that is run backwards
        # a few examples may be alike by chance: that they are of the same kind is what must be ruled out
        error = float(np.hypot(spread / np.sqrt(_examples(run)), max(spread, spread_v) / np.sqrt(seen)))
        significant = abs(mean - mean_v) > options["errors"] * error
        shift = abs(mean - mean_v) / max(spread, spread_v, TINY)
        size, size_v = (float(np.hypot(m, s)) for m, s in ((mean, spread), (mean_v, spread_v)))
        factor = max(size, size_v) / max(min(size, size_v), TINY)
        wide = max(spread, spread_v) / max(min(spread, spread_v), TINY)
        apart = low_v > high or high_v < low
        scaled = min(factor, wide) > options["factor"] and (significant or not column.part)
        scaled |= not column.part and _rescaled(found)
        moved = shift > options["shift"] and (apart or shift > 2 * options["shift"])
        of = f"feature {column.part}" if column.part else "the inputs"
        what = f"distance between the training and the validation mean of {of}"
        shown = run.statistic(schema.STATISTICS, str(column))
        if moved and not significant:
            run.measured(
                f"{what}, in standard errors", abs(mean - mean_v) / max(error, TINY), above=options["errors"], curve=shown
            )
        else:
            limit = options["shift"] if apart else 2 * options["shift"]
            run.measured(f"{what}, in standard deviations", shift, above=limit, curve=shown)
        if scaled or (significant and (moved or (wide > options["scale"] and shift > HALF_A_DEVIATION))):
            # a different scale of all inputs says more than one of a single feature
            rank = (scaled, scaled and not column.part, max(shift, np.log(wide)))
            if worst is None or rank > worst[0]:
                worst = rank, column, found, factor, scaled
    if worst is None:
        return
    _, column, ((mean, spread, low, high), (mean_v, spread_v, low_v, high_v)), factor, scaled = worst
    curve = run.statistic(schema.STATISTICS, str(column))
    assert curve is not None
    feature = column.part or None
    larger = "validation" if np.hypot(mean_v, spread_v) > np.hypot(mean, spread) else "training"
    split = Cause("split", edit=shuffle_before_split(run.facts))
    in_bytes = feature is None and larger == "validation" and AS_BYTES[0] < factor < AS_BYTES[1] and BRIGHT < high_v <= BYTE
    said = f"The {larger} inputs are {number(factor)} times as large." if scaled else ""
    if (edit := add_missing_step(run.facts)) is not None:
        said = f"{said} The transforms of the training end with a step that those of the validation lack.".lstrip()
    elif scaled:
        edit = change_validation(run.facts, "{} / 255") if in_bytes else treat_validation_alike(run.facts)
    yield Finding(
        severity="warning",
        confidence="likely",
        title="Validation inputs are not like training inputs: the scale differs"
        if scaled
        else "Validation inputs are not like training inputs",
        evidence={
            "feature": f"Feature {feature} (counted from 0)" if feature else "The inputs",
            "training": f"{number(mean)} ± {number(spread)}, from {number(low)} to {number(high)}",
            "validation": f"{number(mean_v)} ± {number(spread_v)}, from {number(low_v)} to {number(high_v)}",
            "factor": f"The {larger} inputs are about {number(factor)} times as large." if scaled else None,
            **absent("said"),
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[curve.source(), *([loss.source()] if (loss := run.signal("validation loss")) is not None else [])],
        causes=[Cause("preprocessing", said, edit=edit), split] if said else [split, Cause("preprocessing")],
    )


def _varies(run: TrainingRun, column: Column) -> bool:
    """Whether the validation inputs of one batch differ. Batches of one example do in no input."""
    entries = [
        c for c in run.parsed(schema.VALIDATION).values() if c.kind.startswith("x") and c.statistic == "std" and not c.part
    ]
    spreads = {c.kind: run.statistic(schema.VALIDATION, str(c)) for c in entries}
    vary = {kind: bool(curve.finite.values.any()) for kind, curve in spreads.items() if curve is not None}
    return vary.get(column.kind, True) or not any(vary.values())


def _rescaled(found: tuple[Level, Level]) -> bool:
    """Whether both have the same mean and spread within their own range, and other ranges: the same data, scaled otherwise."""
    (mean, spread, low, high), (mean_v, spread_v, low_v, high_v) = found
    width, width_v = high - low, high_v - low_v
    if min(width, width_v) <= 0 or max(width, width_v) < OTHER_RANGE * min(width, width_v):
        return False
    place, place_v = (mean - low) / width, (mean_v - low_v) / width_v
    return abs(place - place_v) < SAME_PLACE and abs(spread / width / max(spread_v / width_v, TINY) - 1) < SAME_SPREAD


def _examples(run: TrainingRun) -> int:
    """How many training examples were measured."""
    size = run.facts.get("fit", {}).get("batch_size")
    rows = run.statistic(schema.STATISTICS, "x0/mean")
    return max((size if isinstance(size, int) else 1) * (len(rows) if rows is not None else 1), 1)


def _validated(run: TrainingRun, column: Column) -> int:
    """How many validation examples were measured; where that is not known, or each may be a batch, how many batches of them."""
    known = data_of(run, "validation").get("samples")
    rows, spread = (run.statistic(schema.VALIDATION, str(column._replace(statistic=which))) for which in ("mean", "std"))
    single = bool(column.part) and spread is not None and not spread.finite.values.any()
    return int(known) if known and not single else max(len(rows) if rows is not None else 1, 1)


Level = tuple[float, float, float, float]  # mean, standard deviation, smallest and largest value


def _whole(run: TrainingRun) -> list[bool]:
    """Of each input, whether it has whole numbers."""
    return [str(entry.get("dtype")) in WHOLE for entry in (run.facts.get("model") or {}).get("inputs") or ()]


def _places(run: TrainingRun) -> list[str]:
    """Inputs of whole numbers beside others that are none: places in these, as edges of a graph, are larger in larger data."""
    whole = _whole(run)
    return [] if all(whole) else [f"x{number}" for number, is_whole in enumerate(whole) if is_whole]


def _tokens(run: TrainingRun) -> list[str]:
    """Inputs of whole numbers where an embedding reads them: what stands at one place of a text is not on a scale."""
    embeds = any(layer.kind == "Embedding" for layer in known_layers(run))
    return [f"x{number}" for number, is_whole in enumerate(_whole(run)) if is_whole and embeds]


def _compare(run: TrainingRun, column: Column) -> tuple[Level, Level] | None:
    """The level of one column in the training and in the validation data; None where one was not measured."""
    found = []
    for table in (schema.STATISTICS, schema.VALIDATION):
        names = [str(column._replace(statistic=which)) for which in ("mean", "std", "min", "max")]
        curves = [run.statistic(table, name) for name in names]
        if any(curve is None or not len(curve.finite) for curve in curves):
            return None
        mean, spread, low, high = (curve.finite.values for curve in curves if curve is not None)
        # over all parts: the variance within them and between them
        deviation = float(np.sqrt(np.mean(np.square(spread)) + np.var(mean)))
        found.append((float(np.mean(mean)), deviation, float(low.min()), float(high.max())))
    return found[0], found[1]


HEURISTIC = Heuristic(
    id="input-distribution-shift",
    group="data",
    title_passed="Validation inputs are like training inputs",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of the validation inputs",),
    order=60,
    precedence=170,
    explains=("no-learning", "overfitting", "noisy-validation", "metric-loss-disagreement", "validation-better-than-training"),
)
