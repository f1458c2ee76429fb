"""Reviews as the values of the JSON contract: see `docs/cli.md` and the routes of the tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Confidence, Finding, FixProof
from scram_plugin.heuristics.words import number, one_line
from scram_plugin.logs.curve import CurveName
from scram_plugin.logs.kinds import Kind
from scram_plugin.logs.measure import Measure
from scram_plugin.reviews.model import Aside, Chart, HeadlineKind, Overview, Review
from scram_plugin.reviews.pictures import labels
from scram_plugin.reviews.plain import plain
from scram_plugin.severity import Severity
from scram_plugin.wire import CurveNameJson, LabelledCurveJson, Span, WireNumber


class CountsJson(TypedDict):
    """Findings of each severity that stand for themselves."""

    error: int
    warning: int
    info: int


class HeadlineJson(TypedDict):
    kind: HeadlineKind
    text: str


class PlaceJson(TypedDict):
    """A place of the user's program that changes, and why."""

    file: str
    line: int
    before: str
    after: str
    reason: str


class EditJson(PlaceJson):
    """A change of the user's own lines. `more`: further places that belong to it; to apply only a part is wrong."""

    more: list[PlaceJson]


class ProofJson(TypedDict):
    """What came of trying the fix: the program as it is and with it, and what was compared."""

    verdict: str
    sentence: str
    measure: str
    before: WireNumber | None
    after: WireNumber | None
    seeds: int
    batches: int
    runs: list[str]


class FixJson(TypedDict):
    cause: str
    title: str
    text: str
    framework: str
    code: str
    edit: EditJson | None
    proof: ProofJson | None


CauseJson = TypedDict("CauseJson", {"id": str, "title": str, "for": str, "against": str})


class StepsJson(TypedDict):
    first: int
    last: int
    axis: str


class PictureJson(TypedDict):
    """How the curves of a finding are shown: those that share an axis; the part to show at first (null: all)."""

    curves: list[LabelledCurveJson]
    part: Span | None
    log: bool
    description: str


class FindingJson(TypedDict):
    heuristic: str
    severity: Severity
    confidence: Confidence
    title: str
    summary: str
    steps: StepsJson
    curves: list[CurveNameJson]
    picture: PictureJson
    evidence: dict[str, Any]
    bad_step: int | None
    best_step: int | None
    where: list[str]  # paths of layers, or "inputs", "targets", "outputs", "loss", "optimizer"; empty: the whole, or not known
    explained_by: str | None
    causes: list[CauseJson]
    fixes: list[FixJson]


class _AsideJson(TypedDict):
    finding: FindingJson
    reason: str


class AsideJson(_AsideJson, total=False):
    """A finding that does not count: the configuration accepts it, or it is known from a baseline."""

    known: bool


class UnclearJson(TypedDict):
    heuristic: str
    reason: str
    early: bool


class UncheckedJson(TypedDict):
    heuristic: str
    reason: str
    how: str


class MeasureJson(TypedDict):
    """What a check that passed looked at: a quantity, this run's value, and where a finding begins ("above 50 %")."""

    what: str
    value: str
    limit: str
    curve: LabelledCurveJson | None


class SignalJson(TypedDict):
    tensorboard_run: str
    tag: str
    axis: str


class FactJson(TypedDict):
    name: str
    value: str


class ChartJson(TypedDict):
    """Curves in one picture; `guess`: the loss of guessing, where it is known."""

    curves: list[LabelledCurveJson]
    log: bool
    guess: float | None
    description: str


class OverviewJson(TypedDict):
    """The first picture of a training run: charts over one axis, from the first to the last of `steps`."""

    axis: str
    steps: Span
    charts: list[ChartJson]


class ReviewJson(TypedDict):
    """`review?run=`, and an entry of `runs` in `scram check --format json`."""

    name: str
    tensorboard_runs: list[str]
    framework: str | None
    training: Kind
    without_event_files: Annotated[list[str], Meta(description="TensorBoard runs of which only text files were read.")]
    about: Annotated[list[FactJson], Meta(description="What is known of the run: when it began, its length, its optimizer.")]
    overview: OverviewJson | None
    notes: list[str]
    signals: Annotated[dict[str, SignalJson], Meta(description="Which curve was taken for which signal.")]
    headline: HeadlineJson
    findings: list[FindingJson]
    accepted: list[AsideJson]
    passed: list[str]
    measured: Annotated[dict[str, MeasureJson], Meta(description="What checks that passed looked at.")]
    inconclusive: list[UnclearJson]
    not_checked: list[UncheckedJson]


class DocumentJson(TypedDict):
    """`scram check --format json`; `against`: how each run stands beside the good ones of `--against`, if that was given."""

    schema_version: int
    scram_version: str
    logdir: str
    runs: list[ReviewJson]
    against: list[dict[str, Any]]


