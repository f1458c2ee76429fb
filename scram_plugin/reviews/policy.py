"""Findings that do not count: those that the user accepts, and those of a baseline, so that CI fails only on new ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.storage import called
from scram_plugin.reviews.model import Aside, Review, named_within
from scram_plugin.severity import SEVERITIES

Known = dict[tuple[str, str], str]  # (training run, heuristic) -> the worst known severity


def accept(review: Review, catalogue: Catalogue, names: Iterable[str]) -> Review:
    """The review with what the user's configuration accepts in a run that has one of these names put aside."""
    known_as = list(names)
    return _without(review, {a.heuristic: a.reason for a in reversed(catalogue.accepted) if any(map(a.covers, known_as))})


def _without(review: Review, reasons: Mapping[str, str], known: bool = False) -> Review:
    """The review with findings of these heuristics put aside, with their consequences; `reasons` by heuristic."""
    if not reasons:
        return review
    counting: list[Finding] = []
    accepted = list(review.accepted)
    for finding in review.findings:
        for_it = next((h for h in (finding.heuristic, finding.explained_by) if h in reasons), None)
        if for_it is None:
            counting.append(finding)
        else:
            accepted.append(Aside(finding, reasons[for_it], known))
    return replace(review, findings=tuple(counting), accepted=tuple(accepted))


def load_baseline(path: Path) -> Known:
    """The findings in a report of ``scram check --format json``. Raises BadOption, with a sentence, for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known: Known = {}
        for run in document["runs"]:
            # the name of the run when several log directories are given
            longer = named_within(called(str(document.get("logdir", "."))), run["name"])
            for finding in [*run["findings"], *(entry["finding"] for entry in run.get("accepted", ()))]:
                for name in (run["name"], longer):
                    key, severity = (name, finding["heuristic"]), finding["severity"]
                    known[key] = min(known.get(key, severity), severity, key=SEVERITIES.index)
        return known
    except OSError as error:
        raise BadOption(
            f"--baseline: {path} could not be read ({error.strerror}); create it with --format json --output"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadOption(f"--baseline: {path} is not a report of `scram check --format json`") from None


def apply_baseline(review: Review, known: Known, name: str) -> Review:
    """The review with known findings put aside; a finding whose severity got worse counts as new. `name`: the baseline's."""
    graver = {
        finding.heuristic
        for finding in review.findings
        if SEVERITIES.index(finding.severity) < SEVERITIES.index(known.get((review.name, finding.heuristic), "error"))
    }
    reasons = {heuristic: f"in {name}" for run, heuristic in known if run == review.name and heuristic not in graver}
    return _without(review, reasons, known=True)
