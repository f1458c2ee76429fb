"""`scram explain`: the page of a check."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from scram_plugin.cli.arguments import Commands, chosen, shows_colours, toml
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import clean

if TYPE_CHECKING:
    from scram_plugin.heuristics.heuristic import Option


def add(commands: Commands) -> None:
    parser = commands.add_parser("explain", help="show the page of a check: why it matters and how to fix it")
    parser.add_argument("id", metavar="ID", help="for example nonfinite-loss; `scram list` shows them all")
    parser.set_defaults(command=explain, config=None, set=[], select=None, ignore=None)


def explain(options: argparse.Namespace) -> int:
    catalogue = chosen(options)
    try:
        heuristic = catalogue[options.id]
    except KeyError:
        from scram_plugin.heuristics.catalogue import no_heuristic

        raise BadOption(no_heuristic(options.id, [h.id for h in catalogue.heuristics])) from None
    page = clean(heuristic.page.for_any_run)
    if shows_colours():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
        for option in heuristic.options:
            print(f"{heuristic.id}.{_told(option)}")
        return 0
    print(page.rstrip())
    print("\n## Options\n")
    for option in heuristic.options:
        print(f"- {_told(option, '`')}")
    return 0


def _told(option: Option, quote: str = "") -> str:
    source = f" (source: {option.source})" if option.source else ""
    return f"{quote}{option.name}{quote} (default {toml(option.default)}): {option.help}{source}"
