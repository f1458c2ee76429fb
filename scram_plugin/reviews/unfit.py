"""Statistics that cannot carry a verdict: a check that found nothing in them may not pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve

MOST = 0.5  # share of the values that a check has read; by definition
OF_THE_MODEL = (schema.LAYER, schema.GRADIENT, schema.WEIGHT, schema.UPDATE)


def unfit(read: Mapping[str, Curve]) -> str:
    """Why what a check has read of a model (tag -> curve) cannot show that all is well; empty if it can.

    Of one kind of number most are not finite; or most norms of gradients or updates are exactly 0: nothing is trained any more.
    """
    groups: dict[tuple[str, str], list[Curve]] = {}
    for tag, curve in read.items():
        column = schema.parse_tag(tag)
        if column is not None and (column.kind in OF_THE_MODEL or column.kind.startswith("y_pred")):
            groups.setdefault((column.kind, column.statistic), []).append(curve)
    for (kind, statistic), curves in groups.items():
        if (since := _mostly(curves, [~np.isfinite(curve.values) for curve in curves])) is not None:
            return f"most of the numbers that it needs are not finite: the run was already broken at {place('batch', since)}"
        is_change = kind in (schema.GRADIENT, schema.UPDATE) and statistic == "norm"
        if is_change and (since := _mostly(curves, [curve.values == 0 for curve in curves])) is not None:
            return f"most gradients or updates are exactly 0, since {place('batch', since)}: nothing is trained any more"
    return ""


def _mostly(curves: Collection[Curve], bad: Collection[np.ndarray]) -> int | None:
    """The first batch of which a value is bad, if most values of all curves are."""
    if sum(int(values.sum()) for values in bad) <= MOST * sum(len(values) for values in bad):
        return None
    return min(int(curve.steps[np.argmax(values)]) for curve, values in zip(curves, bad, strict=True) if values.any())
