"""Reviews as one self-contained HTML file, to send by mail; and as a part of a page, for a notebook."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from scram_plugin import __version__
from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.reports.drawing import lines, svg
from scram_plugin.reports.edits import changed_lines, first_fix, framework_name, left_out, proof_said
from scram_plugin.reviews.model import Review, totals, worst_first

SIGNS = {"error": "●", "warning": "▲", "info": "ℹ"}
MOST_CURVES = 3  # curves in a picture: as many as there are colours
FEW = 50  # training runs without findings that are listed; the others are counted
PAGE = Markup("""\
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
""")
NOTHING = Markup("")
STYLE = Path(__file__).with_name("report.css")


def report(reviews: Sequence[Review], logdir: str, more: Markup = NOTHING) -> str:
    """The whole file, with `more` at its end. It loads nothing and runs nothing, and follows the reader's choice of light or
    dark."""
    return page(f"SCRAM: {logdir}", styled(itertools.chain(_parts(reviews, logdir, 1, "run"), [more])))


def page(title: str, content: Markup) -> str:
    """A whole file with this content."""
    return str(PAGE.format(title=_text(title), content=content))


def styled(parts: Iterator[Markup]) -> Markup:
    """Content with the style of all reports."""
    style = Markup(STYLE.read_text(encoding="utf-8"))
    return Markup('<style>\n{}</style>\n<div class="scram">\n{}</div>').format(style, Markup("").join(parts))


def part(reviews: Sequence[Review], logdir: str = "") -> str:
    """The body of the file; also the output of a cell in a notebook."""
    names = "\0".join([logdir, *(review.name for review in reviews)])
    anchor = f"run-{zlib.crc32(names.encode(errors='replace')):x}"  # a notebook may show several
    return str(_content(reviews, logdir, 2, anchor))


def _content(reviews: Sequence[Review], logdir: str, level: int, anchor: str) -> Markup:
    """`level`: of its heading, from 1; headings of runs and findings are below it. `anchor`: prefix of the ids of runs."""
    return styled(_parts(reviews, logdir, level, anchor))


def _parts(reviews: Sequence[Review], logdir: str, level: int, anchor: str) -> Iterator[Markup]:
    ordered = worst_first(reviews)
    told = [review for review in ordered if not review.quiet]
    quiet = [review for review in ordered if review.quiet]
    title, run, finding = (f"h{level + below}" for below in range(3))
    yield Markup('<{0} class="title">{1}</{0}>\n').format(title, _text(f"SCRAM: {logdir}" if logdir else "SCRAM"))
    yield Markup('<p class="muted">{}. SCRAM {}.</p>\n').format(totals(reviews), __version__)
    if len(told) > 1:
        yield Markup("<table><tr><th>training run</th><th>what was found</th></tr>\n")
        for i, review in enumerate(told):
            row = Markup('<tr><td><a href="#{}-{}">{}</a></td><td>{}</td></tr>\n')
            yield row.format(anchor, i, _text(review.name), _said(review.headline().text))
        yield Markup("</table>\n")
    for i, review in enumerate(told):
        yield Markup('<section id="{}-{}">\n').format(anchor, i)
        if len(reviews) > 1 or review.name != ".":
            yield Markup('<{0} class="run">{1}</{0}>\n').format(run, _text(review.name))
        yield from _run(review, finding)
        yield Markup("</section>\n")
    if quiet:
        yield Markup('<{0} class="run">Nothing found</{0}>\n<table>\n').format(run)
        for review in quiet[:FEW]:
            sign = Markup('<span class="passed">✓</span>') if review.headline().kind == "fine" else "·"
            row = Markup("<tr><td>{} {}</td><td>{}</td></tr>\n")
            told_of_it = Markup(" ").join(map(_said, (review.headline().text, *review.notes)))
            yield row.format(sign, _text(review.name), told_of_it)
        yield Markup("</table>\n")
    if len(quiet) > FEW:
        yield Markup('<p class="muted">And {:,} more training runs.</p>\n').format(len(quiet) - FEW)


def _run(review: Review, heading: str) -> Iterator[Markup]:
    for note in review.notes:
        yield _muted(_text(note))
    if not review.alone:
        yield Markup("<p>{}</p>\n").format(_said(review.headline().text))
    for finding in review.alone:
        yield Markup('<article class="{}">\n').format(finding.severity)
        yield from _finding(review, finding, heading)
        for other in review.findings:
            if other.explained_by == finding.heuristic:
                said = Markup("Probably a consequence: {} ({})")
                yield _muted(said.format(_said(other.title), _text(other.heuristic)))
        yield Markup("</article>\n")
    for aside in review.accepted_alone:
        given = f" ({_text(aside.reason)})" if aside.reason else ""
        yield _muted(Markup("{}: {}{}").format(aside.why.capitalize(), _said(aside.finding.title), given))


def _finding(review: Review, finding: Finding, heading: str) -> Iterator[Markup]:
    severity = finding.severity
    yield Markup('<p class="sure">{}, {}</p>\n').format(_text(finding.heuristic), finding.confidence)
    title = Markup('<{0} class="finding"><span class="sign">{1}</span> {2}: {3}</{0}>\n')
    yield title.format(heading, SIGNS[severity], severity, _said(finding.title))
    yield Markup("<p>{}</p>\n").format(_said(finding.summary))
    drawn = lines(review, finding, MOST_CURVES)
    if any(len(line.steps) > 1 for line in drawn):
        yield Markup("{}\n").format(Markup(svg(drawn, finding)))
    supported = [cause for cause in finding.causes if cause.for_]
    yield Markup("<p><b>{}</b></p>\n<ol>\n").format("Likely causes" if supported else "What usually causes this")
    for cause in supported or finding.causes:
        against = Markup(' <span class="muted">{}</span>').format(_said(cause.against)) if cause.against else ""
        yield Markup("<li><b>{}.</b> {}{}</li>\n").format(_text(cause.title), _said(cause.for_), against)
    yield Markup("</ol>\n")
    for i, fix in enumerate(first_fix(finding)):
        yield from _fix(fix, first=i == 0)


def _fix(fix: Fix, first: bool) -> Iterator[Markup]:
    if first:
        yield Markup("<p><b>Fix: {}.</b> {}</p>\n").format(_text(fix.title), _said(fix.text))
    edit = fix.edit
    for place in edit.places if edit else ():
        reason = f": {_text(place.reason)}" if place.reason else ""
        yield _muted(f"{_text(place.file)}, line {place.line}{left_out(place)}{reason}")
        tags = {"- ": "del", "+ ": "ins", "  ": "span"}
        changed = [Markup("<{0}>{1}</{0}>").format(tags[c[:2]], clean(c)) for c in changed_lines(place)]
        yield Markup('<pre tabindex="0">{}</pre>\n').format(Markup("\n").join(changed))
    if said := proof_said(fix):
        yield Markup("<p><b>{}</b></p>\n").format(_said(said))
    if not edit:
        yield _muted(_text(framework_name(fix.framework)))
        yield Markup('<pre tabindex="0">{}</pre>\n').format(clean(fix.code.rstrip()))


def _muted(text: str) -> Markup:
    return Markup('<p class="muted">{}</p>\n').format(text)


def _text(text: str) -> str:
    """Untrusted text in one line, without surrogates; `Markup.format` escapes it."""
    return one_line(text).encode(errors="replace").decode()


def _said(text: str) -> Markup:
    """A sentence in which names of code are between backticks."""
    parts = _text(text).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))