def review_as_json(review: Review) -> ReviewJson:
    """The object of one training run. Numbers that are not finite are texts."""
    document: ReviewJson = {
        "name": review.name,
        "tensorboard_runs": list(review.tensorboard_runs),
        "framework": review.framework,
        "training": review.training,
        "without_event_files": list(review.without_event_files),
        "about": [{"name": name, "value": value} for name, value in review.about],
        "overview": None if (seen := review.overview) is None else _overview(seen),
        "notes": list(review.notes),
        "signals": {
            name: {"tensorboard_run": signal.tensorboard_run, "tag": signal.tag, "axis": signal.axis}
            for name, signal in review.signals.items()
        },
        "headline": headline_as_json(review),
        "findings": [_finding(finding) for finding in review.findings],
        "accepted": [_aside(aside) for aside in review.accepted],
        "passed": list(review.passed),
        "measured": {heuristic: _measure(measure) for heuristic, measure in review.measured.items()},
        "inconclusive": [
            {"heuristic": entry.heuristic, "reason": entry.reason, "early": entry.early} for entry in review.inconclusive
        ],
        "not_checked": [
            {"heuristic": entry.heuristic, "reason": entry.reason, "how": entry.how} for entry in review.not_checked
        ],
    }
    return plain(document)


def headline_as_json(review: Review) -> HeadlineJson:
    headline = review.headline()
    return {"kind": headline.kind, "text": headline.text}


def finding_as_json(finding: Finding) -> FindingJson:
    """The object of one finding."""
    return plain(_finding(finding))


def labelled(curves: Sequence[CurveName], names: Sequence[str] = ()) -> list[LabelledCurveJson]:
    """Curves with their names in a legend: these, or those that their tags give."""
    return [
        {"tensorboard_run": curve.tensorboard_run, "tag": curve.tag, "label": label}
        for curve, label in zip(curves, names or labels(curves), strict=True)
    ]


def _measure(measure: Measure) -> MeasureJson:
    def told(value: float) -> str:
        return f"{number(100 * value)} %" if measure.percent else number(value)

    return {
        "what": one_line(measure.what),
        "value": told(measure.value),
        "limit": "" if measure.limit is None else f"{'above' if measure.above else 'below'} {told(measure.limit)}",
        "curve": None if measure.curve is None else labelled([measure.curve])[0],
    }


def _overview(overview: Overview) -> OverviewJson:
    return {"axis": overview.axis, "steps": list(overview.steps), "charts": [_chart(chart) for chart in overview.charts]}


def _chart(chart: Chart) -> ChartJson:
    return {
        "curves": labelled(chart.curves, chart.labels),
        "log": chart.log,
        "guess": chart.guess,
        "description": chart.description,
    }


def _finding(finding: Finding) -> FindingJson:
    return {
        "heuristic": finding.heuristic,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "summary": finding.summary,
        "steps": {"first": finding.first_step, "last": finding.last_step, "axis": finding.axis},
        "curves": [{"tensorboard_run": curve.tensorboard_run, "tag": curve.tag} for curve in finding.curves],
        "picture": {
            "curves": labelled(finding.picture.curves, finding.picture.labels),
            "part": None if finding.picture.part is None else list(finding.picture.part),
            "log": finding.picture.log,
            "description": finding.picture.description,
        },
        "evidence": {key: value for key, value in finding.evidence.items() if value is not None},
        "where": list(finding.where),
        "bad_step": finding.bad_step,
        "best_step": finding.best_step,
        "explained_by": finding.explained_by,
        "causes": [
            {"id": cause.id, "title": cause.title, "for": cause.for_, "against": cause.against} for cause in finding.causes
        ],
        "fixes": [
            {
                "cause": fix.cause,
                "title": fix.title,
                "text": fix.text,
                "framework": fix.framework,
                "code": fix.code,
                "edit": None if fix.edit is None else _edit(fix.edit),
                "proof": None if fix.proof is None else _proof(fix.proof),
            }
            for fix in finding.fixes
        ],
    }


def _edit(edit: Edit) -> EditJson:
    return {**_place(edit), "more": [_place(place) for place in edit.more]}


def _place(edit: Edit) -> PlaceJson:
    return {"file": edit.file, "line": edit.line, "before": edit.before, "after": edit.after, "reason": edit.reason}


def _proof(proof: FixProof) -> ProofJson:
    return {
        "verdict": proof.verdict,
        "sentence": proof.sentence,
        "measure": proof.measure,
        "before": proof.before,
        "after": proof.after,
        "seeds": proof.seeds,
        "batches": proof.batches,
        "runs": list(proof.runs),
    }


def _aside(aside: Aside) -> AsideJson:
    written: AsideJson = {"finding": _finding(aside.finding), "reason": aside.said}
    if aside.known:
        written["known"] = True
    return written
