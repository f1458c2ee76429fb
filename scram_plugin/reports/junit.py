"""Reviews as JUnit XML: a suite for each training run, a case for each check. Most CI servers can show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from scram_plugin.heuristics.heuristic import Finding, Heuristic
from scram_plugin.heuristics.words import clean
from scram_plugin.reports.edits import left_out, proof_said
from scram_plugin.reviews.model import Review
from scram_plugin.severity import down_to


def report(reviews: Sequence[Review], heuristics: Iterable[Heuristic], least: str) -> str:
    """A failure for each finding of severity `least` ("never": of none) or worse; what was not checked or is inconclusive is
    skipped, with the reason."""
    failing = down_to(least)
    ids = [heuristic.id for heuristic in heuristics]
    root = ElementTree.Element("testsuites", name="SCRAM")
    for review in reviews:
        _suite(root, review, ids, failing)
    for element in (root, *root):
        cases = element.findall(".//testcase")
        element.set("tests", str(len(cases)))
        element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        element.set("errors", "0")
    for suite in root:
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in suite)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _suite(root: ElementTree.Element, review: Review, ids: Sequence[str], failing: Sequence[str]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=clean(review.name))
    silent = {entry.heuristic: entry.reason for entry in review.silent}
    accepted = {entry.finding.heuristic: entry for entry in review.accepted}
    for id_ in ids:
        case = ElementTree.SubElement(suite, "testcase", classname=clean(review.name), name=id_)
        bad = [f for f in review.alone if f.heuristic == id_ and f.severity in failing]
        if bad:
            failure = ElementTree.SubElement(case, "failure", type=bad[0].severity, message=clean(bad[0].title))
            failure.text = clean("\n\n".join(_said(f, review) for f in bad))
        elif id_ in accepted:
            why, reason = accepted[id_].why, accepted[id_].reason
            ElementTree.SubElement(case, "skipped", message=clean(f"{why}: {reason or 'no reason was given'}"))
        elif id_ in silent:
            ElementTree.SubElement(case, "skipped", message=clean(silent[id_]))
        others = [f for f in review.findings if f.heuristic == id_ and f not in bad]
        if others:
            ElementTree.SubElement(case, "system-out").text = clean("\n\n".join(_said(f, review) for f in others))


def _said(finding: Finding, review: Review) -> str:
    lines = [f"{finding.severity}: {finding.title}", finding.summary]
    if finding.explained_by:
        titles = [f.title for f in review.findings if f.heuristic == finding.explained_by]
        lines.append(f"Probably a consequence of: {(titles or [finding.explained_by])[0]}.")
    lines += [f"Likely cause: {cause.title}. {cause.for_}" for cause in finding.causes if cause.for_]
    for fix in finding.fixes[:1]:
        edit = fix.edit
        lines.append(f"Fix: {fix.title}." + (f" {edit.file}:{edit.line}{left_out(edit)}" if edit else ""))
        lines.append(edit.after if edit else fix.code)
        for place in edit.more if edit else ():
            lines += [f"and {place.file}:{place.line}{left_out(place)}", place.after]
        lines += [said] if (said := proof_said(fix)) else []
    return "\n".join(lines)
