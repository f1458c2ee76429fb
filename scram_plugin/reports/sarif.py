"""Reviews as SARIF 2.1.0, for code scanning: a finding is placed at the user's line if that is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from scram_plugin import __version__
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Finding, Heuristic
from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.logs.storage import is_remote
from scram_plugin.reports.edits import first_edit, is_whole
from scram_plugin.reviews.model import Review, named_within
from scram_plugin.views.why.answer import likeliest

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def report(reviews: Sequence[Review], heuristics: Iterable[Heuristic], logdir: str) -> str:
    """One SARIF log, the same bytes for the same reviews.

    Consequences of another finding are left out; what the user's configuration accepts is included, suppressed. `logdir`
    is empty if the names of the reviews begin with it.
    """
    rules = list(heuristics)
    places = {heuristic.id: i for i, heuristic in enumerate(rules)}
    results = []
    for review in reviews:
        results += [_result(review, finding, places, logdir) for finding in review.alone]
        for entry in review.accepted_alone:
            reason = {"justification": entry.said} if entry.reason else {}
            suppressed = {"suppressions": [{"kind": "external", **reason}]}
            results.append({**_result(review, entry.finding, places, logdir), **suppressed})
    driver = {
        "name": "SCRAM",
        "version": __version__,
        "rules": [
            {
                "id": heuristic.id,
                "shortDescription": {"text": heuristic.page.title},
                "help": {"text": heuristic.page.for_any_run, "markdown": heuristic.page.for_any_run},
            }
            for heuristic in rules
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2, ensure_ascii=True) + "\n"


def _result(review: Review, finding: Finding, places: Mapping[str, int], logdir: str) -> dict[str, Any]:
    curve = finding.curves[0]
    edit = first_edit(finding)
    name = "\0".join((review.name, finding.heuristic, curve.tag))
    result = {
        "ruleId": finding.heuristic,
        "ruleIndex": places[finding.heuristic],
        "level": LEVELS[finding.severity],
        "message": {"text": clean("".join(_message(review, finding)))},
        "locations": [
            {
                "physicalLocation": _lines(edit) if edit else _place(curve.tensorboard_run, logdir),
                "logicalLocations": [
                    {"name": one_line(review.name), "fullyQualifiedName": one_line(f"{review.name}: {curve.tag}")}
                ],
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(name.encode(errors="replace")).hexdigest()[:32]},
    }
    return {**result, "fixes": [_fix(finding, edit)]} if edit and is_whole(edit) else result  # editors put it in place


def _message(review: Review, finding: Finding) -> Iterator[str]:
    yield f"{review.name}: {finding.title}. {finding.summary}"
    cause = likeliest(finding)
    if cause:
        yield f" Likely cause: {cause}"
    if finding.fixes:
        yield f" Fix: {finding.fixes[0].title}."


def _place(run: str, logdir: str) -> dict[str, Any]:
    """The directory of the event files that show a finding."""
    return {
        "artifactLocation": {"uri": _uri(named_within(logdir, run) if logdir else run)},
        "region": {"startLine": 1},
    }


def _lines(edit: Edit) -> dict[str, Any]:
    """The user's lines."""
    lines = len(edit.before.splitlines()) or 1
    region = {"startLine": edit.line, "endLine": edit.line + lines - 1}
    return {"artifactLocation": {"uri": _uri(edit.file)}, "region": region}


def _fix(finding: Finding, edit: Edit) -> dict[str, Any]:
    title = next(fix.title for fix in finding.fixes if fix.edit is edit)
    changes: dict[str, dict[str, Any]] = {}  # SARIF has all changes of one file together
    for place in edit.places:
        lines = _lines(place)
        replacement = {"deletedRegion": lines["region"], "insertedContent": {"text": place.after.rstrip("\n") + "\n"}}
        artifact = {"artifactLocation": lines["artifactLocation"], "replacements": []}
        changes.setdefault(place.file, artifact)["replacements"].append(replacement)
    return {"description": {"text": title}, "artifactChanges": list(changes.values())}


def _uri(path: str) -> str:
    plain = path if is_remote(path) else PurePath(path).as_posix()
    return quote(plain.encode(errors="replace"), safe="/:@~")
