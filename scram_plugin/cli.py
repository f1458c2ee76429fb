"""The terminal's door: `scram check`, `scram preflight`, `scram watch`, `scram list`, `scram explain`."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scram_plugin import __version__
from scram_plugin.check import FORMATS, check, shows_colours, usable_cores
from scram_plugin.errors import BadOption

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.severity import SEVERITIES

EXAMPLES = """\
examples:
  scram check logs                                  judge every training run below logs/
  scram check logs --run 'exp7$' --format json      one run, for a program to read
  scram check logs --fail-on warning                for CI: exit status 1 on any warning
  scram check logs --format json --output known.json; scram check logs --baseline known.json
                                                    for CI: exit status 1 on what is new
  scram check logs --set overfitting.patience=10    with another threshold
  scram check logs --format markdown                for an issue or a report
  scram check logs --format html --output scram.html   one file to mail or hand in, with curves
  scram preflight train.py                          before the training: run it up to there, and test the model
  scram watch logs --exec 'notify-send -- "$SCRAM_RUN" "$SCRAM_TITLE"'
  scram explain overfitting                         what it means and what to do

(certain), (likely) and (possible) behind a finding say how sure SCRAM is of it
exit status: 0 nothing at or above --fail-on, 1 something, 2 it could not judge
"""
FLYING = """\
Run a program of yours up to where its training begins, and test there what it has built: a short training that is watched,
one batch to be learned by heart, the range of learning rates, what gets gradients, what the outputs depend on, memory.

This command runs your program: with Keras up to its first `fit`, a loop of PyTorch for 64 steps or one epoch. Then it is tested
and ended. What the program logs with SCRAM stays as it is.
Options for SCRAM stand before SCRIPT.py, what your program is to be given stands behind it.
"""
FLIGHT_EXAMPLES = """\
examples:
  scram preflight train.py                              with what it is usually given
  scram preflight --memory 8G train.py --batch-size 256 will that fit?
  scram preflight --tests my_tests.py train.py          with tests of your own
  scram preflight --fail-on warning train.py            for CI: exit status 1 on any warning
"""
WATCHING = """\
Follow a log directory while trainings write to it, and tell what is new: findings, and that a training has ended.

A command given with --exec is run for each piece of news. It finds SCRAM_RUN, SCRAM_SEVERITY (error, warning, info
or end), SCRAM_TITLE and SCRAM_SUMMARY in its environment, and all of it as JSON on its standard input.
"""
WATCH_EXAMPLES = """\
examples:
  scram watch logs                                                 lines in this terminal
  scram watch logs --exec 'mail -s "$SCRAM_RUN: $SCRAM_TITLE" me@example.org'
  scram watch logs --on error --webhook https://chat.example.org/hooks/abc
  scram watch logs --until-finished && shutdown -h now             wait until all trainings have ended
