"""`scram check`: the report on log directories. If nothing has changed since an earlier report, it is printed at once.

Therefore this module imports nothing slow: no NumPy, no heuristics.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scram_plugin.cli.arguments import (
    Commands,
    Report,
    add_choices,
    add_command,
    add_report,
    logdirs_of,
    pattern,
    shows_colours,
)
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.configuration import sources
from scram_plugin.heuristics.installed import installed
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.storage import Listing, is_remote, listing
from scram_plugin.reviews.cache import Cache, key_of, versions
from scram_plugin.reviews.jobs import MOST_JOBS, usable_cores

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


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "check",
        "review the training runs of a log directory",
        "Review every training run below one or more log directories.",
        EXAMPLES,
    )
    parser.add_argument("logdir", nargs="+", metavar="LOGDIR", help="a directory with event files, at any depth")
    add_report(parser)
    parser.add_argument("--run", metavar="REGEX", help="only training runs whose name matches REGEX")
    parser.add_argument(
        "--jobs", type=int, default=usable_cores(), metavar="N", help="processes for many runs (default: one per core)"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="use the workers of a Dask scheduler, for example tcp://host:8786")
    parser.add_argument("--no-cache", dest="cache", action="store_false", help="do not use the cache of earlier reviews")
    add_choices(parser)
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Write the report that `options` ask for; returns the exit status. Raises BadOption if nothing can be checked."""
    pattern(options)
    if not 1 <= options.jobs <= MOST_JOBS:
        raise BadOption(f"--jobs takes the number of processes, from 1 to {MOST_JOBS}")
    screen = None
    if options.format == "text" and options.output in (None, "-") and shows_colours():
        from rich.console import Console

        screen = Console(highlight=False)
    logdirs = _apart([_listing(logdir) for logdir in options.logdir])
    problems = [problem for logdir in logdirs for problem in logdir.problems]
    for problem in problems:
        print(f"scram: {one_line(problem.path)}: {one_line(problem.sentence)}", file=sys.stderr)
    cache = Cache() if options.cache else None
    look = screen and [screen.width, screen.color_system, screen.no_color, screen.encoding]
    key = _key(options, logdirs, look) if cache is not None and not problems else ""
    answer = _kept(cache.get([key]).get(key)) if cache is not None and key else None
    if answer is None:
        from scram_plugin.cli.report import report

        answer = report(options, logdirs, cache, screen)
        if cache is not None and key and answer.lasting:
            cache.put({key: [answer.text, answer.status, answer.remarks]})
    for remark in answer.remarks:
        print(f"scram: {one_line(remark)}", file=sys.stderr)
    _write(options, answer.text)
    return answer.status


def _kept(value: Any) -> Report | None:
    """An answer from the cache; None for anything else."""
    try:
        text, status, remarks = value
    except (TypeError, ValueError):
        return None
    right = isinstance(text, str) and isinstance(status, int) and isinstance(remarks, list)
    return Report(text, status, remarks, lasting=True) if right else None


def _apart(logdirs: Sequence[Listing]) -> list[Listing]:
    """Each log directory once. Raises BadOption if one lies inside another: its training runs would count twice."""
    places: dict[str, Listing] = {}
    for logdir in logdirs:
        place = logdir.root.rstrip("/") if is_remote(logdir.root) else os.path.realpath(logdir.root)
        places.setdefault(place, logdir)
    for place, logdir in places.items():
        above = place
        while "/" in above and (above := above.rpartition("/")[0]) != "":
            if above in places:
                raise BadOption(
                    f"{logdir.root} is inside {places[above].root}: its training runs would count twice; give only one of them"
                )
    return list(places.values())


def _listing(logdir: str) -> Listing:
    try:
        return listing(logdir)
    except (OSError, ValueError) as error:
        raise BadOption(f"{error}") from None


def _key(options: argparse.Namespace, logdirs: Sequence[Listing], look: Any) -> str:
    """The key of everything that the report depends on; empty if that is unknown."""
    if installed() or not all(Path(path).is_file() for path in (options.config, options.baseline) if path):
        return ""  # for example a pipe, which can be read only once
    read_from = sources(options.config, logdirs=logdirs_of(options))
    if len(read_from) > 1:
        return ""  # the user's own heuristics may depend on anything
    known = [options.baseline, Path(options.baseline).read_text(errors="replace") if options.baseline else None]
    asked = [options.logdir, options.format, options.fail_on, options.run, options.verbose, look, known]
    chosen = [options.set, options.select, options.ignore, read_from]
    settings = versions()
    parts = [key_of(settings, logdir.root, logdir.files, [asked, chosen]) for logdir in logdirs]
    return hashlib.sha256("".join(parts).encode()).hexdigest() if all(parts) else ""


def _write(options: argparse.Namespace, text: str) -> None:
    if options.output not in (None, "-"):
        try:
            _replace(Path(options.output), text.encode(errors="replace"))
        except (OSError, ValueError) as error:
            raise BadOption(f"--output: {options.output} could not be written ({getattr(error, 'strerror', error)})") from None
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: if the disk is full, the previous report stays."""
    if path.exists() and not path.is_file():  # a pipe or a device
        path.write_bytes(content)
        return
    path = path.resolve()
    new = path.with_name(f".scram-{os.getpid()}")
    try:
        new.write_bytes(content)
        if path.exists():
            shutil.copymode(path, new)
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise
        path.write_bytes(content)  # for example a mounted file, or a directory in which no file can be created
