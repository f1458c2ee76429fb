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

from scram_plugin.cache import Cache, key_of, versions
from scram_plugin.configuration import logdirs_of, sources
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.installed import installed
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.storage import Listing, is_remote, listing

FORMATS = ("text", "json", "sarif", "junit", "markdown", "html", "github")
MOST_JOBS = 256


def shows_colours() -> bool:
    """Whether to print colours: the output is a terminal, or FORCE_COLOR is set (https://force-color.org)."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def usable_cores() -> int:
    """The number of cores that this process may use, as limited by a container or a batch system."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(options: argparse.Namespace) -> int:
    """Write the report that `options` ask for; returns the exit status. Raises BadOption if nothing can be checked."""
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
    answer = cache.get([key]).get(key) if cache is not None and key else None
    if not (isinstance(answer, list) and [type(part) for part in answer] == [str, int, list]):
        from scram_plugin.judging import judged

        *answer, lasting = judged(options, logdirs, cache, screen)
        if cache is not None and key and lasting:
            cache.put({key: answer})
    text, status, remarks = answer
    for remark in remarks:
        print(f"scram: {one_line(remark)}", file=sys.stderr)
    _write(options, text)
    return status


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
