"""Two training runs compared: which findings are gone or new, where the curves end, how models and settings differ.

A finding is gone only if its check passed in the other run: what could not be checked there may still be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from msgspec import Meta

from scram_plugin.heuristics.heuristic import Confidence, Finding
from scram_plugin.logs.conventions import HIGHER_IS_BETTER, LOSS, LOWER_IS_BETTER
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review, Reviewed
from scram_plugin.reviews.plain import plain
from scram_plugin.severity import Severity
from scram_plugin.views.facts_in_words import described, layer_in_words
from scram_plugin.wire import WireNumber

Changed = Literal["gone", "came", "stayed", "unsure"]
FIRST = ("training loss", "validation loss")  # of the signals that both runs have, these are shown first


class ShortFindingJson(TypedDict):
    severity: Severity
    confidence: Confidence
    title: str
    explained_by: str | None


class VerdictJson(TypedDict):
    kind: Literal["fixed", "better", "worse", "mixed", "unsure", "same"]
    text: str


class ComparedFindingJson(TypedDict):
    heuristic: str
    change: Changed
    before: ShortFindingJson | None
    after: ShortFindingJson | None
    reason: str
    accepted: Annotated[bool, Meta(description="As no problem, by the configuration.")]


class CurveEndJson(TypedDict):
    tensorboard_run: str
    tag: str
    last: WireNumber
    last_step: int
    best: WireNumber | None
    best_step: int | None


class ComparedCurveJson(TypedDict):
    signal: str
    axis: str
    before: CurveEndJson
    after: CurveEndJson


class ComparedFactJson(TypedDict):
    name: str
    before: str | None
    after: str | None


class TextsJson(TypedDict):
    before: str
    after: str


class ComparisonJson(TypedDict):
    """`compare?run=&with=`: what became of one training run's findings in another, and what differs."""

    before: str
    after: str
    verdict: VerdictJson
    findings: list[ComparedFindingJson]
    curves: list[ComparedCurveJson]
    facts: list[ComparedFactJson]
    facts_missing: list[str]
    layers: TextsJson | None
    code: TextsJson | None


def compare(before: Reviewed, after: Reviewed) -> ComparisonJson:
    """What changed from `before` to `after`, as values for JSON.

    `findings`, each with whether it is `accepted` as no problem, and a `change`: "gone", "came", "stayed", or "unsure" if it
    could not be checked in `after` (`reason` says why); `verdict`, a sentence; `curves` of the signals that both have;
    `facts` that differ; `layers` and `code` of both as text, None if they are the same or not known for both.
    """
    changes = _changes(before.review, after.review)
    facts = before.run.facts, after.run.facts
    compared: ComparisonJson = {
        "before": before.review.name,
        "after": after.review.name,
        "verdict": _verdict(changes),
        "findings": [change.as_json() for change in changes],
        "curves": _curves(before.run, after.run),
        "facts": _differences(*map(described, facts)),
        "facts_missing": [reviewed.review.name for reviewed in (before, after) if not reviewed.run.facts],
        "layers": _texts(*map(_layers, facts)),
        "code": _texts(*map(_code, facts)),
    }
    return plain(compared)


@dataclass(frozen=True)
class Change:
    """What became of the findings of one heuristic; `reason`: why it is not known."""

    heuristic: str
    change: Changed
    before: Finding | None
    after: Finding | None
    reason: str
    accepted: bool

    def as_json(self) -> ComparedFindingJson:
        return {
            "heuristic": self.heuristic,
            "change": self.change,
            "before": _short(self.before),
            "after": _short(self.after),
            "reason": self.reason,
            "accepted": self.accepted,
        }


def _changes(before: Review, after: Review) -> list[Change]:
    of = [[*(aside.finding for aside in review.accepted), *reversed(review.findings)] for review in (before, after)]
    old, new = ({f.heuristic: f for f in found} for found in of)
    accepted = [{aside.finding.heuristic for aside in review.accepted} for review in (before, after)]
    silent = {entry.heuristic: entry.reason for entry in after.silent}
    found = []
    for heuristic in dict.fromkeys([*(f.heuristic for f in [*before.findings, *after.findings]), *old, *new]):
        change: Changed
        if heuristic in old and heuristic in new:
            change = "stayed"
        elif heuristic in new:
            change = "came"
        else:
            change = "gone" if heuristic in after.passed else "unsure"
        reason = silent.get(heuristic, "") if change == "unsure" else ""
        is_accepted = heuristic in accepted[heuristic in new]
        found.append(Change(heuristic, change, old.get(heuristic), new.get(heuristic), reason, is_accepted))
    return found


