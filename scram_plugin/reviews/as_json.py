"""Reviews as the values of the JSON contract: see `docs/cli.md` and the routes of the tab."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.reviews.model import Aside, Review
from scram_plugin.reviews.plain import plain


def review_as_json(review: Review) -> dict[str, Any]:
    """The object of one training run. Numbers that are not finite are strings."""
    return plain(
        {
            "name": review.name,
            "tensorboard_runs": review.tensorboard_runs,
            "framework": review.framework,
            "notes": review.notes,
            "signals": {name: asdict(signal) for name, signal in review.signals.items()},
            "headline": review.headline()._asdict(),
            "findings": [_finding(finding) for finding in review.findings],
            "accepted": [_aside(aside) for aside in review.accepted],
            "passed": review.passed,
            "inconclusive": [
                {"heuristic": entry.heuristic, "reason": entry.reason, "early": entry.early} for entry in review.inconclusive
            ],
            "not_checked": [
                {"heuristic": entry.heuristic, "reason": entry.reason, "how": entry.how} for entry in review.not_checked
            ],
        }
    )


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """The object of one finding."""
    return plain(_finding(finding))


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "heuristic": finding.heuristic,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "summary": finding.summary,
        "steps": {"first": finding.first_step, "last": finding.last_step, "axis": finding.axis},
        "curves": [asdict(curve) for curve in finding.curves],
        "evidence": {key: value for key, value in finding.evidence.items() if value is not None},
        "bad_step": finding.bad_step,
        "best_step": finding.best_step,
        "explained_by": finding.explained_by,
        "causes": [
            {"id": cause.id, "title": cause.title, "for": cause.for_, "against": cause.against} for cause in finding.causes
        ],
        "fixes": [asdict(fix) for fix in finding.fixes],
    }


def _aside(aside: Aside) -> dict[str, Any]:
    known = {"known": True} if aside.known else {}
    return {"finding": _finding(aside.finding), "reason": aside.said, **known}
