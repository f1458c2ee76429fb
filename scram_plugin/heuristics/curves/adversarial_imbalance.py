"""Adversarial imbalance: of a generator and a discriminator one wins for good, so that the other learns nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked, Option
from scram_plugin.heuristics.limits import FOR_A_LEVEL, THIRD
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.conventions import FILLERS, LOSS, ROLES, VALIDATION, words
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "won",
        0.01,
        "loss of one side, in nine of ten points of the last third, from which on it has won",
        "by definition: a cross-entropy of 0.01 means that it is 99 % sure; that of a balance is ln 2 = 0.69",
    ),
)
SIDES = {
    "discriminator": frozenset(("d", "disc", "discriminator", "netd")),
    "generator": frozenset(("g", "gen", "generator", "netg")),
}
AGAINST = frozenset(("gan", "adv", "adversarial"))  # in the name of the part of a generator's loss that is against the other
PARTS_OF_BOTH = frozenset(("real", "fake", "a", "b", "l"))  # in names of losses that are nothing but adversarial
FOR_A_THIRD = 30  # points: ten in a third; by definition
LOST_LOSS = 10.0  # times: so far the loss of the winner fell, so that none counts that is small by its weight; by definition
RAISED = 2.0  # times: so far the loss of the other side rose from its start; by definition
HELD = 0.5  # of its highest level: so high the loss of the other side stays; by definition
LOG_BOTH = 'writer.add_scalar("loss_d", loss_d, step); writer.add_scalar("loss_g", loss_g, step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if run.kind != "adversarial":
        raise NotChecked("no losses of a generator and a discriminator were logged", LOG_BOTH)
    sides = {name: _losses(run, name) for name in SIDES}
    if not all(sides.values()):
        raise NotChecked("the loss of a generator or of a discriminator was not logged, or has an unknown name", LOG_BOTH)
    for curve in (curve for curves in sides.values() for curve in curves):
        if len(curve) and curve.values.min() < 0:
            raise Inconclusive("the losses fall below 0, as those of a Wasserstein GAN, whose level does not show who wins")
        enough(curve, FOR_A_THIRD, f"loss {curve.tag}")
    for winner, loser in (("discriminator", "generator"), ("generator", "discriminator")):
        ours, theirs = sides[winner], sides[loser]
        highest = max(_usual(curve)[1] for curve in ours)
        run.measured(f"loss of the {winner} in the last third", highest, below=options["won"], curve=ours[0])
        fell = all(_start(curve) > LOST_LOSS * median(_late(curve)) for curve in ours)
        if highest > options["won"] or not fell or not all(map(_lost, theirs)):
            continue
        yield _finding(winner, loser, ours[0], theirs[0], options["won"])


def _losses(run: TrainingRun, side: str) -> list[Curve]:
    """The finite points of the losses of one side: of those of a generator only what is against the other side."""
    known = SIDES[side] | AGAINST | PARTS_OF_BOTH | LOSS | FILLERS | set(ROLES)
    found = []
    for curve in run.every("adversarial loss"):
        said = set(words(curve.tag))
        if (
            said & SIDES[side]
            and said <= known
            and not said & set(VALIDATION)
            and run.parts[curve.tensorboard_run] != "validation"
        ):
            found.append(curve.finite)
    return [curve for curve in found if set(words(curve.tag)) & AGAINST] or found


def _start(curve: Curve) -> float:
    return median(curve.values[:FOR_A_LEVEL])


def _late(curve: Curve) -> np.ndarray:
    return curve.values[-(len(curve) // THIRD) :]


def _usual(curve: Curve) -> tuple[float, float]:
    """Between which values nine of ten points of the last third begin, and nine of ten end."""
    low, high = np.percentile(_late(curve), (10, 90))
    return float(low), float(high)


def _lost(curve: Curve) -> bool:
    """Whether a loss rose and stays high."""
    highest = max(median(part) for part in np.array_split(curve.values, THIRD * FOR_A_LEVEL))
    return _usual(curve)[0] > RAISED * _start(curve) and median(_late(curve)) > HELD * highest


def _finding(winner: str, loser: str, ours: Curve, theirs: Curve, won: float) -> Finding:
    # the first point after which the loss of the winner stays low, but for single points
    above = np.flatnonzero(ours.values > max(won, float(np.max(_late(ours)))))
    since = int(ours.steps[min(above[-1] + 1, len(ours) - 1) if len(above) else 0])
    causes = ["strong-discriminator", "no-overlap"] if winner == "discriminator" else ["weak-discriminator"]
    return Finding(
        severity="warning",
        confidence="likely",
        title=f"The {winner} has won: its loss is about {number(median(_late(ours)))}",
        evidence={
            "winner": winner,
            "loser": loser,
            "since_place": place(ours.axis, since),
            "ours_first": _start(ours),
            "ours_last": median(_late(ours)),
            "theirs_first": _start(theirs),
            "theirs_last": median(_late(theirs)),
        },
        first_step=since,
        last_step=int(ours.steps[-1]),
        axis=ours.axis,
        curves=[ours.source(), theirs.source()],
        causes=[Cause(cause) for cause in causes],
        bad_step=since,
    )


HEURISTIC = Heuristic(
    id="adversarial-imbalance",
    group="curves",
    title_passed="Neither the generator nor the discriminator wins for good",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("losses of the generator and of the discriminator",),
    order=369,
    whole_training=True,
)
