"""Inputs, or features of inputs, that never change."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import always_the_same, data_of, few_examples, is_constant
from scram_plugin.heuristics.edits import Edit, divide_pixels, keep_inputs, lost_values, names_batch_size, truncated_values
from scram_plugin.heuristics.heuristic import CALIBRATED, INPUTS, Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import ALMOST, MOSTLY, ROUNDED, TENTH
from scram_plugin.heuristics.measured import (
    called_once,
    channels,
    enough_rows,
    inputs_of,
    known_layers,
    levels,
    listed,
    shown_loss,
    whole_of,
    without_loader,
)
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number, one_line
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column
from scram_plugin.severity import Severity

OPTIONS = (
    Option(
        "least",
        3,
        "measured batches that are needed",
        CALIBRATED,
    ),
)
NEARLY_NONE = 0.05  # of the range of all values: less than 1 value in 400 is then at the other end; by definition
AT_ONE_END = 1e-3  # of the range of all values, by which their mean may differ from one end; by definition
AXES_OF_PICTURES = 4  # examples, height, width and channels; by definition
HARDLY_SPREAD = 0.02  # of the mean of the inputs: a spread that weights of about 1 do not show beside it; by definition
USUAL_SIZE = 10.0  # of a mean: larger inputs are not normalised, which is another fault; by definition
TINY_PART = 1e-3  # relative: what a spread of zeros and ones may miss by rounding; float32
MANY_FEATURES = 0.25  # share of the features that never change: no table has so many; by definition
OF_INPUTS = re.compile("Error|Crossentropy|Huber")  # of a loss of the program's own, the data may have a distribution alone
WORDS = 10  # rows of an embedding that are more than those for parts of a text; by definition
ONE_OF_ALL = re.compile(r"seg|type|lang|domain|speaker|task|style|source|site|mask|posit", re.I)  # by definition
POSITIONS_AND_FEATURES = 3  # axes: examples, positions and features; by definition
FEATURES_SHOWN = 5  # features named in a sentence; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    names = inputs_of(run)
    if not names:
        raise NotChecked("no statistics of the inputs were logged", HOW)
    if words := run.loop.get("words"):
        yield _of_words(run, *words)
        return
    if (lost := lost_values(run.facts)) is not None:
        said = f"Line {lost.line} leaves one value of nearly all, by `{one_line(lost.text)}`."
        yield _of_first_batch(run, "constant", "Constant inputs: a line makes nearly all values the same", said, lost.edit)
        return
    if (cast := truncated_values(run.facts)) is not None and _are_whole(run, names[0]) and _stands(run, MOSTLY):
        said = f"Line {cast.line} makes whole numbers of scaled values, by `{one_line(cast.text)}`: most of them become 0."
        yield _of_first_batch(run, "constant", "Constant inputs: most values become 0", said, cast.edit)
        return
    if not (is_constant(run, "y0") and always_the_same(run, names[0])):
        called_once(run)
    if (rows := run.loop.get("alike")) and all(_never_changes(run, name) for name in names):
        called_once(run)
        said = f"The {rows:,} examples of the first batch have the same inputs and not the same targets."
    elif OF_INPUTS.search(loss_class(run)) and (rows := data_of(run, "training").get("alike")):
        said = f"{rows:,} examples of the data set, chosen at random, have the same inputs and not the same targets."
    elif _trained_on_one(run, names[0]):
        said = "In every batch that was looked at, all examples have the same inputs."
    else:
        said = ""
    if said:
        yield _of_first_batch(run, "alike", "Constant inputs: all examples are one and the same", said)
        return
    for name in names:
        yield from _judge(run, name, int(options["least"]), len(names) > 1)


def _judge(run: TrainingRun, name: str, least: int, beside_others: bool) -> Iterable[Finding]:
    named = [column(name, None, which) for which in ("std", "mean", "min", "max")]
    spread, mean, low, high = (run.statistic(schema.STATISTICS, each) for each in named)
    if spread is None or mean is None or low is None or high is None:
        return
    enough_rows({"": spread}, least)
    every = run.statistic(schema.BATCHES, column(name, None, "mean"))
    lowest, highest = float(low.values.min()), float(high.values.max())
    if _are_cut(run, name, spread, mean, (lowest, highest)):
        said = f"The model takes whole numbers: of the values, from {number(lowest)} to {number(highest)}, nearly all become 0."
        yield _of_first_batch(run, "constant", f"Constant inputs: nearly all of `{_name_of(run, name)}` becomes 0", said)
        return
    if _are_truncated(run, name, spread, mean, (lowest, highest)) and _stands(run):
        said = "All values are -1, 0 or 1, and nearly all of them 0, as whole numbers that were made of smaller ones."
        yield _of_first_batch(run, "constant", "Constant inputs: nearly all values became 0", said)
        return
    dark = _is_picture(run) and _near_lowest(mean, (lowest, highest))
    if dark and _stands(run, MOSTLY) and (edit := divide_pixels(run.facts)) is not None:
        said = "The program divides whole numbers by 255 with `//`: of the pixels, all but the brightest become 0."
        yield _of_first_batch(run, "constant", "Constant inputs: nearly all pixels become 0", said, edit)
        return
    if not beside_others and _hardly_differ(spread, mean) and _stands(run) and not _are_normalised(run):
        usual_text = f"{number(float(np.median(mean.values)))} ± {number(float(np.median(spread.values)))}"
        said = f"The values are {usual_text} (mean ± standard deviation), so that no example differs much from another one."
        yield _of_first_batch(run, "constant", f"Nearly constant inputs: {usual_text}", said)
        return
    features = {}
    tops = channels(run, name, "max")
    for channel, floor in channels(run, name, "min").items():
        if channel in tops:
            value, still = float(floor.values[0]), floor.values.min() == tops[channel].values.max()
            # the lowest or highest of all values is probably background, as in the corners of images
            features[channel] = bool(still and value not in (lowest, highest))
    constant = [feature for feature, still in features.items() if still]
    usual, always = float(np.median(mean.values)), lowest == highest
    share = float(np.mean((low.values == usual) & (high.values == usual)))
    # in most batches all values are the same, and in the others nearly all: hardly an example differs from another one
    few = share > MOSTLY and float(spread.values.max()) < NEARLY_NONE * (highest - lowest)
    rare = _is_rare(run, mean, lowest, highest) and not _are_binary(spread, mean, (lowest, highest))
    nearly = (few or rare) and not always and not beside_others and _stands(run)
    whole = always or nearly or share > ALMOST
    if (
        whole
        and beside_others
        and lowest in (0.0, 1.0)
        and not _has_features(run, name)
        and not (lowest == 0 and _has_most_axes(run, name))
        and not _is_unknown_word(run, name)
    ):
        return  # a mask or segment ids, which are constant if all texts have the same length
    what = "share of measured batches in which all inputs have the same value"
    run.measured(what, share, above=ALMOST, percent=True, curve=spread)
    # where one batch holds all of the data, equal means are normal, but not a single label
    fit = run.facts.get("fit", {})
    several = (not without_loader(run) or names_batch_size(run.facts, fit.get("batch_size", 0))) and (fit.get("steps") or 2) > 1
    # equal means to the last digit, although the values within a batch differ
    repeated = (several or is_constant(run, "y0")) and always_the_same(run, name) and bool((spread.values > 0).any())
    repeated = repeated and not _are_choices(run, name, usual, (lowest, highest))
    if whole or repeated:
        severity: Severity = "error" if always and not _is_unknown_word(run, name) else "warning"
        cause = "constant" if whole else "repeated"
        called = _name_of(run, name) if beside_others and _input(run, name).get("name") else ""
        of = f" of input {int(called) + 1}" if called.isdecimal() else f" of `{called}`" if called else ""
        values = f"{'' if always else 'nearly '}all values{of} are {number(usual)}"
        title = f"Constant inputs: {values if whole else 'every batch is the same'}"
    elif constant and len(features) > 1:
        many = len(constant) >= MANY_FEATURES * len(features) and _stands(run)
        cause, severity = "features", "warning" if many else "info"
        names = listed([str(f) for f in constant])
        one = len(constant) == 1
        title = f"Constant inputs: feature {names} never changes" if one else f"Constant inputs: features {names} never change"
    else:
        return
    yield Finding(
        severity=severity,
        confidence="certain" if cause != "repeated" and not nearly else "likely",
        title=title,
        evidence={
            "rows": len(spread),
            "whole": f"{values[0].upper()}{values[1:]}." if whole else None,
            "features": listed([str(f) for f in constant], FEATURES_SHOWN) if cause == "features" else None,
            "count": len(constant) if cause == "features" else None,
            "total": len(features) or None,
            "repeated": f"All {len(every)} batches have the same mean, to the last digit."
            if repeated and every is not None
            else None,
        },
        first_step=int(spread.steps[0]),
        last_step=int(spread.steps[-1]),
        axis="batch",
        curves=[(every if repeated and every is not None else spread).source()],
        causes=[Cause(cause, edit=keep_inputs(run.facts) if cause == "constant" else None)],
        where=[INPUTS],
    )


def _is_rare(run: TrainingRun, mean: Curve, lowest: float, highest: float) -> bool:
    """Whether nearly all values of pictures are the lowest or the highest one. Words and categories that are counted are mostly
    0, and of other inputs a single outlier may lie as far from the mean."""
    ends = (lowest, highest) if _is_picture(run) else ()
    return any(float(np.abs(mean.values - end).max()) < AT_ONE_END * (highest - lowest) for end in ends)


def _near_lowest(mean: Curve, ends: tuple[float, float]) -> bool:
    """Whether the mean of every batch is near the lowest of all values."""
    return bool((mean.values - ends[0] < NEARLY_NONE * (ends[1] - ends[0])).all())


def _is_picture(run: TrainingRun) -> bool:
    shape = ((run.facts.get("model") or {}).get("inputs") or [{}])[0].get("shape") or []
    return len(shape) == AXES_OF_PICTURES


def _name_of(run: TrainingRun, name: str) -> str:
    return one_line(str(_input(run, name).get("name")))


def _input(run: TrainingRun, name: str) -> Mapping[str, Any]:
    """What is known of an input, such as ``x0``; empty where nothing is."""
    inputs, place = (run.facts.get("model") or {}).get("inputs") or [], int(name.removeprefix("x"))
    known: Mapping[str, Any] = inputs[place] if place < len(inputs) else {}
    return known


def _are_cut(run: TrainingRun, name: str, spread: Curve, mean: Curve, ends: tuple[float, float]) -> bool:
    """Whether an input of whole numbers, as an embedding takes, gets shares of 1."""
    whole = str(_input(run, name).get("dtype")).startswith("int")
    between = 0 <= ends[0] < ends[1] <= 1
    return whole and between and not _are_binary(spread, mean, (0.0, 1.0))


def _are_whole(run: TrainingRun, name: str) -> bool:
    """Whether the lowest and the highest value of every batch are whole numbers, and most of the values are 0."""
    low, high, zeros = (run.statistic(schema.STATISTICS, column(name, None, which)) for which in ("min", "max", "zero"))
    if low is None or high is None or zeros is None or not len(zeros):
        return False
    ends = np.concatenate([low.values, high.values])
    return bool((ends == np.round(ends)).all() and np.ptp(ends) > 0 and (zeros.values > MOSTLY).all())


def _are_truncated(run: TrainingRun, name: str, spread: Curve, mean: Curve, ends: tuple[float, float]) -> bool:
    """Whether all values of sequences or pictures are -1, 0 or 1, and hardly one is not 0: values in between would make the
    spread smaller."""
    zeros = run.statistic(schema.STATISTICS, column(name, None, "zero"))
    known = _input(run, name).get("shape")
    if zeros is None or len(zeros) != len(spread) or ends != (-1.0, 1.0) or (known and not _has_features(run, name)):
        return False
    ones = 1 - zeros.values
    square = spread.values**2 + mean.values[: len(spread)] ** 2
    return bool((ones < NEARLY_NONE).all() and (square >= (1 - TINY_PART) * ones).all())


def _hardly_differ(spread: Curve, mean: Curve) -> bool:
    """Whether values of a usual size are nearly the same."""
    sizes = np.abs(mean.values)
    return bool((sizes < USUAL_SIZE).all() and (spread.values < HARDLY_SPREAD * sizes).all() and spread.values.min() > 0)


def _are_normalised(run: TrainingRun) -> bool:
    """Whether the first layer of the model brings its inputs to a usual spread."""
    first = next((layer.kind for layer in known_layers(run) if layer.kind != "InputLayer"), "")
    return first.endswith("Normalization")


def _are_binary(spread: Curve, mean: Curve, ends: tuple[float, float]) -> bool:
    """Whether all values are 0 or 1: values in between would make the spread smaller."""
    ones = mean.values[: len(spread)]
    return ends == (0.0, 1.0) and bool((spread.values[: len(ones)] >= (1 - TINY_PART) * np.sqrt(ones * (1 - ones))).all())


def _are_choices(run: TrainingRun, name: str, mean: float, ends: tuple[float, float]) -> bool:
    """Whether every example has the same number of ones among zeros, as one-hot states do: then all batches have one mean."""
    shape: list[int | None] = (_input(run, name).get("shape") or [])[1:]
    if ends != (0.0, 1.0) or not shape:
        return False
    size = math.prod(length or 0 for length in shape)
    return round(mean * size) > 0 and abs(mean * size - round(mean * size)) < ROUNDED * size


def _stands(run: TrainingRun, share: float = ALMOST) -> bool:
    """Whether more than this share of the first loss is left."""
    loss = run.signal("batch loss")
    if loss is None or not len(loss.finite):
        return False
    first, late = levels(loss.finite.values, TENTH)
    return late > share * first


def _never_changes(run: TrainingRun, name: str) -> bool:
    """Whether all that was measured of an input is the same in every batch, of each of its features, too."""
    each = [*channels(run, name, "mean").values(), *channels(run, name, "max").values()]
    return always_the_same(run, name) and all(bool(np.ptp(curve.values) == 0) for curve in each)


def _trained_on_one(run: TrainingRun, name: str) -> bool:
    """Whether all examples of a recorded training have the same inputs, of more than one number."""
    seen = few_examples(run)
    one = seen is not None and seen.different == 1 and seen.twice > 0
    return one and not is_constant(run, name) and OF_INPUTS.search(loss_class(run)) is not None


def _of_words(run: TrainingRun, different: int, rows: int) -> Finding:
    said = f"Nearly all words of the first batch are the same {different}, although the embedding has {rows:,} rows."
    return _of_first_batch(run, "words", f"Nearly constant inputs: {different} different words, of {rows:,}", said)


def _of_first_batch(run: TrainingRun, cause: str, title: str, said: str, edit: Edit | None = None) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title=title,
        evidence={"whole": said, **absent("rows", "features", "count", "total", "repeated")},
        **whole_of(shown_loss(run)),
        causes=[Cause(cause, edit=edit)],
        where=[INPUTS],
    )


def _has_most_axes(run: TrainingRun, name: str) -> bool:
    """Whether no other input has as many axes: it is no mask, as the words of texts beside their lengths are none."""
    inputs = (run.facts.get("model") or {}).get("inputs") or []
    axes = [len(one.get("shape") or []) for one in inputs]
    place = int(name.removeprefix("x"))
    whole = place < len(axes) and str(inputs[place].get("dtype")).startswith("int")
    return whole and axes[place] > max((n for at, n in enumerate(axes) if at != place), default=0)


def _is_unknown_word(run: TrainingRun, name: str) -> bool:
    """Whether an input goes into an embedding of many words: the first two of them stand for what is not in a vocabulary. What
    has a name as that of a language may be the same in all examples."""
    if ONE_OF_ALL.search(_name_of(run, name)):
        return False
    paths, place = (run.facts.get("model") or {}).get("paths") or [], int(name.removeprefix("x"))
    first = paths[place][0] if place < len(paths) and paths[place] else None
    tables = {
        layer.facts.get("name"): layer.facts.get("settings") or {} for layer in known_layers(run) if layer.kind == "Embedding"
    }
    return (tables.get(first, {}).get("input_dim") or 0) >= WORDS


def _has_features(run: TrainingRun, name: str) -> bool:
    """Whether an input has several numbers at each position, as no mask of positions has."""
    return len(_input(run, name).get("shape") or []) >= POSITIONS_AND_FEATURES


HEURISTIC = Heuristic(
    id="constant-inputs",
    group="data",
    title_passed="No constant inputs",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of the inputs",),
    order=50,
    precedence=20,
    explains=(
        *("standstill", "preflight-test", "dead-relu", "saturated-activations"),
        *("vanishing-gradients", "vanishing-grad-norm", "update-ratio"),
    ),
)
