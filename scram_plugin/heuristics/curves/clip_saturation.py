"""Clip saturation: most of what an update learns from lies beyond the clipping range of PPO, and the return is poor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough, rate_as_cause
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.curves.returns import FOR_LEVELS, levels
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import THIRD
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import percent, place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "most",
        0.55,
        "share of the samples whose ratio is clipped, in a third of the training",
        "healthy PPO runs have up to 0.5: `make bench-labelled`",
    ),
)
LOG_CLIPPED = 'writer.add_scalar("losses/clipfrac", ((ratio - 1).abs() > clip_range).float().mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("clip fraction")
    if curve is None:
        raise NotChecked("no share of clipped samples was logged", LOG_CLIPPED)
    curve, seen = enough(curve.finite, FOR_LEVELS, "clip fraction"), levels(run)
    thirds = np.array_split(np.arange(len(curve)), THIRD)
    part = max(thirds, key=lambda part: median(curve.values[part]))
    share = median(curve.values[part])
    if share <= options["most"]:
        run.measured("clipped share of the samples", share, above=options["most"], percent=True, curve=curve)
        return
    if not seen.is_poor:
        run.measured("rise of the return to its best level", seen.range, curve=seen.curve)
        return
    first, last, unit = int(curve.steps[part[0]]), int(curve.steps[part[-1]]), curve.axis
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{percent(share)} of the samples were clipped up to {place(unit, last)}, and the return is poor",
        evidence={
            "share": percent(share),
            "first_place": place(unit, first),
            "last_place": place(unit, last),
            "best_return": seen.highest,
            "last_return": seen.last,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), seen.curve.source()],
        causes=_causes(run),
        bad_step=first,
    )


def _causes(run: TrainingRun) -> list[Cause]:
    rate, other = rate_as_cause(run), Cause("other-policy")
    first = [other, rate] if rate.against else [rate, other]
    return by_evidence([*first, Cause("many-epochs"), Cause("advantages")])


HEURISTIC = Heuristic(
    id="clip-saturation",
    group="curves",
    title_passed="Few samples were clipped, or the return is good all the same",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("clip fraction", "return"),
    order=358,
    explains=("return-collapse", "entropy-collapse", "no-return-gain"),
    precedence=334,
    whole_training=True,
)
