"""Box loss without mAP: the losses of a detector fall, and its mean average precision stays at about 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scram_plugin.heuristics.curves.checkable import enough, level, rate_as_cause
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option
from scram_plugin.heuristics.limits import ENDS, THIRD
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, one_line, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.kinds import MEAN_PRECISION
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "most",
        0.02,
        "highest mean average precision that counts as about 0 (0 to 1)",
        "detectors that learn pass 0.3: `make bench-labelled`",
    ),
    Option(
        "least",
        30,
        "evaluations that are needed",
        "a detector may stay at 0 for 20 epochs of warm-up: `make bench-labelled`",
    ),
)
FALLEN_LOSS = 0.1  # part of the first loss: a detector whose loss fell by less has learned nothing at all; by definition
PARTS = ("box", "cls")  # of the tags of a detector's losses: of the boxes, and of their classes
STILL_RISES = 2.0  # times the best mAP before the last third: then it only begins to learn; by definition
LOG_MAP = 'writer.add_scalar("metrics/mAP50(B)", map50, epoch)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    named = [name for name in run.signals if MEAN_PRECISION.fullmatch(name)] if run.training == "detection" else []
    known = [curve.finite for name in named if (curve := run.signal(name)) is not None and len(curve.finite)]
    losses = run.signal("training loss")
    if not known or losses is None:
        raise NotChecked("no mean average precision was logged: this is no detector, or its tag is unknown", LOG_MAP)
    best = max(known, key=lambda curve: float(curve.values.max()))
    curve, losses = enough(best, int(options["least"]), "mean average precision"), losses.finite
    top = float(curve.values.max())
    run.measured("highest mean average precision", top, below=options["most"], curve=curve)
    late = curve.values[-(len(curve) // THIRD) :]
    before = float(curve.values[: -len(late)].max())
    if top > options["most"] or (before > 0 and median(late) > STILL_RISES * before) or not len(losses):
        return
    head, tail = level(losses.values, ENDS), level(losses.values, ENDS, end=True)
    if head - tail <= FALLEN_LOSS * abs(head):
        return
    first, last, unit = int(curve.steps[0]), int(curve.steps[-1]), curve.axis
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The detector's mAP is about 0 up to {place(unit, last)}, though its losses fall",
        evidence={
            "tag": one_line(curve.tag),
            "best": top,
            "points": len(curve),
            "first_loss": head,
            "last_loss": tail,
            "last_place": place(unit, last),
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source(), losses.source()],
        causes=_causes(run, losses),
    )


def _causes(run: TrainingRun, losses: Curve) -> list[Cause]:
    """Which part of the validation's loss does not fall tells what differs there: boxes, classes, or both."""
    parts = {word: told for curve in run.every("validation loss part") for word in PARTS if word in (told := _went(curve)).tag}
    validation = run.signal("validation loss")
    labels, boxes, classes = Cause("validation-labels"), Cause("box-format"), Cause("class-numbers")
    if len(parts) == len(PARTS) and parts["box"].fell != parts["cls"].fell:
        said = f"{parts['box'].said}, and {parts['cls'].said}."
        if parts["box"].fell:
            return [Cause("class-numbers", said), labels, boxes]
        return [Cause("box-format", said), labels, classes]
    if validation is None or not len(validation.finite):
        return [labels, boxes, rate_as_cause(run)]
    whole = _went(validation)
    if whole.fell:
        return [classes, boxes, Cause("validation-labels", "", f"{whole.said}: the model fits its labels.")]
    said = f"{whole.said}, while that of the training fell to {number(level(losses.values, ENDS, end=True))}."
    return [Cause("validation-labels", said), boxes, rate_as_cause(run)]


@dataclass(frozen=True)
class Went:
    """How a loss of the validation went, and whether it fell."""

    tag: str
    fell: bool
    said: str


def _went(curve: Curve) -> Went:
    head, tail = (level(curve.finite.values, ENDS, end=end) for end in (False, True))
    said = f"{one_line(curve.tag)} went from {number(head)} to {number(tail)}"
    return Went(curve.tag, head - tail > FALLEN_LOSS * abs(head), said)


HEURISTIC = Heuristic(
    id="box-loss-without-map",
    group="curves",
    title_passed="The detector finds objects",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("validation mAP", "training loss"),
    order=245,
    families=("standstill",),
    explains=("overfitting", "noisy-validation"),
    precedence=302,
    whole_training=True,
)
