"""How runs stand beside those that are known to be good, as text, Markdown and HTML: a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from scram_plugin.heuristics.words import clean, one_line
from scram_plugin.reports.markdown import text_of
from scram_plugin.sweeps.against import Standing


def as_text(standings: Sequence[Standing], good: str) -> str:
    if not standings:
        return ""
    lines = [f"  {one_line(one.run)}: {clean(one.text)}" for one in standings]
    return "\n".join(["", f"against {one_line(good)}:", *lines, ""])


def as_markdown(standings: Sequence[Standing], good: str) -> str:
    if not standings:
        return ""
    lines = [f"- {text_of(one.run)}: {text_of(one.text)}" for one in standings]
    return "\n".join(["", f"## Against {text_of(good)}", "", *lines, ""])


def as_html(standings: Sequence[Standing], good: str) -> Markup:
    if not standings:
        return Markup("")
    lines = Markup("").join(Markup("<li>{}: {}</li>\n").format(clean(one.run), clean(one.text)) for one in standings)
    return Markup('<section>\n<h2 class="run">Against {}</h2>\n<ul>\n{}</ul>\n</section>\n').format(clean(good), lines)
