"""Arguments that several commands take, and what they mean."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import one_line
from scram_plugin.reviews.jobs import MOST_JOBS, usable_cores
from scram_plugin.severity import SEVERITIES
from scram_plugin.sweeps.risks import RISKS

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Catalogue

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
FORMATS = ("text", "json", "sarif", "junit", "markdown", "html", "github")


class Report(NamedTuple):
    """A report, the exit status, remarks for standard error, and whether all this holds while the files do not change."""

    text: str
    status: int
    remarks: list[str]
    lasting: bool


def add_command(commands: Commands, name: str, help_: str, description: str, examples: str) -> argparse.ArgumentParser:
    """The parser of a command that has a description and examples, printed as they are written."""
    raw = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=help_, description=description, epilog=examples, formatter_class=raw)


def add_report(parser: argparse.ArgumentParser) -> None:
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
    parser.set_defaults(against=None)  # which not all commands take
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also show what was not checked, why, and what to log for it"
    )


def add_choices(parser: argparse.ArgumentParser) -> None:
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


def shows_colours() -> bool:
    """Whether to print colours: the output is a terminal, or FORCE_COLOR is set (https://force-color.org)."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def pattern(options: argparse.Namespace) -> re.Pattern[str]:
    """The names of the training runs that are asked for. Raises BadOption."""
    try:
        return re.compile(options.run or "")
    except re.error as error:
        raise BadOption(f"--run: {options.run!r} is not a regular expression ({error})") from None


def add_work(parser: argparse.ArgumentParser) -> None:
    """What a command takes that reviews log directories: which, which runs of them, and how."""
    parser.add_argument("logdir", nargs="+", metavar="LOGDIR", help="a directory with event files, at any depth")
    parser.add_argument("--run", metavar="REGEX", help="only training runs whose name matches REGEX")
    parser.add_argument(
        "--jobs", type=int, default=usable_cores(), metavar="N", help="processes for many runs (default: one per core)"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="use the workers of a Dask scheduler, for example tcp://host:8786")
    parser.add_argument("--no-cache", dest="cache", action="store_false", help="do not use the cache of earlier reviews")


def add_goal(parser: argparse.ArgumentParser) -> None:
    """By what the runs of a sweep are measured."""
    parser.add_argument("--metric", default="", metavar="NAME", help="signal or tag that measures runs (default: by kind)")
    parser.add_argument("--goal", type=float, metavar="VALUE", help="value of it to reach (default: that of the best quarter)")
    parser.add_argument(
        "--risk",
        type=float,
        choices=RISKS,
        default=RISKS[0],
        help="share of good runs that may be stopped by mistake (default: 0.01)",
    )


def check_goal(options: argparse.Namespace) -> None:
    """Raises BadOption if the goal is no value."""
    if options.goal is not None and not math.isfinite(options.goal):
        raise BadOption("--goal takes a finite number")


def check_work(options: argparse.Namespace) -> None:
    """Raises BadOption if the runs or the processes that a command is given cannot be."""
    pattern(options)
    if not 1 <= options.jobs <= MOST_JOBS:
        raise BadOption(f"--jobs takes the number of processes, from 1 to {MOST_JOBS}")


def logdirs_of(options: argparse.Namespace) -> list[str]:
    """The log directories that a command looks at."""
    given = getattr(options, "logdir", None) or getattr(options, "log_dir", None) or []
    return [given] if isinstance(given, str) else list(given)


def chosen(options: argparse.Namespace, tell: bool = True) -> Catalogue:
    """The catalogue that the flags of a command ask for; what may not be loaded is told on standard error, if `tell`.

    Raises BadOption, also if a heuristic of the user does not load: in the terminal a note would be overlooked.
    """
    from scram_plugin.heuristics.configuration import configured

    catalogue = configured(options.config, options.set, options.select, options.ignore, logdirs=logdirs_of(options))
    if catalogue.broken:
        raise BadOption(" ".join(catalogue.broken))
    for sentence in catalogue.refused if tell else ():
        print(f"scram: {one_line(sentence)}", file=sys.stderr)
    return catalogue


def toml(value: object) -> str:
    """The value of an option as a configuration file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
