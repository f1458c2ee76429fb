"""Entropy collapse: a policy stops trying other actions while its return is far below its best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.causes_of_settings import no_bonus
from scram_plugin.heuristics.curves.checkable import level
from scram_plugin.heuristics.curves.returns import entropy, levels, updates_as_cause
from scram_plugin.heuristics.heuristic import Finding, Heuristic, Inconclusive, NotChecked, Option, by_evidence
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS, TENTH
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "left",
        0.01,
        "part of the entropy at the start below which a policy no longer tries other actions",
        "real PPO runs: `make bench-labelled`",
    ),
    Option(
        "poor",
        0.2,
        "how far the return is below its best level meanwhile, as a part of its gain",
        "real PPO runs: `make bench-labelled`",
    ),
)
LOG_ENTROPY = 'writer.add_scalar("losses/entropy", entropy.mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    seen = levels(run)
    known = entropy(run)
    if known is None:
        raise NotChecked("no entropy of a policy with discrete actions was logged", LOG_ENTROPY)
    curve, values = known
    start = float(np.max(values[: max(FOR_A_LEVEL, round(ENDS * len(values)))]))
    if start <= 0:
        raise Inconclusive("the entropy is 0 from the start")
    low = _longest(values < options["left"] * start)
    lasts = low.stop - low.start
    if lasts < max(FOR_A_LEVEL, len(values) // TENTH):
        what = "entropy at the end, as a share of that at the start"
        now = level(values, ENDS, end=True) / start
        if now >= options["left"]:
            run.measured(what, now, below=options["left"], percent=True, curve=curve)
        return
    first, last = int(curve.steps[low.start]), int(curve.steps[low.stop - 1])
    meanwhile = seen.between(first, last)
    if meanwhile is None or seen.range <= SIGMAS * seen.error:
        return
    missing = (max(seen.highest, seen.last) - meanwhile) / seen.range
    if missing <= options["poor"]:
        what = "how far the return is below its best level while the entropy is near 0, as a part of its gain"
        run.measured(what, max(missing, 0.0), above=options["poor"], percent=True, curve=seen.curve)
        return  # it is sure of the best that it has found
    to_the_end = low.stop == len(values)
    yield Finding(
        severity="warning" if to_the_end else "info",
        confidence="likely",
        title=f"The policy tries no other actions since {place(curve.axis, first)}"
        if to_the_end
        else f"The policy tried no other actions from {place(curve.axis, first)} to {place(curve.axis, last)}",
        evidence={
            "start": start,
            "least": float(np.median(values[low])),
            "first_place": place(curve.axis, first),
            "meanwhile": meanwhile,
            "best_return": max(seen.highest, seen.last),
        },
        first_step=first,
        last_step=last,
        axis=curve.axis,
        curves=[curve.source(), seen.curve.source()],
        causes=by_evidence([no_bonus(run), updates_as_cause(run, first)]),
        bad_step=first,
    )


def _longest(low: np.ndarray) -> slice:
    """The longest stretch in which something holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(int), [0]]))).reshape(-1, 2)
    if not len(edges):
        return slice(0, 0)
    begin, end = edges[int(np.argmax(edges[:, 1] - edges[:, 0]))]
    return slice(int(begin), int(end))


HEURISTIC = Heuristic(
    id="entropy-collapse",
    group="curves",
    title_passed="The policy still tried other actions",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("return", "entropy of the policy"),
    order=364,
    explains=("return-collapse", "no-return-gain"),
    precedence=340,
    whole_training=True,
)
