"""`scram lint`: what is wrong with checks of the user's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scram_plugin.cli.arguments import Commands
from scram_plugin.heuristics.words import counted, one_line


def add(commands: Commands) -> None:
    parser = commands.add_parser("lint", help="say what is wrong with checks of your own, before they run")
    parser.add_argument("path", nargs="+", type=Path, metavar="PATH", help="a module of a check, or a directory with some")
    parser.set_defaults(command=lint_checks)


def lint_checks(options: argparse.Namespace) -> int:
    from scram_plugin.heuristics.linting import lint, modules

    found = modules(options.path)
    problems = [problem for module in found for problem in lint(module)]
    for problem in problems:
        print(one_line(f"{problem.file}:{problem.line}: {problem.sentence}"))
    print(f"{counted(len(found), 'check')}, {counted(len(problems), 'problem')}", file=sys.stderr)
    return 1 if problems else 0
