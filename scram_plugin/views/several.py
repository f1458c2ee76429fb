"""Several training runs side by side, as those of a sweep: what was found in which, where the curves end, what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scram_plugin.heuristics.words import counted
from scram_plugin.reviews.model import HeadlineKind, Reviewed
from scram_plugin.views.comparison import FIRST, CurveEnd, ShortFinding, end_of, short
from scram_plugin.views.facts_in_words import layer_in_words, settings_in_words

MOST = 8  # runs: more colours and columns than that cannot be told apart


@dataclass(frozen=True)
class OneOfSeveral:
    """A run, and its headline."""

    name: str
    kind: HeadlineKind
    headline: str


@dataclass(frozen=True)
class CheckInSeveral:
    """What a check found in each run: a finding, or null with the outcome in a word ("passed", "inconclusive")."""

    heuristic: str
    findings: list[ShortFinding | None]
    outcomes: list[str]


@dataclass(frozen=True)
class CurveInSeveral:
    """The end of the curves of a signal in each run; null where it was not logged over this axis."""

    signal: str
    axis: str
    ends: list[CurveEnd | None]


@dataclass(frozen=True)
class FactInSeveral:
    """A setting that differs; null where it is not known."""

    name: str
    values: list[str | None]


@dataclass(frozen=True)
class Several:
    """`several?run=&run=`: up to eight training runs, each one column of every list."""

    runs: list[OneOfSeveral]
    sentence: str
    findings: list[CheckInSeveral]
    curves: list[CurveInSeveral]
    facts: list[FactInSeveral]
    facts_missing: list[str]


def several(runs: Sequence[Reviewed]) -> Several:
    """Two to `MOST` runs in the order in which they are given. Findings that most of them have come first."""
    findings, settings = _findings(runs), settings_in_words(runs)
    return Several(
        runs=[OneOfSeveral(r.review.name, r.review.headline().kind, r.review.headline().text) for r in runs],
        sentence=_sentence(runs, findings),
        findings=findings,
        curves=_curves(runs),
        facts=_facts(runs, settings),
        facts_missing=[r.review.name for r, known in zip(runs, settings, strict=True) if not known],
    )


def _findings(runs: Sequence[Reviewed]) -> list[CheckInSeveral]:
    of = [{f.heuristic: f for f in reversed(r.review.all_findings)} for r in runs]  # the gravest of each check
    names = dict.fromkeys(f.heuristic for r in runs for f in r.review.all_findings)
    rows = []
    for name in names:
        outcomes = ["" if name in found else _outcome(r, name) for found, r in zip(of, runs, strict=True)]
        rows.append(CheckInSeveral(name, [short(found.get(name)) for found in of], outcomes))
    return sorted(rows, key=lambda row: row.findings.count(None))


def _outcome(reviewed: Reviewed, heuristic: str) -> str:
    if heuristic in reviewed.review.passed:
        return "passed"
    unclear = {entry.heuristic for entry in reviewed.review.inconclusive}
    return "inconclusive" if heuristic in unclear else "not checked"


def _sentence(runs: Sequence[Reviewed], findings: Sequence[CheckInSeveral]) -> str:
    """What the runs have in common, and how many have an error or a warning."""
    troubled = sum(r.review.counts()["error"] + r.review.counts()["warning"] > 0 for r in runs)
    said = f"{counted(troubled, 'run')} of {len(runs)} {'has' if troubled == 1 else 'have'} an error or a warning."
    common = [
        found[0].title
        for row in findings
        if None not in row.findings and (found := [f for f in row.findings if f and f.severity != "info"])
    ]
    if not common:
        return f"{said} No error and no warning is common to all."
    return f"{said} All have {counted(len(common), 'fault')} in common: {'; '.join(common[:3])}."


def _curves(runs: Sequence[Reviewed]) -> list[CurveInSeveral]:
    counts: dict[tuple[str, str], list[CurveEnd | None]] = {}
    for i, reviewed in enumerate(runs):
        for signal in reviewed.run.signals:
            curve = reviewed.run.signal(signal)
            if curve is not None and signal != "epoch":
                counts.setdefault((signal, curve.axis), [None] * len(runs))[i] = end_of(signal, curve)
    shared = [CurveInSeveral(*key, ends) for key, ends in counts.items() if len(ends) - ends.count(None) > 1]
    return sorted(shared, key=lambda c: (c.signal not in FIRST, c.ends.count(None), c.signal))


def _facts(runs: Sequence[Reviewed], settings: Sequence[dict[str, str]]) -> list[FactInSeveral]:
    texts = [known | _layers(r.run.facts) for r, known in zip(runs, settings, strict=True)]
    names = dict.fromkeys(name for text in texts for name in text)
    rows = [FactInSeveral(name, [text.get(name) for text in texts]) for name in names]
    return [row for row in rows if len({value for value in row.values if value is not None}) > 1]


def _layers(facts: Mapping[str, Any]) -> dict[str, str]:
    layers = (facts.get("model") or {}).get("layers") or []
    return {"layers": "; ".join(layer_in_words(layer) for layer in layers)} if layers else {}
