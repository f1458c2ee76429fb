"""The command line: `scram check`, `fix`, `preflight`, `watch`, `sweep`, `list`, `explain`, `lint`."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from scram_plugin import __version__
from scram_plugin.cli import check, explain, fix, lint, listing, preflight, sweep, watch
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import clean


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.stdout is None:  # closed by the parent process
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a pipe or terminal whose encoding lacks a character of a name or message
            stream.reconfigure(errors="replace")
    parser = _parser()
    given = sys.argv[1:] if arguments is None else list(arguments)
    # the arguments of the program, behind two dashes, are not for argparse, which would take the dashes away
    behind = given[1:] if given[:1] == [fix.NAME] else None
    options = parser.parse_args(given if behind is None else given[:1])
    if behind is not None:
        options.given = behind
    try:
        return int(options.command(options))
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
        epilog=check.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scram {__version__}")
    commands = parser.add_subparsers(required=True, metavar="check | fix | preflight | watch | sweep | list | explain | lint")
    for command in (check, fix, preflight, watch, sweep, listing, lint, explain):
        command.add(commands)
    return parser
