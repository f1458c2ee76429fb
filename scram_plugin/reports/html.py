"""Reviews as one self-contained HTML file, to send by mail; and as a part of a page, for a notebook."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from scram_plugin import __version__
from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.reports.drawing import lines, svg
from scram_plugin.reports.edits import changed_lines, first_fix, framework_name, left_out
from scram_plugin.reviews.model import Review, totals, worst_first

SIGNS = {"error": "●", "warning": "▲", "info": "ℹ"}
MOST_CURVES = 3  # curves in a picture: as many as there are colours
FEW = 50  # training runs without findings that are listed; the others are counted
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body {{ margin: 0; padding: 24px; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1f2227; }} }}</style>
</head>
<body class="page">
<main>
{content}
</main>
</body>
</html>
"""
STYLE = Path(__file__).with_name("report.css")


def report(reviews: Sequence[Review], logdir: str) -> str:
    """The whole file. It loads nothing and runs nothing, and follows the reader's choice of light or dark."""
    return PAGE.format(title=f"SCRAM: {_text(logdir)}", content=_content(reviews, logdir, 1, "run"))


def part(reviews: Sequence[Review], logdir: str = "") -> str:
    """The body of the file; also the output of a cell in a notebook."""
    names = "\0".join([logdir, *(review.name for review in reviews)])
    return _content(reviews, logdir, 2, f"run-{zlib.crc32(names.encode(errors='replace')):x}")  # a notebook may show several


def _content(reviews: Sequence[Review], logdir: str, level: int, anchor: str) -> str:
    """`level`: of its heading, from 1; headings of runs and findings are below it. `anchor`: prefix of the ids of runs."""
    style = STYLE.read_text(encoding="utf-8")
    return f'<style>\n{style}</style>\n<div class="scram">\n{"".join(_parts(reviews, logdir, level, anchor))}</div>'


def _parts(reviews: Sequence[Review], logdir: str, level: int, anchor: str) -> Iterator[str]:
    ordered = worst_first(reviews)
    told = [review for review in ordered if not review.quiet]
    quiet = [review for review in ordered if review.quiet]
    title, run, finding = (f"h{level + below}" for below in range(3))
    yield f'<{title} class="title">SCRAM{": " * bool(logdir)}{_text(logdir)}</{title}>\n'
    yield f'<p class="muted">{totals(reviews)}. SCRAM {__version__}.</p>\n'
    if len(told) > 1:
        yield "<table><tr><th>training run</th><th>what was found</th></tr>\n"
        for i, review in enumerate(told):
            said = _said(review.headline().text)
            yield f'<tr><td><a href="#{anchor}-{i}">{_text(review.name)}</a></td><td>{said}</td></tr>\n'
        yield "</table>\n"
    for i, review in enumerate(told):
        yield f'<section id="{anchor}-{i}">\n'
        if len(reviews) > 1 or review.name != ".":
            yield f'<{run} class="run">{_text(review.name)}</{run}>\n'
        yield from _run(review, finding)
        yield "</section>\n"
    if quiet:
        yield f'<{run} class="run">Nothing found</{run}>\n<table>\n'
        for review in quiet[:FEW]:
            sign = '<span class="passed">✓</span>' if review.headline().kind == "fine" else "○"
            yield f"<tr><td>{sign} {_text(review.name)}</td><td>{_said(review.headline().text)}</td></tr>\n"
        yield "</table>\n"
    if len(quiet) > FEW:
        yield f'<p class="muted">And {len(quiet) - FEW:,} more training runs.</p>\n'


def _run(review: Review, heading: str) -> Iterator[str]:
    for note in review.notes:
        yield f'<p class="muted">{_text(note)}</p>\n'
    if not review.alone:
        yield f"<p>{_said(review.headline().text)}</p>\n"
    for finding in review.alone:
        yield f'<article class="{finding.severity}">\n'
        yield from _finding(review, finding, heading)
        for other in review.findings:
            if other.explained_by == finding.heuristic:
                yield f'<p class="muted">Probably a consequence: {_said(other.title)} ({_text(other.heuristic)})</p>\n'
        yield "</article>\n"
    for entry in review.accepted_alone:
        why, reason = entry.why, entry.reason
        given = f" ({_text(reason)})" if reason else ""
        yield f'<p class="muted">{why.capitalize()}: {_said(entry.finding.title)}{given}</p>\n'


def _finding(review: Review, finding: Finding, heading: str) -> Iterator[str]:
    severity = finding.severity
    yield f'<p class="sure">{_text(finding.heuristic)}, {finding.confidence}</p>\n'
    yield f'<{heading} class="finding"><span class="sign">{SIGNS[severity]}</span> {severity}: '
    yield f"{_said(finding.title)}</{heading}>\n"
    yield f"<p>{_said(finding.summary)}</p>\n"
    drawn = lines(review, finding, MOST_CURVES)
    if any(len(line.steps) > 1 for line in drawn):
        yield svg(drawn, finding) + "\n"
    supported = [cause for cause in finding.causes if cause.for_]
    shown = supported or finding.causes
    if shown:
        yield f"<p><b>{'Likely causes' if supported else 'What usually causes this'}</b></p>\n<ol>\n"
        for cause in shown:
            against = f' <span class="muted">{_said(cause.against)}</span>' if cause.against else ""
            yield f"<li><b>{_text(cause.title)}.</b> {_said(cause.for_)}{against}</li>\n"
        yield "</ol>\n"
    for i, fix in enumerate(first_fix(finding)):
        yield from _fix(fix, first=i == 0)


def _fix(fix: Fix, first: bool) -> Iterator[str]:
    if first:
        yield f"<p><b>Fix: {_text(fix.title)}.</b> {_said(fix.text)}</p>\n"
    edit = fix.edit
    if edit:
        yield f'<p class="muted">{_text(edit.file)}, line {edit.line}{left_out(edit)}</p>\n'
        tags = {"- ": "del", "+ ": "ins", "  ": "span"}
        changed = [f"<{tags[c[:2]]}>{escape(clean(c))}</{tags[c[:2]]}>" for c in changed_lines(edit)]
        yield f'<pre tabindex="0">{chr(10).join(changed)}</pre>\n'
    else:
        yield f'<p class="muted">{_text(framework_name(fix.framework))}</p>\n'
        yield f'<pre tabindex="0">{escape(clean(fix.code.rstrip()))}</pre>\n'


def _text(text: str) -> str:
    """Untrusted text, escaped."""
    return escape(one_line(text)).encode(errors="replace").decode()


def _said(text: str) -> str:
    """A sentence in which names of code are between backticks."""
    parts = _text(text).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
