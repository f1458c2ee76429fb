"""How curves are shown, worked out once for the tab and all reports: names, the part to show, the scale, a description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from scram_plugin.heuristics.heuristic import Finding, Picture
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Signal

EDGE = 0.05  # share of a curve: a bad point nearer to its start would be lost at the edge
LEAST_SHOWN = 12  # steps after such a bad point that are shown, at least
WIDE = 1000.0  # largest value over the smallest from which on a logarithmic axis shows more
PEAK = 100.0  # the same over the median: a peak would flatten the rest
TENSORS = {"x": "input", "y": "target", "y_pred": "output"}
TENSOR = re.compile(r"(x|y|y_pred)(\d{1,4})")


def picture(finding: Finding, run: TrainingRun, signals: Mapping[str, Signal]) -> Picture:
    """How the curves of a finding are shown: those that share the axis of the first one."""
    names = [name for name in finding.curves if of_recorder(name) == of_recorder(finding.curves[0])]
    found = [(name, curve) for name in names if (curve := run.curve(name.tensorboard_run, name.tag)) is not None and len(curve)]
    if not found:
        return Picture()
    curves = [curve for _, curve in found]
    names = [name for name, _ in found]
    called = labels(names, signals)
    span = f"{place(finding.axis, finding.first_step)} to {place(finding.axis, finding.last_step)}"
    return Picture(
        curves=tuple(names),
        labels=tuple(called),
        part=first_view(curves[0].steps, finding.bad_step if finding.best_step is None else None),
        log=wants_log([curve.values for curve in curves]),
        description=f"{described(called, curves, finding.axis)} The marked span is {span}.",
    )


def described(names: Sequence[str], curves: Sequence[Curve], axis: str) -> str:
    """What curves show, for those who cannot see them; none of them is empty."""
    said = "; ".join(
        f"{name} goes from {number(float(curve.values[0]))} to {number(float(curve.values[-1]))}"
        for name, curve in zip(names, curves, strict=True)
    )
    return f"Curves over {axis}: {said}."


def of_recorder(name: CurveName) -> bool:
    """Whether SCRAM's recorder logged a curve: then it is over batches."""
    return name.tag.startswith("scram/")


def labels(names: Sequence[CurveName], signals: Mapping[str, Signal] | None = None) -> list[str]:
    """The names of curves in a legend: those of signals, or else the tags, with the TensorBoard run if there are several."""
    known = {CurveName(signal.tensorboard_run, signal.tag): name for name, signal in (signals or {}).items()}
    several = len({name.tensorboard_run for name in names}) > 1
    return [known.get(name) or (f"{_last(name.tensorboard_run)}: " if several else "") + _readable(name.tag) for name in names]


def _last(run: str) -> str:
    return run.rpartition("/")[2]


def _readable(tag: str) -> str:
    """A tag without SCRAM's prefix, with tensors in words."""
    tag = re.sub(r"^scram/(batches|statistics)/", "", tag)
    kind, slash, rest = tag.partition("/")
    name = tensor_name(kind) if slash else None
    return tag if name is None else f"{name} {rest}"


def tensor_name(kind: str) -> str | None:
    """The first input, "x0", is "input", the second one "input 2"; None for what is no tensor's name. It may be untrusted."""
    found = TENSOR.fullmatch(kind)
    if found is None:
        return None
    return TENSORS[found[1]] if found[2] == "0" else f"{TENSORS[found[1]]} {int(found[2]) + 1}"


def first_view(steps: Sequence[int] | np.ndarray, bad: int | None) -> tuple[int, int] | None:
    """The steps of a curve to show at first, where a bad point would be lost at the edge of the whole; else None."""
    first, last = int(steps[0]), int(steps[-1])
    if bad is None or bad - first > (last - first) * EDGE:
        return None
    return first, min(last, bad + max(2 * (bad - first), LEAST_SHOWN))


def wants_log(curves: Sequence[np.ndarray]) -> bool:
    """Whether a logarithmic axis shows more, and all points: the values are positive and span more than three decades, or the
    first curve has a peak that would flatten the rest."""
    first, *others = [values[np.isfinite(values)] for values in curves]
    together = np.concatenate([first, *others])
    if not len(first) or together.min() <= 0:
        return False
    with np.errstate(over="ignore"):  # logged values may be arbitrarily large
        return bool(together.max() > WIDE * together.min() or first.max() > PEAK * np.median(first))
