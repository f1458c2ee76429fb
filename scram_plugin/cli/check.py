"""`scram check`: the report on log directories. If nothing has changed since an earlier report, it is printed at once.

Therefore this module imports nothing slow: no NumPy, no heuristics.
"""

from __future__ import annotations

import argparse
import hashlib
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
    add_work,
    check_work,
    logdirs_of,
    shows_colours,
)
from scram_plugin.cli.logdirs import listings
from scram_plugin.cli.output import write
from scram_plugin.heuristics.configuration import sources
from scram_plugin.heuristics.installed import installed
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.storage import Listing
from scram_plugin.reviews.cache import Cache, key_of, versions

EXAMPLES = """\
examples:
  scram check logs                                  review every training run below logs/
  scram check logs --run 'exp7$' --format json      one run, as JSON for a program
  scram check logs --fail-on warning                for CI: exit status 1 on any warning
  scram check logs --format json --output known.json; scram check logs --baseline known.json
                                                    for CI: exit status 1 on new errors only
  scram check logs --against good                   for CI: exit status 1 if a run is worse than those
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
    add_report(parser)
    parser.add_argument(
        "--against", metavar="LOGDIR", help="runs that are known to be good: exit status 1 if a run is worse at equal steps"
    )
    add_work(parser)
    add_choices(parser)
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Write the report that `options` ask for; returns the exit status. Raises BadOption if nothing can be checked."""
    check_work(options)
    screen = None
    if options.format == "text" and options.output in (None, "-") and shows_colours():
        from rich.console import Console

        screen = Console(highlight=False)
    logdirs = listings(options.logdir)
    cache = Cache() if options.cache else None
    look = screen and [screen.width, screen.color_system, screen.no_color, screen.encoding]
    key = _key(options, logdirs, look) if cache is not None and not any(logdir.problems for logdir in logdirs) else ""
    answer = _kept(cache.get([key]).get(key)) if cache is not None and key else None
    if answer is None:
        from scram_plugin.cli.report import report

        answer = report(options, logdirs, cache, screen)
        if cache is not None and key and answer.lasting:
            cache.put({key: [answer.text, answer.status, answer.remarks]})
    for remark in answer.remarks:
        print(f"scram: {one_line(remark)}", file=sys.stderr)
    write(options.output, answer.text)
    return answer.status


def _kept(value: Any) -> Report | None:
    """An answer from the cache; None for anything else."""
    try:
        text, status, remarks = value
    except (TypeError, ValueError):
        return None
    right = isinstance(text, str) and isinstance(status, int) and isinstance(remarks, list)
    return Report(text, status, remarks, lasting=True) if right else None


def _key(options: argparse.Namespace, logdirs: Sequence[Listing], look: Any) -> str:
    """The key of everything that the report depends on; empty if that is unknown."""
    if installed() or options.against or not all(Path(path).is_file() for path in (options.config, options.baseline) if path):
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
