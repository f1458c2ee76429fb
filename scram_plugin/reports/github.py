"""Findings as annotations of a GitHub workflow: one line each, at the user's line of code if that is known."""

from __future__ import annotations

from collections.abc import Sequence

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.reports.edits import first_edit
from scram_plugin.reviews.model import Review

COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def report(reviews: Sequence[Review]) -> str:
    """The workflow commands; consequences of another finding are left out."""
    lines = [_annotation(review.name, finding) for review in reviews for finding in review.alone]
    return "".join(f"{line}\n" for line in lines)


def _annotation(run: str, finding: Finding) -> str:
    edit = first_edit(finding)
    where = {"file": one_line(edit.file), "line": str(edit.line)} if edit else {}
    properties = {**where, "title": one_line(f"{run}: {finding.title}")}
    named = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    fix = f"\nFix: {finding.fixes[0].title}" if finding.fixes else ""
    return f"::{COMMANDS[finding.severity]} {named}::{_data(clean(finding.summary + fix))}"


def _data(text: str) -> str:
    """Escaped as GitHub's toolkit escapes a message: nothing in a log can begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
