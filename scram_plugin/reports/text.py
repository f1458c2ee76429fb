"""Reviews as text, for the terminal."""

from __future__ import annotations

import bisect
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.words import clean, counted, number, one_line, place
from scram_plugin.reports.drawing import Line, bars, lines, part_shown
from scram_plugin.reports.edits import changed_lines, first_fix, framework_name, left_out, proof_said
from scram_plugin.reviews.model import SETTINGS, Review, totals, worst_first

Entry = TypeVar("Entry")

SIGNS = {"error": ("●", "bold red"), "warning": ("▲", "yellow"), "info": ("ℹ", "cyan")}
# The signals that are listed; the JSON has all.
SHOWN = (
    "training loss", "validation loss", "training accuracy", "validation accuracy", "learning rate", "return",
    "adversarial loss",
)  # fmt: skip
MOST_CURVES = 2  # curves of a finding; the others are in the tab and in the HTML
LONGEST_LABEL = 24  # characters
ROOM_FOR_NUMBERS = 20  # characters to the right of a curve
LONGEST_LINE = 120  # characters of a sentence; longer ones are hard to follow from line to line
WIDEST = 60  # blocks
WIDTH = 100  # characters of a line in files and pipes
FEW = 20  # training runs without findings that are listed; the others are counted


def report(reviews: Sequence[Review], console: Console, verbose: bool = False) -> None:
    """Print the reviews: runs with trouble first, each with its findings, then a summary in one line.

    When `verbose`, also what was not checked in each, why, and what to log for it.
    """
    single = len(reviews) == 1
    ordered = worst_first(reviews)
    told = [review for review in ordered if verbose or single or not review.quiet]
    quiet = [review for review in ordered if not (verbose or single) and review.quiet]
    unchecked, above = _in_all(reviews), set[str]()
    for review in told:
        _print_run(console, review, above)
        if verbose:
            _print_silent(console, review, [] if single else unchecked, above)
        if verbose or single:
            _print_read_as(console, review)
            for name, value in review.about:
                if name == SETTINGS:
                    _paragraph(console, 2, f"{SETTINGS}: {value}", "dim")
        console.print()
    named = len(quiet) if len(quiet) <= FEW + 5 else FEW
    for review in quiet[:named]:
        _print_run(console, review, above)
    if len(quiet) > named:
        fine = sum(review.headline().kind == "fine" for review in quiet[named:])
        unsure = len(quiet) - named - fine
        kinds = [(fine, "with nothing wrong"), (unsure, "with too little data to check")]
        which = ", ".join(f"{count:,} {what}" for count, what in kinds if count)
        _paragraph(console, 0, f"and {len(quiet) - named:,} more: {which} (-v lists them)", "dim")
    if quiet:
        console.print()
    if verbose and not single:
        _print_unchecked(console, 0, "not checked in any run", unchecked, above)
    elif unchecked and not verbose:
        checks = f"{counted(len(unchecked), 'check')} could not be made{'' if single else ' in any run'}"
        _paragraph(console, 0, f"{checks}; `scram check -v` says why, and what to log", "dim")
    console.print(_summary(reviews))


def plain_report(reviews: Sequence[Review], verbose: bool = False) -> str:
    """The report as text without colours, for files and pipes."""
    return plain(lambda console: report(reviews, console, verbose))


