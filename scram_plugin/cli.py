"""The command line: `scram check`, `scram preflight`, `scram watch`, `scram list`, `scram explain`, `scram lint`."""

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
from scram_plugin.heuristics.words import clean, one_line

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.severity import SEVERITIES

EXAMPLES = """\
examples:
  scram check logs                                  review every training run below logs/
  scram check logs --run 'exp7$' --format json      one run, as JSON for a program
  scram check logs --fail-on warning                for CI: exit status 1 on any warning
  scram check logs --format json --output known.json; scram check logs --baseline known.json
                                                    for CI: exit status 1 on new errors only
  scram check logs --set overfitting.patience=10    with a different threshold
  scram check logs --format markdown                for an issue or a report
  scram check logs --format html --output scram.html   one file with curves, to send by mail
  scram preflight train.py                          run it up to its training, then test the model
  scram watch logs --exec 'notify-send -- "$SCRAM_RUN" "$SCRAM_TITLE"'
  scram explain overfitting                         what it means and what to do

(certain), (likely) and (possible) after a finding say how sure SCRAM is
exit status: 0 no finding at or above --fail-on, 1 at least one, 2 nothing could be checked (the reason is printed)
"""
FLYING = """\
Run your program up to the start of its training, then test its model: a short recorded training, overfitting one batch, a
learning-rate range test, which variables get gradients, what the outputs depend on, and memory.

This command runs your program: with Keras up to its first `fit`, with PyTorch for 64 steps or one epoch of its loop. Then it
tests the model and ends the program. Logs that the program itself writes with SCRAM stay as they are.
Put SCRAM's options before SCRIPT.py and your program's arguments after it.
"""
FLIGHT_EXAMPLES = """\
examples:
  scram preflight train.py                              with its usual arguments
  scram preflight --memory 8G train.py --batch-size 256 will it fit into 8 GiB?
  scram preflight --tests my_tests.py train.py          with your own tests
  scram preflight --fail-on warning train.py            for CI: exit status 1 on any warning
"""
WATCHING = """\
Follow a log directory while trainings write to it. Report each new finding and the end of each training.

A command given with --exec runs for each message. It gets SCRAM_RUN, SCRAM_SEVERITY (error, warning, info or end),
SCRAM_TITLE and SCRAM_SUMMARY as environment variables, and everything as JSON on its standard input.
"""
WATCH_EXAMPLES = """\
examples:
  scram watch logs                                                 lines in this terminal
  scram watch logs --exec 'mail -s "$SCRAM_RUN: $SCRAM_TITLE" me@example.org'
  scram watch logs --on error --webhook https://chat.example.org/hooks/abc
  scram watch logs --until-finished && shutdown -h now             wait until all trainings have ended
"""


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.stdout is None:  # closed by the parent process
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a pipe or terminal whose encoding lacks a character of a name or message
            stream.reconfigure(errors="replace")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except BadOption as error:
        print(f"scram: {clean(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scram: interrupted", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:  # for example, the working directory was deleted
        where = error.filename or ("standard output" if error.errno == errno.ENOSPC else "")
        print(clean(f"scram: {where}{': ' if where else ''}{error.strerror or error}"), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scram",
        description="Find out what went wrong in neural-network trainings, from their TensorBoard logs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scram {__version__}")
    commands = parser.add_subparsers(required=True, metavar="check | preflight | watch | list | explain | lint")
    checking = commands.add_parser(
        "check",
        help="review the training runs of a log directory",
        description="Review every training run below one or more log directories.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checking.add_argument("logdir", nargs="+", metavar="LOGDIR", help="a directory with event files, at any depth")
    _reporting(checking)
    checking.add_argument("--run", metavar="REGEX", help="only training runs whose name matches REGEX")
    checking.add_argument(
        "--jobs", type=int, default=usable_cores(), metavar="N", help="processes for many runs (default: one per core)"
    )
    checking.add_argument("--dask", metavar="ADDRESS", help="use the workers of a Dask scheduler, for example tcp://host:8786")
    checking.add_argument("--no-cache", dest="cache", action="store_false", help="do not use the cache of earlier reviews")
    _choices(checking)
    checking.set_defaults(command=_check)
    flying = commands.add_parser(
        "preflight",
        help="run a program up to the start of its training, then test the model",
        description=FLYING,
        epilog=FLIGHT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flying.add_argument("script", metavar="SCRIPT.py", help="the training program, with Keras or PyTorch")
    flying.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments for the program")
    flying.add_argument(
        "--log-dir", default="logs/preflight", metavar="DIR", help="where the results are logged (default: logs/preflight)"
    )
    flying.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="approximate time limit for the tests (default: 20)"
    )
    flying.add_argument("--memory", metavar="SIZE", help="memory the training may use, for example 8G (default: all there is)")
    flying.add_argument(
        "--tests", metavar="FILE", help="your own tests: functions test_... that take model, batch, optimizer, loss"
    )
    _reporting(flying)
    _choices(flying)
    flying.set_defaults(command=_preflight, run=None, jobs=1, dask=None, cache=False)
    watch = commands.add_parser(
        "watch",
        help="follow trainings and report what is new, also to your own command",
        description=WATCHING,
        epilog=WATCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    watch.add_argument("logdir", metavar="LOGDIR", help="a directory that holds event files, or will hold some")
    watch.add_argument("--exec", metavar="COMMAND", dest="command_line", help="shell command to run for each message")
    watch.add_argument("--webhook", metavar="URL", help="gets each message as JSON, with a line for a chat in `text`")
    watch.add_argument("--on", choices=SEVERITIES, default="warning", help="the lowest severity to report (default: warning)")
    watch.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help="how often to read the logs (default: 10)")
    watch.add_argument(
        "--until-finished",
        action="store_true",
        help="end when no training is running (status 1 if none starts within 2 min)",
    )
    watch.add_argument("--run", metavar="REGEX", help="only training runs whose name matches REGEX")
    _choices(watch)
    watch.set_defaults(command=_watch)
    listing = commands.add_parser("list", help="list all checks and their options")
    _choices(listing)
    listing.set_defaults(command=_list)
    linting = commands.add_parser("lint", help="say what is wrong with checks of your own, before they run")
    linting.add_argument("path", nargs="+", type=Path, metavar="PATH", help="a module of a check, or a directory with some")
    linting.set_defaults(command=_lint)
    explain = commands.add_parser("explain", help="show the page of a check: why it matters and how to fix it")
    explain.add_argument("id", metavar="ID", help="for example nonfinite-loss; `scram list` shows them all")
    explain.set_defaults(command=_explain, config=None, set=[], select=None, ignore=None)
    return parser


def _reporting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="text", help="format of the report (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write the report to FILE instead of standard output")
    parser.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="error",
        help="the lowest severity that gives exit status 1 (default: error)",
    )
    parser.add_argument(
        "--baseline", metavar="FILE", help="an earlier report (--format json): its findings are known and do not count"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also show what was not checked, why, and what to log for it"
    )


