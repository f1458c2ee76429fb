"""What groups of runs show, as text, JSON, Markdown and HTML."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scram_plugin import __version__
from scram_plugin.heuristics.words import clean, counted, one_line, percent
from scram_plugin.reports.html import page, styled
from scram_plugin.reports.markdown import code, text_of
from scram_plugin.reports.text import plain
from scram_plugin.sweeps.better import Difference
from scram_plugin.sweeps.study import Study

SCHEMA_VERSION = 1
MOST_SETTINGS = 30  # that are listed; the JSON has all


def as_json(studies: Sequence[Study], logdir: str) -> str:
    """One JSON document, the same bytes for the same runs."""
    return _document(logdir, {"groups": [asdict(study) for study in studies]})


def differences_as_json(differences: Sequence[Difference], logdir: str) -> str:
    return _document(logdir, {"differences": [asdict(one) for one in differences]})


def _document(logdir: str, content: dict[str, Any]) -> str:
    document = {"schema_version": SCHEMA_VERSION, "scram_version": __version__, "logdir": logdir, **content}
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def as_text(studies: Sequence[Study], colours: bool) -> str:
    """For the terminal, as wide as that is; or for files."""
    if not colours:
        return plain(lambda console: _print(studies, console))
    screen = Console(highlight=False)
    with screen.capture() as captured:
        _print(studies, screen)
    return captured.get()


def _print(studies: Sequence[Study], console: Console) -> None:
    for study in _several(studies):
        console.print(Text(_title(study), style="bold"))
        for line in _said(study):
            console.print(Text(f"  • {clean(line)}"))
        if study.note:
            console.print(Text(f"  {clean(study.note)}"))
        if study.settings:
            console.print(_table(study))
        console.print()
    if alone := _alone(studies):
        console.print(Text(alone))


def _several(studies: Sequence[Study]) -> list[Study]:
    """Those of several runs, of which something can be said."""
    return [study for study in studies if len(study.runs) > 1]


def _alone(studies: Sequence[Study]) -> str:
    """How many runs have no other one to be compared with."""
    count = sum(len(study.runs) == 1 for study in studies)
    return (
        f"{counted(count, 'training run')} of {'a program' if count == 1 else 'programs'} with no other run." if count else ""
    )


def _title(study: Study) -> str:
    found = counted(study.troubled, "run") if study.troubled else "none"
    by = f"; measured by {one_line(study.measure)}" if study.measure else ""
    return f"{counted(len(study.runs), 'training run')} {one_line(study.program)}: {found} with an error or a warning{by}"


def _said(study: Study) -> list[str]:
    """What the runs show, and which of them could have been stopped."""
    said = [f"{one.text} (chance: {percent(one.p, 1)})" for one in study.statements]
    return [*said, study.saved] if study.saved else said


def _table(study: Study) -> Table:
    table = Table("setting", "values", "", box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    for setting in study.settings[:MOST_SETTINGS]:
        table.add_row(*(Text(clean(text)) for text in (setting.name, setting.values, setting.verdict)))
    return table


def as_markdown(studies: Sequence[Study]) -> str:
    """For an issue, a pull request or a lab notebook."""
    lines = [line for study in _several(studies) for line in _lines(study)]
    return "\n".join([*lines, text_of(_alone(studies))]).strip() + "\n"


def _lines(study: Study) -> Iterator[str]:
    yield from (f"## {text_of(_title(study))}", "")
    said = [f"- {text_of(line)}" for line in _said(study)]
    yield from (*said, "") if said else ()
    if study.note:
        yield from (text_of(study.note), "")
    if study.settings:
        yield from ("| setting | values | |", "| --- | --- | --- |")
        for setting in study.settings[:MOST_SETTINGS]:
            yield f"| {code(setting.name)} | {text_of(setting.values)} | {setting.verdict} |"
        yield ""


def as_html(studies: Sequence[Study], logdir: str) -> str:
    """One self-contained file."""
    title = f"SCRAM: {logdir}"
    return page(title, styled(_parts(studies, title)))


def differences_as_html(differences: Sequence[Difference], logdir: str) -> str:
    title = f"SCRAM: {logdir}"
    said = (Markup("<p>{}</p>\n").format(clean(one.text)) for one in differences)
    return page(title, styled(itertools.chain([Markup('<h1 class="title">{}</h1>\n').format(clean(title))], said)))


def _parts(studies: Sequence[Study], title: str) -> Iterator[Markup]:
    yield Markup('<h1 class="title">{}</h1>\n').format(clean(title))
    for study in _several(studies):
        yield Markup('<section>\n<h2 class="run">{}</h2>\n').format(_title(study))
        if said := [Markup("<li>{}</li>\n").format(clean(line)) for line in _said(study)]:
            yield Markup("<ul>\n{}</ul>\n").format(Markup("").join(said))
        if study.note:
            yield Markup("<p>{}</p>\n").format(clean(study.note))
        if study.settings:
            row = Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n")
            rows = [row.format(*map(clean, (s.name, s.values, s.verdict))) for s in study.settings[:MOST_SETTINGS]]
            yield Markup("<table><tr><th>setting</th><th>values</th><th></th></tr>\n{}</table>\n").format(Markup("").join(rows))
        yield Markup("</section>\n")
    yield Markup("<p>{}</p>\n").format(_alone(studies))
