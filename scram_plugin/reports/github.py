"""Findings as annotations of a GitHub workflow: one line each, at the user's line of code if that is known.

Where a fix changes further places, each of these has a notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.reports.edits import first_edit
from scram_plugin.reviews.model import Review

COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def report(reviews: Sequence[Review]) -> str:
    """The workflow commands; consequences of another finding are left out."""
    lines = [line for review in reviews for finding in review.alone for line in _annotations(review.name, finding)]
    return "".join(f"{line}\n" for line in lines)


def _annotations(run: str, finding: Finding) -> Iterator[str]:
    edit, title = first_edit(finding), f"{run}: {finding.title}"
    fix = f"\nFix: {finding.fixes[0].title}" if finding.fixes else ""
    yield _annotation(COMMANDS[finding.severity], edit, title, finding.summary + fix)
    for place in edit.more if edit else ():
        yield _annotation("notice", place, title, f"A part of the fix. {place.reason}".strip())


def _annotation(command: str, place: Edit | None, title: str, text: str) -> str:
    where = {"file": one_line(place.file), "line": str(place.line)} if place else {}
    named = ",".join(f"{key}={_property(value)}" for key, value in {**where, "title": one_line(title)}.items())
    return f"::{command} {named}::{_data(clean(text))}"


def _data(text: str) -> str:
    """Escaped as GitHub's toolkit escapes a message: nothing in a log can begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