def _choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", metavar="IDS", help="make only these checks (ids, separated by commas)")
    parser.add_argument("--ignore", metavar="IDS", help="leave out these checks")
    parser.add_argument("--config", metavar="FILE", help="scram.toml or pyproject.toml (default: the nearest, here or above)")
    parser.add_argument(
        "--set",
        metavar="ID.OPTION=VALUE",
        action="append",
        default=[],
        help="set an option, for example overfitting.strict=true",
    )


def _catalogue(options: argparse.Namespace) -> Catalogue:
    from scram_plugin.configuration import chosen

    catalogue = chosen(options)
    for sentence in catalogue.refused:
        print(f"scram: {one_line(sentence)}", file=sys.stderr)
    return catalogue


def _check(options: argparse.Namespace) -> int:
    _pattern(options)
    return check(options)


def _preflight(options: argparse.Namespace) -> int:
    if not 1.0 <= options.seconds <= 3600.0:
        raise BadOption("--seconds takes a number from 1 to 3600")
    _catalogue(options)  # so that mistakes in it are reported before the program runs
    from scram_plugin.preflighting import rehearse

    arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    if not Path(options.script).is_file():
        raise BadOption(f"{options.script}: there is no such file")
    print(f"scram: running {one_line(options.script)} up to the start of its training", file=sys.stderr)
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
        raise BadOption(f"{options.logdir}: there is no such directory; create it, or give the one that your training logs to")
    if not 0.1 <= options.every <= 86_400:
        raise BadOption("--every takes seconds, from 0.1 to 86400")
    if options.webhook and not _is_address(options.webhook):
        raise BadOption(f"--webhook takes an address that begins with https:// or http://, not {options.webhook!r}")
    from rich.console import Console

    from scram_plugin.reviewer import Reviewer
    from scram_plugin.watching import Watch, follow

    watch = Watch(Reviewer(options.logdir, _catalogue(options)), options.on, _pattern(options))
    console = Console(highlight=False, soft_wrap=True)
    print(f"scram: watching {one_line(options.logdir)}; press Ctrl-C to stop", file=sys.stderr)
    ended = follow(
        watch,
        options.every,
        options.command_line,
        options.webhook,
        options.until_finished,
        lambda line: console.print(line, markup=False),
    )
    if not ended:
        print("scram: no training was running, and none started", file=sys.stderr)
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
    table = Table("check", "what it finds", "needs", "options and their values", box=None, pad_edge=False)
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


def _lint(options: argparse.Namespace) -> int:
    from scram_plugin.heuristics.linting import lint, modules
    from scram_plugin.heuristics.words import counted

    found = modules(options.path)
    problems = [problem for module in found for problem in lint(module)]
    for problem in problems:
        print(one_line(f"{problem.file}:{problem.line}: {problem.sentence}"))
    print(f"{counted(len(found), 'check')}, {counted(len(problems), 'problem')}", file=sys.stderr)
    return 1 if problems else 0


def _explain(options: argparse.Namespace) -> int:
    catalogue = _catalogue(options)
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
            print(f"{heuristic.id}.{option.name} (default {_toml(option.default)}): {option.help}")
        return 0
    print(page.rstrip())
    print("\n## Options\n")
    for option in heuristic.options:
        print(f"- `{option.name}` (default {_toml(option.default)}): {option.help}")
    return 0