def plain(write: Callable[[Console], None]) -> str:
    """What is printed on a console without colours, without blanks at the ends of lines."""
    # in a notebook, rich would otherwise show it at once
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, color_system=None, force_jupyter=False)
    write(console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _in_all(reviews: Sequence[Review]) -> list[tuple[str, str, str]]:
    """(heuristic, reason, how to have it checked) of what was not checked in any of the runs, to be printed once."""
    each = [dict.fromkeys(_unchecked(review)) for review in reviews]
    return [entry for entry in (each[0] if each else ()) if all(entry in others for others in each[1:])]


def _unchecked(review: Review) -> list[tuple[str, str, str]]:
    return [(entry.heuristic, entry.reason, entry.how) for entry in review.not_checked]


def _print_run(console: Console, review: Review, above: set[str]) -> None:
    head = Text(one_line(review.name), style="bold")
    kind = review.headline().kind
    if kind in ("trouble", "info"):  # what was found follows
        console.print(head)
    else:
        sign = ("✓ ", "green") if kind == "fine" else ("· ", "dim")
        said = Text.assemble(sign, clean(review.headline().text))
        if head.cell_len + 2 + said.cell_len <= console.width:
            console.print(Text.assemble(head, "  ", said))
        else:
            console.print(head)
            console.print(Padding(said, (0, 0, 0, 2)))
    for finding in review.alone:
        print_finding(console, finding, indent=2, drawn=lines(review, finding, MOST_CURVES), above=above)
        for other in review.findings:
            if other.explained_by == finding.heuristic:
                _paragraph(console, 4, f"Probably a consequence: {other.title} ({other.heuristic})", "dim")
    for entry in review.accepted_alone:
        why, reason = entry.why, entry.reason
        given = f" ({reason})" if reason else ""
        _paragraph(console, 2, f"{why}: {entry.finding.title}{given}", "dim")
    for note in review.notes:
        _paragraph(console, 2, f"note: {note}", "dim")


def _print_silent(console: Console, review: Review, told: Sequence[tuple[str, str, str]], above: set[str]) -> None:
    """Print what is inconclusive and what was not checked, each with the reason."""
    early = [entry.heuristic for entry in review.inconclusive if entry.early]
    if early:
        _paragraph(console, 2, f"too few points for: {', '.join(early)}", "dim")
    for reason, unclear in _grouped((e.reason, e.heuristic) for e in review.inconclusive if not e.early).items():
        _paragraph(console, 2, f"inconclusive: {', '.join(unclear)}, because {reason}", "dim")
    _print_unchecked(console, 2, "not checked", [entry for entry in _unchecked(review) if entry not in told], above)


def _print_unchecked(
    console: Console, indent: int, words: str, entries: Sequence[tuple[str, str, str]], above: set[str]
) -> None:
    """Print each reason once, and after all reasons with the same remedy what to log; `above`: what was printed before."""
    for how, reasons in _grouped((how, (reason, name)) for name, reason, how in entries).items():
        for reason, names in _grouped(reasons).items():
            _paragraph(console, indent, f"{words}: {', '.join(names)}, because {reason}", "dim")
        if how and how not in above:
            above.add(how)
            _paragraph(console, indent + 2, "what is needed:", "dim")
            for line in how.split("\n"):
                _code(console, indent + 4, Text(clean(line)))


def _print_read_as(console: Console, review: Review) -> None:
    """Print which tag was read as which signal."""
    read_as = [f"{name} = {_source(review, name)}" for name in SHOWN if name in review.signals]
    if read_as:
        _paragraph(console, 2, f"read as: {'; '.join(read_as)}", "dim")


def _picture(finding: Finding, drawn: Sequence[Line], width: int) -> Iterator[Text]:
    """The curves as blocks, the bad span in colour and bracketed below."""
    drawn = [line for line in drawn if len(line.values) > 2 and len(set(map(str, line.values))) > 1]
    if not drawn:
        return
    style = SIGNS[finding.severity][1].removeprefix("bold ")
    label = min(max(len(line.label) for line in drawn), LONGEST_LABEL)
    room = min(max(width - label - 2 - ROOM_FOR_NUMBERS, 8), WIDEST)
    shown = part_shown(drawn, finding)
    rows, ends = bars(drawn, room, shown)
    first = min(bisect.bisect_left(ends, finding.first_step), len(ends) - 1)
    last = min(bisect.bisect_left(ends, finding.last_step), len(ends) - 1)
    for line, blocks in zip(drawn, rows, strict=True):
        said = Text(f"{line.label[:label]:{label}}  ", style="dim")
        said.append(blocks[:first], style="default not dim")
        said.append(blocks[first : last + 1], style=f"{style} not dim")
        said.append(blocks[last + 1 :], style="default not dim")
        more = "… " if shown[1] < line.steps[-1] else ""
        said.append(f"  {more}{number(line.values[0])} → {number(line.values[-1])}")
        yield said
    bracket = "╰" + "─" * (last - first - 1) + "╯" if last > first else "↑"
    axis = finding.axis
    where = place(axis, finding.first_step)
    if finding.last_step > finding.first_step:
        where += f" to {place(axis, finding.last_step).removeprefix(f'{axis} ')}"
    before = label + 2 + first
    if before + len(bracket) + 1 + len(where) < width:
        yield Text(f"{' ' * before}{bracket} {where}", style=style)
    elif len(where) + 1 <= before:
        yield Text(f"{' ' * (before - len(where) - 1)}{where} {bracket}", style=style)
    else:
        yield Text(f"{' ' * before}{bracket}", style=style)


def _source(review: Review, name: str) -> str:
    """The tag of a signal, with its directory if two signals have the same tag."""
    run, tag = review.signals[name].tensorboard_run, review.signals[name].tag
    same = [name for name in SHOWN if name in review.signals and review.signals[name].tag == tag]
    part = run.removeprefix(review.name).lstrip("/") if review.name != "." else run
    return clean(f"{tag} in {part}" if len(same) > 1 and part not in ("", ".") else tag)


def _grouped(entries: Iterable[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = {}
    for key, entry in entries:
        grouped.setdefault(key, []).append(entry)
    return grouped


def print_finding(
    console: Console,
    finding: Finding,
    indent: int = 0,
    code: bool = True,
    drawn: Sequence[Line] = (),
    above: set[str] | None = None,
) -> None:
    """One finding: what happened, its curves, the likeliest cause, and the fix as a change of the user's lines or as code.

    `above` holds the code of fixes that were printed before; what is printed here is added.
    """
    above = set() if above is None else above
    sign, style = SIGNS[finding.severity]
    title = Text(f"{sign} {finding.severity}: ", style=style)
    title.append(clean(finding.title), style="bold")
    title.append(f"  ({finding.confidence})  {finding.heuristic}", style="dim not bold")
    console.print(Padding(title, (0, 0, 0, indent)))
    indent += 2
    _paragraph(console, indent, finding.summary)
    for line in _picture(finding, drawn, console.width - indent) if finding.severity != "info" else ():
        _code(console, indent, line)
    if finding.causes:
        cause = finding.causes[0]
        word = "Likely cause" if cause.for_ else "Usual cause"
        _paragraph(console, indent, f"{word}: {cause.title}. {cause.for_}".rstrip())
    fixes = first_fix(finding)
    if not fixes:
        return
    fix, edit = fixes[0], fixes[0].edit
    code = code and (finding.severity != "info" or edit is not None)  # an info is printed in brief
    where = f" ({edit.file}:{edit.line}){left_out(edit)}" if edit else ""
    if not code and not edit:
        where = f" (scram explain {finding.heuristic})"
    elif not edit and fix.code in above:
        code, where = False, " (code: see above)"
    above.add(fix.code)
    _paragraph(console, indent, f"Fix: {fix.title}{where}", "green")
    for i, place_ in enumerate(edit.places if edit else ()):
        styles = {"- ": "red", "+ ": "green", "  ": ""}
        if i:  # the first one stands above
            _paragraph(console, indent, f"and {place_.file}:{place_.line}{': ' * bool(place_.reason)}{place_.reason}", "green")
        for changed in changed_lines(place_):
            _code(console, indent + 2, Text(clean(changed), style=styles[changed[:2]]))
    if said := proof_said(fix):
        _paragraph(console, indent, said, "green")
    for other in fixes if code and not edit else ():
        if len(fixes) > 1:
            _paragraph(console, indent + 2, f"{framework_name(other.framework)}:", "dim")
        # without colours: none is readable on both dark and light backgrounds
        for part in other.code.rstrip().split("\n"):
            _code(console, indent + 2, Text(clean(part)))
    supported = {cause.id for cause in finding.causes if cause.for_} - {fix.cause}
    others = dict.fromkeys(f.title for f in finding.fixes if f.cause in supported)
    if others and code:
        _paragraph(console, indent, f"Other fixes: {'; '.join(others)} (scram explain {finding.heuristic})", "dim")


def _paragraph(console: Console, indent: int, text: str, style: str = "") -> None:
    console.print(Padding(Text(clean(text), style=style), (0, 0, 0, indent)), width=min(console.width, LONGEST_LINE))


def _code(console: Console, indent: int, line: Text) -> None:
    """A line of code is never wrapped or cut, so that it can be copied."""
    console.print(Text.assemble(" " * indent, line), soft_wrap=True)


def _summary(reviews: Sequence[Review]) -> Text:
    passed, unchecked = sum(len(r.passed) for r in reviews), sum(len(r.not_checked) for r in reviews)
    unsure = sum(len(r.inconclusive) for r in reviews)
    return Text(f"{totals(reviews)}; {counted(passed, 'check')} passed, {unsure:,} inconclusive, {unchecked:,} not checked")