def _short(finding: Finding | None) -> ShortFindingJson | None:
    if finding is None:
        return None
    return {
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "explained_by": finding.explained_by,
    }


def _verdict(changes: list[Change]) -> VerdictJson:
    """Kind "fixed", "better", "worse", "mixed", "unsure" or "same", and a sentence; consequences and infos do not count."""

    def troubles(change: str) -> int:
        of = [entry.after or entry.before for entry in changes if entry.change == change and not entry.accepted]
        return sum(f is not None and f.severity != "info" and f.explained_by is None for f in of)

    gone, came, stayed, unsure = map(troubles, ("gone", "came", "stayed", "unsure"))
    parts = [f"{gone} gone"] if gone else []
    parts += [f"{stayed} still there"] if stayed else []
    parts += [f"{unsure} could not be checked again"] if unsure else []
    parts += [f"{came} new"] if came else []
    said = f"Errors and warnings: {', '.join(parts)}."
    if gone and not (came or stayed or unsure):
        what = "the problem is gone" if gone == 1 else f"all {gone} problems are gone"
        return {"kind": "fixed", "text": f"Fixed: {what}, and there is no new one."}
    if gone and came:
        return {"kind": "mixed", "text": f"Mixed. {said}"}
    if came:
        return {"kind": "worse", "text": f"Worse. {said}"}
    if gone:
        return {"kind": "better", "text": f"Better, but not fixed. {said}"}
    if unsure:
        return {"kind": "unsure", "text": f"It is not clear whether this is fixed. {said}"}
    return {"kind": "same", "text": f"No difference. {said}" if stayed else "No errors and no warnings in either run."}


def _curves(before: TrainingRun, after: TrainingRun) -> list[ComparedCurveJson]:
    shared = sorted(set(before.signals) & set(after.signals) - {"epoch"}, key=lambda name: (name not in FIRST, name))
    found: list[ComparedCurveJson] = []
    for signal in shared:
        pair = before.signal(signal), after.signal(signal)
        if pair[0] is not None and pair[1] is not None and pair[0].axis == pair[1].axis:
            ends = [_end(signal, curve) for curve in pair if curve is not None]
            found.append({"signal": signal, "axis": pair[0].axis, "before": ends[0], "after": ends[1]})
    return found


def _end(signal: str, curve: Curve) -> CurveEndJson:
    """The end of a curve, and its best point if it is known which direction is better."""
    words = set(signal.lower().split())
    end: CurveEndJson = {
        "tensorboard_run": curve.tensorboard_run,
        "tag": curve.tag,
        "last": float(curve.values[-1]),
        "last_step": int(curve.steps[-1]),
        "best": None,
        "best_step": None,
    }
    sign = 1 if words & (LOSS | LOWER_IS_BETTER) else -1 if words & HIGHER_IS_BETTER else 0
    if sign and len(curve.finite) and curve.axis != "batch":  # the best batch is mostly chance
        best = int(np.argmin(sign * curve.finite.values))
        end["best"], end["best_step"] = float(curve.finite.values[best]), int(curve.finite.steps[best])
    return end


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[ComparedFactJson]:
    if not before or not after:
        return []
    names = dict.fromkeys([*before, *after])
    return [{"name": n, "before": before.get(n), "after": after.get(n)} for n in names if before.get(n) != after.get(n)]


def _layers(facts: Mapping[str, Any]) -> str:
    """A line for each layer: its class, its name if the user gave it one, settings, activation and size."""
    return "\n".join(layer_in_words(layer) for layer in (facts.get("model") or {}).get("layers") or [])


def _code(facts: Mapping[str, Any]) -> str:
    statements = (facts.get("source") or {}).get("statements") or []
    return "\n".join(str(s.get("text")) for s in sorted(statements, key=lambda s: s.get("line") or 0))


def _texts(before: str, after: str) -> TextsJson | None:
    return {"before": before, "after": after} if before and after and before != after else None
