"""Two training runs compared: which findings are gone or new, where the curves end, how models and settings differ.

A finding is gone only if its check passed in the other run: what could not be checked there may still be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from scram_plugin.heuristics.heuristic import Confidence, Finding
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.conventions import HIGHER_IS_BETTER, LOSS, LOWER_IS_BETTER
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review, Reviewed
from scram_plugin.severity import Severity
from scram_plugin.views.facts_in_words import layer_in_words, settings_in_words
from scram_plugin.wire import WireNumber

Changed = Literal["gone", "came", "stayed", "unsure"]
FIRST = ("training loss", "validation loss")  # of the signals that both runs have, these are shown first


@dataclass(frozen=True)
class ShortFinding:
    severity: Severity
    confidence: Confidence
    title: str
    explained_by: str | None


@dataclass(frozen=True)
class Verdict:
    kind: Literal["fixed", "better", "worse", "mixed", "unsure", "same"]
    text: str


@dataclass(frozen=True)
class ComparedFinding:
    """What became of the findings of one heuristic; `reason`: why it is not known."""

    heuristic: str
    change: Changed
    before: ShortFinding | None
    after: ShortFinding | None
    reason: str
    accepted: Annotated[bool, Meta(description="As no problem, by the configuration.")]


@dataclass(frozen=True)
class CurveEnd:
    """The end of a curve, and its best point if it is known which direction is better."""

    tensorboard_run: str
    tag: str
    last: WireNumber
    last_step: int
    best: WireNumber | None
    best_step: int | None


@dataclass(frozen=True)
class ComparedCurve:
    signal: str
    axis: str
    before: CurveEnd
    after: CurveEnd


@dataclass(frozen=True)
class ComparedFact:
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Texts:
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """`compare?run=&with=`: what became of one training run's findings in another, and what differs."""

    before: str
    after: str
    verdict: Verdict
    findings: list[ComparedFinding]
    curves: list[ComparedCurve]
    facts: list[ComparedFact]
    facts_missing: list[str]
    layers: Texts | None
    code: Texts | None


def compare(before: Reviewed, after: Reviewed) -> Comparison:
    """What changed from `before` to `after`.

    A `change` is "gone", "came", "stayed", or "unsure" if it could not be checked in `after` (`reason` says why). `curves` are
    those of the signals that both have, `facts` those that differ; `layers` and `code` of both are None if they are the same or
    not known for both.
    """
    changes = _changes(before.review, after.review)
    facts, settings = (before.run.facts, after.run.facts), settings_in_words((before, after))
    return Comparison(
        before=before.review.name,
        after=after.review.name,
        verdict=_different(*facts) or _verdict(changes),
        findings=changes,
        curves=_curves(before.run, after.run),
        facts=_differences(*settings),
        facts_missing=[reviewed.review.name for reviewed, known in zip((before, after), settings, strict=True) if not known],
        layers=_texts(*map(_layers, facts)),
        code=_texts(*map(_code, facts)),
    )


def _changes(before: Review, after: Review) -> list[ComparedFinding]:
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
        pair = short(old.get(heuristic)), short(new.get(heuristic))
        found.append(ComparedFinding(heuristic, change, *pair, reason, is_accepted))
    return found


def short(finding: Finding | None) -> ShortFinding | None:
    """What a table of findings shows."""
    if finding is None:
        return None
    return ShortFinding(finding.severity, finding.confidence, finding.title, finding.explained_by)


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> Verdict | None:
    """Two programs are not compared: neither is the other one with a change. None unless both are known."""
    files = [str((facts.get("source") or {}).get("file") or "") for facts in (before, after)]
    if not all(files) or files[0] == files[1]:
        return None
    return Verdict("unsure", f"These are two programs, {files[0]} and {files[1]}: what differs between them says little.")


def _verdict(changes: list[ComparedFinding]) -> Verdict:
    """In one sentence; consequences and infos do not count."""

    def troubles(change: str) -> int:
        of = [entry.after or entry.before for entry in changes if entry.change == change and not entry.accepted]
        return sum(f is not None and f.severity != "info" and f.explained_by is None for f in of)

    def told(change: str, words: str) -> str:
        of = [entry.after or entry.before for entry in changes if entry.change == change and not entry.accepted]
        consequences = sum(f is not None and f.explained_by is not None for f in of)
        more = f" (and {counted(consequences, 'consequence')})" if consequences else ""
        return f"{troubles(change)} {words}{more}"

    gone, came, stayed, unsure = map(troubles, ("gone", "came", "stayed", "unsure"))
    parts = [told("gone", "gone")] if gone else []
    parts += [told("stayed", "still there")] if stayed else []
    parts += [told("unsure", "could not be checked again")] if unsure else []
    parts += [told("came", "new")] if came else []
    said = f"Errors and warnings: {', '.join(parts)}."
    if gone and not (came or stayed or unsure):
        what = "the problem is gone" if gone == 1 else f"all {gone} problems are gone"
        return Verdict("fixed", f"Fixed: {what}, and there is no new one.")
    if gone and came:
        return Verdict("mixed", f"Mixed. {said}")
    if came:
        return Verdict("worse", f"Worse. {said}")
    if gone:
        return Verdict("better", f"Better, but not fixed. {said}")
    if unsure:
        return Verdict("unsure", f"It is not clear whether this is fixed. {said}")
    return Verdict("same", f"No difference. {said}" if stayed else "No errors and no warnings in either run.")


def _curves(before: TrainingRun, after: TrainingRun) -> list[ComparedCurve]:
    shared = sorted(set(before.signals) & set(after.signals) - {"epoch"}, key=lambda name: (name not in FIRST, name))
    found = []
    for signal in shared:
        old, new = before.signal(signal), after.signal(signal)
        if old is not None and new is not None and old.axis == new.axis:
            found.append(ComparedCurve(signal, old.axis, end_of(signal, old), end_of(signal, new)))
    return found


def end_of(signal: str, curve: Curve) -> CurveEnd:
    """The last point of the curve of a signal, and its best one."""
    words = set(signal.lower().split())
    sign = 1 if words & (LOSS | LOWER_IS_BETTER) else -1 if words & HIGHER_IS_BETTER else 0
    end = CurveEnd(curve.tensorboard_run, curve.tag, float(curve.values[-1]), int(curve.steps[-1]), None, None)
    if not sign or not len(curve.finite) or curve.axis == "batch":  # the best batch is mostly chance
        return end
    best = int(np.argmin(sign * curve.finite.values))
    return replace(end, best=float(curve.finite.values[best]), best_step=int(curve.finite.steps[best]))


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[ComparedFact]:
    if not before or not after:
        return []
    names = dict.fromkeys([*before, *after])
    return [ComparedFact(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]


def _layers(facts: Mapping[str, Any]) -> str:
    """A line for each layer: its class, its name if the user gave it one, settings, activation and size."""
    return "\n".join(layer_in_words(layer) for layer in (facts.get("model") or {}).get("layers") or [])


def _code(facts: Mapping[str, Any]) -> str:
    statements = (facts.get("source") or {}).get("statements") or []
    return "\n".join(str(s.get("text")) for s in sorted(statements, key=lambda s: s.get("line") or 0))


def _texts(before: str, after: str) -> Texts | None:
    return Texts(before, after) if before and after and before != after else None
