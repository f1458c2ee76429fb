"""An answer: steps of evidence, each with a value of this run and its curve or line of code, and a conclusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.measured import listed
from scram_plugin.heuristics.words import number, place
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.as_json import labelled
from scram_plugin.reviews.pictures import first_view
from scram_plugin.wire import LabelledCurveJson, Span

Conclusion = Literal["cause", "open", "fine"]


@dataclass(frozen=True)
class Step:
    """One piece of evidence. `span` is the part of the curve that it refers to (first and last step), `at` the point in it."""

    text: str
    curve: CurveName | None = None
    axis: str = ""
    span: tuple[int, int] | None = None
    at: int | None = None
    code: StatementJson | None = None  # a statement of the user's

    def as_json(self, run: TrainingRun) -> AnswerStepJson:
        """`run`: the training run of the curve."""
        curve = None if self.curve is None else run.curve(self.curve.tensorboard_run, self.curve.tag)
        shown = first_view(curve.steps, self.at) if curve is not None and len(curve) else None
        return {
            "text": self.text,
            "curve": None if self.curve is None else labelled([self.curve])[0],
            "part": None if shown is None else list(shown),
            "axis": self.axis,
            "span": None if self.span is None else list(self.span),
            "at": self.at,
            "code": self.code,
        }


@dataclass(frozen=True)
class Answer:
    """`kind` of the conclusion: "cause" (`heuristic` is the finding with the fix), "open" (`how`: what to log), or "fine"."""

    id: str
    question: str
    steps: list[Step]
    kind: Conclusion
    conclusion: str
    heuristic: str | None = None
    how: str = ""

    def as_json(self, run: TrainingRun) -> AnswerJson:
        return {
            "id": self.id,
            "question": self.question,
            "steps": [step.as_json(run) for step in self.steps],
            "kind": self.kind,
            "conclusion": self.conclusion,
            "heuristic": self.heuristic,
            "how": self.how,
        }


class StatementJson(TypedDict):
    file: str
    line: int
    text: str


class AnswerStepJson(TypedDict):
    text: str
    curve: LabelledCurveJson | None
    part: Span | None  # the steps of the curve to show at first; null: all
    axis: str
    span: Span | None
    at: int | None
    code: StatementJson | None


class AnswerJson(TypedDict):
    id: str
    question: str
    steps: list[AnswerStepJson]
    kind: Conclusion
    conclusion: str
    heuristic: str | None
    how: str


class AnswersJson(TypedDict):
    """`why?run=`"""

    questions: list[AnswerJson]


def on(curve: Curve, text: str, first: int | None = None, last: int | None = None, at: int | None = None) -> Step:
    """A step based on a curve: on all of it, or on the part from `first` to `last`."""
    ends = int(curve.steps[0]), int(curve.steps[-1])
    span = (ends[0] if first is None else first, ends[1] if last is None else last)
    return Step(text, curve.source(), curve.axis, span, at)


def beside(finding: Finding, text: str, pointed: bool = False) -> Step:
    """A step based on the curve of a finding, in its span; `pointed`: at the bad step, or else at the best one."""
    span = (finding.first_step, finding.last_step)
    return Step(text, finding.curves[0], finding.axis, span, finding.mark if pointed else None)


def likeliest(finding: Finding) -> str | None:
    """The first cause that this run's evidence supports; None if it supports none."""
    return next((f"{cause.title}. {cause.for_}" for cause in finding.causes if cause.for_), None)


def fix_first(finding: Finding) -> str:
    """What to say of a consequence of this finding."""
    return f"“{finding.title}”. Fix that first: this probably goes with it."


def usual(finding: Finding) -> str:
    return listed([f"“{cause.title}”" for cause in finding.causes])


def from_to(curve: Curve, what: str) -> str:
    """ "the training loss went from 2.3 (epoch 1) to 0.4 (epoch 9)"; of its finite values."""
    values, steps = curve.finite.values, curve.finite.steps
    if len(values) == 0:
        return f"{what} has no finite value"
    if len(values) == 1:
        return f"{what} is {number(values[0])} ({place(curve.axis, int(steps[0]))})"
    first, last = (f"{number(values[i])} ({place(curve.axis, int(steps[i]))})" for i in (0, -1))
    return f"{what} went from {first} to {last}"


def in_code(run: TrainingRun, role: str, text: str) -> Step | None:
    """A step based on a statement of the user's program ("model", "compile", "fit", "data"), if it is known."""
    source: Mapping[str, Any] = run.facts.get("source") or {}
    found = next((s for s in source.get("statements") or [] if s.get("role") == role), None)
    if found is None:
        return None
    file, line, code = source.get("file") or "", found.get("line") or 0, found.get("text") or ""
    return Step(text, code={"file": file, "line": line, "text": code})


def value_at(curve: Curve, step: int) -> float | None:
    """The value at the last point up to a step; None before the first."""
    i = int(np.searchsorted(curve.steps, step, side="right")) - 1
    return float(curve.values[i]) if i >= 0 else None
