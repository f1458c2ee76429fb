"""The form of those answers of the routes that are made in this room."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from scram_plugin.reviews.monitor import ListJson
from scram_plugin.wire import Span, WireNumber


class RunsJson(ListJson):
    """`runs?since=`"""

    logdir: str
    version: str
    notes: list[str]


class CurveJson(TypedDict):
    """`curve?tb_run=&tag=&from=&to=&points=`"""

    steps: list[int]
    wall_times: list[WireNumber]
    values: list[WireNumber]
    total: int
    decimated: bool
    log: bool  # whether a logarithmic axis shows more


class ReportJson(TypedDict):
    """`report?run=`"""

    markdown: str


class ThresholdJson(TypedDict):
    option: str
    value: float
    turns_at: float | None  # null: nowhere in reach


class ThresholdsJson(TypedDict):
    """`thresholds?run=&heuristic=`: values at which the outcome would be another, the nearest first."""

    thresholds: list[ThresholdJson]


class JudgedJson(TypedDict):
    """`judge?run=&heuristic=&option=&value=`: what a check says with another threshold; nothing is kept."""

    titles: list[str]
    undecided: str  # why there is no answer; empty where there is one


class OptionJson(TypedDict):
    name: str
    value: bool | float | str
    default: bool | float | str
    help: str
    source: str  # where the default comes from


class PageCauseJson(TypedDict):
    id: str
    title: str
    text: str


class SnippetJson(TypedDict):
    framework: str
    code: str


class PageFixJson(TypedDict):
    cause: str
    title: str
    text: str
    snippets: list[SnippetJson]


class HeuristicPageJson(TypedDict):
    id: str
    group: str
    title: str
    title_passed: str
    needs: list[str]
    options: list[OptionJson]
    sections: Annotated[dict[str, str], Meta(description="Heading to safe HTML.")]
    causes: list[PageCauseJson]
    fixes: list[PageFixJson]


class HeuristicsJson(TypedDict):
    """`heuristics`"""

    heuristics: list[HeuristicPageJson]


class ExampleCurveJson(TypedDict):
    label: str
    steps: list[int]
    values: list[WireNumber]
    log: bool


class ExampleJson(TypedDict):
    """`example?heuristic=`: a training with the fault, and its healthy twin with what the check measured there."""

    title: str
    summary: str
    measured: str
    axis: str
    span: Span
    bad_step: int | None
    best_step: int | None
    faulty: list[ExampleCurveJson]
    healthy: list[ExampleCurveJson]
    part: Span | None  # of the faulty curves, to show at first; null: all


class FailureJson(TypedDict):
    """What is answered with any status but 200."""

    error: str
