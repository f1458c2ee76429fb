"""Reviews as Markdown, for an issue, a pull request or a lab notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.heuristics.words import clean, one_line, place
from scram_plugin.reports.edits import changed_lines, first_fix, framework_name, left_out, proof_said
from scram_plugin.reviews.model import Review

SIGNS = {"error": "🔴", "warning": "🟡", "info": "🔵"}


def report(reviews: Sequence[Review]) -> str:
    """A document with a section for each training run; several runs are listed in a table first."""
    parts = [_table(reviews)] if len(reviews) > 1 else []
    parts += ["\n".join(_run(review)) for review in reviews]
    return "\n\n".join(parts).rstrip() + "\n"


def _table(reviews: Sequence[Review]) -> str:
    lines = ["| training run | found | summary |", "| --- | --- | --- |"]
    for review in reviews:
        counts = review.counts()
        found = " ".join(f"{SIGNS[severity]} {n}" for severity, n in counts.items() if n) or "✓"
        lines.append(f"| {text_of(review.name)} | {found} | {text_of(review.headline().text)} |")
    return "\n".join(lines)


def _run(review: Review) -> Iterator[str]:
    yield f"## {text_of(review.name)}"
    yield ""
    yield f"**{text_of(review.headline().text)}**"
    yield ""
    for note in review.notes:
        yield from (text_of(note), "")
    for finding in review.alone:
        consequences = [f for f in review.findings if f.explained_by == finding.heuristic]
        yield from _finding(finding, consequences)
    for entry in review.accepted_alone:
        why, reason = entry.why, entry.reason
        given = f" ({text_of(reason)})" if reason else ""
        yield from (f"{why.capitalize()}: {text_of(entry.finding.title)}{given}.", "")
    silent = f"{len(review.inconclusive)} inconclusive, {len(review.not_checked)} not checked"
    yield from (f"{len(review.passed)} checks passed, {silent}.", "")


def _finding(finding: Finding, consequences: Iterable[Finding]) -> Iterator[str]:
    severity = finding.severity
    yield f"### {SIGNS[severity]} {severity.capitalize()}: {text_of(finding.title)}"
    yield ""
    yield text_of(finding.summary)
    yield ""
    curve = finding.curves[0]
    where = f" in {code(curve.tag)} of {code(curve.tensorboard_run)}"
    first, last = place(finding.axis, finding.first_step), place(finding.axis, finding.last_step)
    yield f"{code(finding.heuristic)}, {finding.confidence}; {first} to {last}{where}."
    yield ""
    supported = [cause for cause in finding.causes if cause.for_]
    if supported:
        yield "Likely causes:"
        yield ""
        for i, cause in enumerate(supported, 1):
            yield f"{i}. **{text_of(cause.title)}.** {text_of(cause.for_)}"
        yield ""
    yield from _fix(first_fix(finding))
    for other in consequences:
        yield from (f"Probably a consequence: {text_of(other.title)} ({code(other.heuristic)}).", "")


def _fix(fixes: Sequence[Fix]) -> Iterator[str]:
    if not fixes:
        return
    fix = fixes[0]
    yield f"**Fix: {text_of(fix.title)}.** {text_of(fix.text)}"
    yield ""
    edit = fix.edit
    for place_ in edit.places if edit else ():
        reason = f" ({text_of(place_.reason)})" if place_.reason else ""
        yield f"{code(place_.file)}, line {place_.line}{left_out(place_)}{reason}:"
        yield ""
        yield from _fenced("diff", "\n".join(changed_lines(place_)))
    if said := proof_said(fix):
        yield from (f"**{text_of(said)}**", "")
    for other in fixes if not edit else ():
        if len(fixes) > 1:
            yield from (f"{text_of(framework_name(other.framework))}:", "")
        yield from _fenced("python", other.code.rstrip())


def _fenced(language: str, text: str) -> Iterator[str]:
    """A block of untrusted code; its fence is longer than any run of backticks in it."""
    text = clean(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield from (f"{fence}{language}", text, fence, "")


def code(text: str) -> str:
    """Untrusted text as code within a line."""
    text = one_line(text).replace("|", "¦") or "(no name)"  # a bar would end the cell of a table
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    gap = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def text_of(text: str) -> str:
    """Untrusted text in which nothing can become markup, except names of code between backticks."""
    text = one_line(text).strip()
    parts = text.split("`")
    if len(parts) % 2 == 0 or not all(parts[1:-1]):  # no pairs, or two adjacent ones: no names of code
        return _escaped(text)
    said = "".join(code(part) if i % 2 else _inline(part) for i, part in enumerate(parts))
    return said if parts[0] == "" else _not_a_list(said)


def _escaped(text: str) -> str:
    return _not_a_list(_inline(text))


def _inline(text: str) -> str:
    text = re.sub(r"([\\`*_{}\[\]<>|~!&])", r"\\\1", text)
    # an empty comment, so that nobody is mentioned, no issue is linked, and no address becomes a link
    return re.sub(r"(@|#|\bwww(?=\.)|:(?=//))", r"\1<!-- -->", text)


def _not_a_list(text: str) -> str:
    """Escape what would begin a list, a heading or a rule at the start of a line."""
    return re.sub(r"^([-+=]|\d+(?=[.)]))", lambda m: f"\\{m[1]}" if not m[1].isdigit() else f"{m[1]}<!-- -->", text)
