"""Reviews for people at a terminal."""

from __future__ import annotations

import difflib
import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from scram_plugin.review import Review

SIGNS = {"error": ("●", "bold red"), "warning": ("▲", "yellow"), "info": ("ℹ", "cyan")}
RANK = {"trouble": 0, "info": 1, "early": 2, "unknown": 3, "fine": 4}


def report(reviews: Sequence[Review], console: Console) -> None:
    """Print the reviews: runs with trouble first, each with its findings, then a summary in one line."""
    ordered = sorted(reviews, key=lambda r: (RANK[r.headline()["kind"]], -r.counts()["error"], -r.counts()["warning"], r.name))
    for review in ordered:
        console.print(_run(review), crop=False)
    console.print(_summary(reviews))


def plain_report(reviews: Sequence[Review], width: int = 100) -> str:
    """The report as text without colours, for files and pipes."""
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    report(reviews, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _run(review: Review) -> Group:
    head = Text(_clean(review.name), style="bold")
    kind = review.headline()["kind"]
    if kind != "trouble":
        sign = {"fine": ("✓", "green"), "info": ("ℹ", "cyan")}.get(kind, ("○", "dim"))
        head.append(f"  {sign[0]} ", style=sign[1])
        head.append(_clean(review.headline()["text"]), style="default not bold")
    parts: list[Any] = [head]
    for finding in review.findings:
        if finding["explained_by"] is None:
            parts.append(Padding(finding_lines(finding), (0, 0, 0, 2)))
    parts += [Padding(Text(f"note: {_clean(note)}", style="dim"), (0, 0, 0, 2)) for note in review.notes]
    parts += [
        Padding(Text(f"not checked: {entry['heuristic']}, because {entry['reason']}", style="dim"), (0, 0, 0, 2))
        for entry in review.not_checked
    ]
    return Group(*parts, Text())


def finding_lines(finding: dict[str, Any], code: bool = True) -> Group:
    """One finding: what happened, the likeliest cause, and the fix as a change of the user's lines or as code."""
    sign, style = SIGNS[finding["severity"]]
    title = Text(f"{sign} {finding['severity']}: ", style=style)
    title.append(_clean(finding["title"]), style="bold")
    title.append(f"  ({finding['confidence']})  {finding['heuristic']}", style="dim not bold")
    parts: list[Any] = [title, Padding(Text(_clean(finding["summary"])), (0, 0, 0, 2))]
    if finding["causes"]:
        cause = finding["causes"][0]
        word = "Likely cause" if cause["for"] else "Most often"
        parts.append(Padding(Text(f"{word}: {cause['title']}. {_clean(cause['for'])}".rstrip()), (0, 0, 0, 2)))
    fix = finding["fixes"][0] if finding["fixes"] else None
    if fix is not None:
        edit = fix["edit"]
        where = f" ({_clean(edit['file'])}:{edit['line']})" if edit else ""
        parts.append(Padding(Text(f"Fix: {fix['title']}{where}", style="green"), (0, 0, 0, 2)))
        if edit:
            styles = {"- ": "red", "+ ": "green", "  ": ""}
            changed = difflib.ndiff(edit["before"].splitlines(), edit["after"].splitlines())
            lines = [_code(line, styles[line[:2]]) for line in changed if line[:2] in styles]
            parts.append(Padding(Group(*lines), (0, 0, 0, 4)))
        elif code:
            highlighted = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(fix["code"].rstrip())
            highlighted.no_wrap, highlighted.overflow = True, "ignore"
            parts.append(Padding(highlighted, (0, 0, 0, 4)))
    return Group(*parts)


def _code(line: str, style: str) -> Text:
    """A line of code is never broken: it is there to be copied."""
    return Text(_clean(line), style=style, no_wrap=True, overflow="ignore")


def _summary(reviews: Sequence[Review]) -> Text:
    counts = {severity: sum(r.counts()[severity] for r in reviews) for severity in SIGNS}
    passed, unchecked = sum(len(r.passed) for r in reviews), sum(len(r.not_checked) for r in reviews)
    unsure = sum(len(r.inconclusive) for r in reviews)
    runs = f"{len(reviews)} training run{'s' * (len(reviews) != 1)}"
    found = ", ".join(f"{n} {severity}{'s' * (n != 1 and severity != 'info')}" for severity, n in counts.items() if n)
    return Text(f"{runs}: {found or 'nothing found'}; {passed} checks passed, {unsure} inconclusive, {unchecked} not checked")


def _clean(text: str) -> str:
    """Untrusted text without control characters, which could rewrite the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