"""


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.stdout is None:  # closed by who started us
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a pipe or terminal that has no sign for what is in a name or a message
            stream.reconfigure(errors="replace")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except BadOption as error:
        print(f"scram: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scram: interrupted", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:  # the working directory was deleted, for one
        where = error.filename or ("standard output" if error.errno == errno.ENOSPC else "")
        print(f"scram: {where}{': ' if where else ''}{error.strerror or error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scram",
        description="Finds what went wrong in trainings of neural networks, from their TensorBoard logs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scram {__version__}")
    commands = parser.add_subparsers(required=True, metavar="check | preflight | watch | list | explain")
    checking = commands.add_parser(
        "check",
        help="judge the training runs of a log directory",
        description="Judge every training run below one or more log directories.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checking.add_argument("logdir", nargs="+", metavar="LOGDIR", help="a directory with event files, at any depth")
    _reporting(checking)
    checking.add_argument("--run", metavar="REGEX", help="only training runs in whose name REGEX is found")
    checking.add_argument(
        "--jobs", type=int, default=usable_cores(), metavar="N", help="processes for many runs (default: one for each core)"
    )
    checking.add_argument(
        "--dask", metavar="ADDRESS", help="let the workers of a Dask scheduler do it, for example tcp://host:8786"
    )
    checking.add_argument("--no-cache", dest="cache", action="store_false", help="read everything anew, and keep nothing")
    _choices(checking)
    checking.set_defaults(command=_check)
    flying = commands.add_parser(
        "preflight",
        help="run a program up to where its training begins, and test the model there",
        description=FLYING,
        epilog=FLIGHT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flying.add_argument("script", metavar="SCRIPT.py", help="the program that trains, with Keras or PyTorch")
    flying.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="what the program is given")
    flying.add_argument(
        "--log-dir", default="logs/preflight", metavar="DIR", help="where the results are logged (default: logs/preflight)"
    )
    flying.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="how long the tests may take, about (default: 20)"
    )
    flying.add_argument("--memory", metavar="SIZE", help="what the training may take, as 8G; by default what there is")
    flying.add_argument(
        "--tests", metavar="FILE", help="tests of your own: functions test_... of model, batch, optimizer, loss"
    )
    _reporting(flying)
    _choices(flying)
    flying.set_defaults(command=_preflight, run=None, jobs=1, dask=None, cache=False)
    watch = commands.add_parser(
        "watch",
        help="follow trainings and tell what is new, also to a command of yours",
        description=WATCHING,
        epilog=WATCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    watch.add_argument("logdir", metavar="LOGDIR", help="a directory with event files, or where some will come")
    watch.add_argument("--exec", metavar="COMMAND", dest="command_line", help="run by the shell for each piece of news")
    watch.add_argument("--webhook", metavar="URL", help="gets each piece of news as JSON, with a line for a chat in `text`")
    watch.add_argument("--on", choices=SEVERITIES, default="warning", help="the least severity to tell (default: warning)")
    watch.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help="how often to look (default: 10)")
    watch.add_argument(
        "--until-finished",
        action="store_true",
        help="end when no training runs any more (status 1 if none begins in 2 min)",
    )
    watch.add_argument("--run", metavar="REGEX", help="only training runs in whose name REGEX is found")
    _choices(watch)
    watch.set_defaults(command=_watch)
    listing = commands.add_parser("list", help="name all heuristics and their options")
    _choices(listing)
    listing.set_defaults(command=_list)
    explain = commands.add_parser("explain", help="show the page of a heuristic: why it matters and how to fix it")
    explain.add_argument("id", metavar="ID", help="for example nonfinite-loss; `scram list` names them all")
    explain.set_defaults(command=_explain, config=None, set=[], select=None, ignore=None)
    return parser


def _reporting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="text", help="what to print (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write the answer to FILE instead of standard output")
    parser.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="error",
        help="the least severity that makes the exit status 1 (default: error)",
    )
    parser.add_argument(
        "--baseline", metavar="FILE", help="an earlier report (--format json): what it has is known, and counts no more"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also what was not checked, why, and what would change that"
    )


def _choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", metavar="IDS", help="apply only these heuristics (ids, separated by commas)")
    parser.add_argument("--ignore", metavar="IDS", help="leave these heuristics out")
    parser.add_argument("--config", metavar="FILE", help="a scram.toml or pyproject.toml; by default the nearest one upwards")
    parser.add_argument(
        "--set",
        metavar="ID.OPTION=VALUE",
        action="append",
        default=[],
        help="set an option, for example overfitting.strict=true",
    )


def _catalogue(options: argparse.Namespace) -> Catalogue:
    from scram_plugin.configuration import chosen

    return chosen(options)


def _check(options: argparse.Namespace) -> int:
    _pattern(options)
    return check(options)


def _preflight(options: argparse.Namespace) -> int:
    if not 1.0 <= options.seconds <= 3600.0:
        raise BadOption("--seconds takes a number from 1 to 3600")
    _catalogue(options)  # a mistake in it is told before the program runs
    from scram_plugin.preflighting import rehearse

    arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    print(f"scram: running {options.script} up to where its training begins", file=sys.stderr)
    trouble = rehearse(options.script, arguments, options.log_dir, options.seconds, options.memory, options.tests)
    if trouble:
        raise BadOption(trouble)
    options.logdir = [options.log_dir]
    return check(options)


def _pattern(options: argparse.Namespace) -> re.Pattern[str]:
    try:
        return re.compile(options.run or "")
    except re.error as error:
        raise BadOption(f"--run: {options.run!r} is not a regular expression ({error})") from None


def _watch(options: argparse.Namespace) -> int:
    if not Path(options.logdir).is_dir() and "://" not in options.logdir:
        raise BadOption(f"{options.logdir}: there is no such directory; make it, or name the one that you train into")
    if not 0.1 <= options.every <= 86_400:
        raise BadOption("--every takes seconds, from 0.1 to 86400")
    if options.webhook and not _is_address(options.webhook):
        raise BadOption(f"--webhook takes an address that begins with https:// or http://, not {options.webhook!r}")
    from rich.console import Console

    from scram_plugin.reviewer import Reviewer
    from scram_plugin.watching import Watch, follow

    watch = Watch(Reviewer(options.logdir, _catalogue(options)), options.on, _pattern(options))
    console = Console(highlight=False, soft_wrap=True)
    print(f"scram: watching {options.logdir}; Ctrl-C ends it", file=sys.stderr)
    ended = follow(
        watch,
        options.every,
        options.command_line,
        options.webhook,
        options.until_finished,
        lambda line: console.print(line, markup=False),
    )
    if not ended:
        print("scram: no training was running, and none began", file=sys.stderr)
    return 0 if ended else 1


def _is_address(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _list(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    catalogue = _catalogue(options)
    table = Table("heuristic", "what it finds", "needs", "options, as they are set", box=None, pad_edge=False)
    for heuristic in catalogue.heuristics:
        values = catalogue.options_of(heuristic)
        table.add_row(
            heuristic.id,
            heuristic.page.title,
            "; ".join(heuristic.needs),
            ", ".join(f"{k}={_toml(v)}" for k, v in values.items()),
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explain(options: argparse.Namespace) -> int:
    catalogue = _catalogue(options)
    try:
        heuristic = catalogue[options.id]
    except KeyError:
        from scram_plugin.heuristics.catalogue import no_heuristic

        raise BadOption(no_heuristic(options.id, [h.id for h in catalogue.heuristics])) from None
    page = heuristic.page.for_any_run
    if shows_colours():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
        for option in heuristic.options:
            print(f"{heuristic.id}.{option.name} (default {_toml(option.default)}): {option.help}")
        return 0
    print(page.rstrip())
    print("\n## Options\n")
    for option in heuristic.options:
        print(f"- `{option.name}` (default {_toml(option.default)}): {option.help}")
    return 0
