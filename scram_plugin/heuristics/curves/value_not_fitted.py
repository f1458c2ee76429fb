"""Value not fitted: the value function explains nothing of the returns late in the training, and the return is poor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.returns import FOR_LEVELS, levels
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import THIRD
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "unexplained",
        1.0,
        "share of the variance of the returns that the value function leaves unexplained",
        "1: predicting the mean leaves as much; by definition",
    ),
)
LARGE_RETURN = 1000.0  # magnitude of returns that a value function reaches slowly; by definition
LOG_EXPLAINED = 'writer.add_scalar("losses/explained_variance", 1 - (returns - values).var() / returns.var(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("explained variance")
    if curve is None:
        raise NotChecked("no explained variance of a value function was logged", LOG_EXPLAINED)
    curve, seen = enough(curve.finite, FOR_LEVELS, "explained variance"), levels(run)
    late = curve.where(curve.steps >= curve.steps[-(len(curve) // THIRD)])
    explained, most = median(late.values), options["unexplained"]
    if 1 - explained < most:
        run.measured("unexplained variance of the returns late in the training", 1 - explained, above=most, curve=curve)
        return
    returns = seen.curve.values[seen.curve.steps >= late.steps[0]]
    if not len(returns):
        raise Inconclusive("no return was logged late in the training")
    if len(returns) > 1 and np.ptp(returns) == 0:
        raise Inconclusive("the return no longer varies: then there is nothing to explain")
    if not seen.is_poor:
        run.measured("rise of the return to its best level", seen.range, curve=seen.curve)
        return
    before = median(curve.values[: len(curve) // THIRD])
    first, last, unit = int(late.steps[0]), int(late.steps[-1]), curve.axis
    large = max(abs(seen.highest), abs(seen.lowest))
    scale = f"The return reaches {number(large)} in magnitude." if large > LARGE_RETURN else ""
    yield Finding(
        severity="warning" if before > 0 else "info",  # it may have risen in spite of it
        confidence="likely" if 1 - explained > most and before > 0 else "possible",
        title="The value function explains nothing of the returns, and the return is poor",
        evidence={
            "explained": explained,
            "first_place": place(unit, first),
            "best": before,
            "best_return": seen.highest,
            "last_return": seen.last,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), seen.curve.source()],
        causes=by_evidence([Cause("critic-rate"), Cause("scale", scale), Cause("shared")]),
        bad_step=first,
    )


HEURISTIC = Heuristic(
    id="value-not-fitted",
    group="curves",
    title_passed="The value function explains part of the returns, or the return is good without it",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("explained variance", "return"),
    order=357,
    whole_training=True,
)
