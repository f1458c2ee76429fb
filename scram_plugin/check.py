"""`scram check`: the report on log directories. What was reported before and has not changed is at hand at once.

So nothing is imported here that takes long: no NumPy, no heuristics.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scram_plugin.cache import Cache, key_of, versions
from scram_plugin.configuration import sources
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.installed import installed
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.storage import Listing, listing

FORMATS = ("text", "json", "sarif", "junit", "markdown", "html", "github")
MOST_JOBS = 256


def usable_cores() -> int:
    """Those that this process may use, as a container or a batch system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(options: argparse.Namespace) -> int:
    """Write the report that `options` ask for; returns the exit status. Raises BadOption where it cannot judge."""
    if not 1 <= options.jobs <= MOST_JOBS:
        raise BadOption(f"--jobs takes a number of processes, from 1 to {MOST_JOBS}")
    screen = None
    # many CI services show colours, and say so with FORCE_COLOR (https://force-color.org)
    coloured = sys.stdout.isatty() or os.environ.get("FORCE_COLOR")
    if options.format == "text" and not options.output and coloured:
        from rich.console import Console

        screen = Console(highlight=False)
    logdirs = [_listing(logdir) for logdir in options.logdir]
    problems = [problem for logdir in logdirs for problem in logdir.problems]
    for problem in problems:
        print(f"scram: {one_line(problem.path)}: {one_line(problem.sentence)}", file=sys.stderr)
    cache = Cache() if options.cache else None
    look = screen and [screen.width, screen.color_system, screen.no_color, screen.encoding]
    key = _key(options, logdirs, look) if cache is not None and not problems else ""
    answer = cache.get([key]).get(key) if cache is not None and key else None
    if not (isinstance(answer, list) and [type(part) for part in answer] == [str, int]):
        from scram_plugin.judging import judged

        text, status, lasting = judged(options, logdirs, cache, screen)
        if cache is not None and key and lasting:
            cache.put({key: [text, status]})
    else:
        text, status = answer
    _write(options, text)
    return status


def _listing(logdir: str) -> Listing:
    try:
        return listing(logdir)
    except (OSError, ValueError) as error:
        raise BadOption(f"{error}") from None


def _key(options: argparse.Namespace, logdirs: Sequence[Listing], look: Any) -> str:
    """Of everything that the report depends on; empty where that cannot be told."""
    if installed() or not all(Path(path).is_file() for path in (options.config, options.baseline) if path):
        return ""  # a pipe, say, that can be read but once
    read_from = sources(options.config)
    if len(read_from) > 1:
        return ""  # heuristics of the user's own may depend on anything
    known = [options.baseline, Path(options.baseline).read_text(errors="replace") if options.baseline else None]
    asked = [options.logdir, options.format, options.fail_on, options.run, options.verbose, look, known]
    chosen = [options.set, options.select, options.ignore, read_from]
    settings = versions()
    parts = [key_of(settings, logdir.root, logdir.files, [asked, chosen]) for logdir in logdirs]
    return hashlib.sha256("".join(parts).encode()).hexdigest() if all(parts) else ""


def _write(options: argparse.Namespace, text: str) -> None:
    if options.output:
        try:
            Path(options.output).write_text(text, encoding="utf-8", errors="replace")
        except (OSError, ValueError) as error:
            raise BadOption(f"--output: {options.output} could not be written ({getattr(error, 'strerror', error)})") from None
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
