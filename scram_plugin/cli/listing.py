"""`scram list`: all checks and their options."""

from __future__ import annotations

import argparse
import sys

from scram_plugin.cli.arguments import Commands, add_choices, chosen, toml


def add(commands: Commands) -> None:
    parser = commands.add_parser("list", help="list all checks and their options")
    add_choices(parser)
    parser.set_defaults(command=list_checks)


def list_checks(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    catalogue = chosen(options)
    table = Table("check", "what it finds", "needs", "options and their values", box=None, pad_edge=False)
    for heuristic in catalogue.heuristics:
        values = catalogue.options_of(heuristic)
        table.add_row(
            heuristic.id,
            heuristic.page.title,
            "; ".join(heuristic.needs),
            ", ".join(f"{k}={toml(v)}" for k, v in values.items()),
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    return 0
