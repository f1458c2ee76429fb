"""`scram check`: judges the training runs of log directories and writes a report."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from scram_plugin import baseline
from scram_plugin.cache import Cache, key_of, settings_of
from scram_plugin.cluster import cluster
from scram_plugin.heuristics.catalogue import BadOption, Catalogue
from scram_plugin.heuristics.heuristic import down_to
from scram_plugin.logs.logdir import Logdir, unread
from scram_plugin.parallel import review_logdir
from scram_plugin.reviews import Review

FORMATS = ("text", "json", "sarif", "junit", "markdown", "html", "github")
MOST_JOBS = 256


def usable_cores() -> int:
    """Those that this process may use, as a container or a batch system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(options: argparse.Namespace, catalogue: Catalogue, pattern: re.Pattern[str]) -> int:
    """Write the report that `options` ask for; returns the exit status. Raises BadOption where it cannot judge."""
    if not 1 <= options.jobs <= MOST_JOBS:
        raise BadOption(f"--jobs takes a number of processes, from 1 to {MOST_JOBS}")
    known = baseline.load(Path(options.baseline)) if options.baseline else {}
    screen = None if options.output or options.format != "text" or not sys.stdout.isatty() else Console(highlight=False)
    logdirs = [_listed(logdir) for logdir in options.logdir]
    problems = [problem for logs, _ in logdirs for problem in logs.problems]
    for problem in problems:
        print(f"scram: {problem.path}: {problem.sentence}", file=sys.stderr)

    cache = Cache() if options.cache else None
    look = screen and [screen.width, screen.color_system, screen.no_color, screen.encoding]
    asked = [options.logdir, options.format, options.fail_on, options.run, options.verbose, look]
    asked += [options.baseline, sorted(known.items())]
    key = "" if problems or cache is None else _key(logdirs, catalogue, asked)
    answer = cache.get([key]).get(key) if cache is not None and key else None
    if answer is None:
        reviews = _reviews(options, logdirs, catalogue, cache)
        if not reviews:
            raise BadOption(f"no training run has a name that matches {options.run!r}; without --run all are judged")
        baseline.apply(reviews, known, options.baseline or "")
        status = int(any(r.counts()[severity] for r in reviews for severity in down_to(options.fail_on)))
        answer = [_report(options, reviews, catalogue, screen), status]
        if cache is not None and key:
            cache.put({key: answer})
    text, status = answer
    _write(options, text)
    return status


Listing = tuple[Logdir, dict[str, Any]]


def _listed(logdir: str) -> Listing:
    try:
        logs = unread(logdir)
    except (OSError, ValueError) as error:
        raise BadOption(f"{error}") from None
    listed = logs.listing()
    if not listed:
        told = "".join(f"\n  {p.path}: {p.sentence}" for p in logs.problems[:5])
        raise BadOption(
            f"{logdir}: no event files here or below (their names contain 'tfevents'). Is it the directory that you give "
            f"to `tensorboard --logdir`?{told}"
        )
    return logs, listed


def _key(logdirs: Sequence[Listing], catalogue: Catalogue, asked: Any) -> str:
    """Of everything that the report depends on; empty where that cannot be told."""
    settings = settings_of(catalogue)
    parts = [key_of(settings, logs.roots[0][1], listed, asked) for logs, listed in logdirs]
    return hashlib.sha256("".join(parts).encode()).hexdigest() if all(parts) else ""


def _reviews(
    options: argparse.Namespace, logdirs: Sequence[Listing], catalogue: Catalogue, cache: Cache | None
) -> list[Review]:
    reviews: list[Review] = []
    with _progress() as tell, cluster(options.dask) if options.dask else contextlib.nullcontext() as executor:
        for logs, listed in logdirs:
            try:
                reviews += review_logdir(logs, listed, catalogue, options.run or "", options.jobs, executor, cache, tell)
            except OSError as error:  # a store that cannot be reached any more
                raise BadOption(f"{error}") from None
    return reviews


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda done, total: None
        return
    with screen.status("looking for event files ...") as status:
        yield lambda done, total: status.update(f"reviewing: {done:,} of {total:,} directories")


def _report(options: argparse.Namespace, reviews: list[Review], catalogue: Catalogue, screen: Console | None) -> str:
    # imported when asked for: each brings libraries of its own
    if options.format == "json":
        from scram_plugin.reports import json as json_report

        return json_report.report(reviews, ", ".join(options.logdir))
    if options.format == "sarif":
        from scram_plugin.reports import sarif

        return sarif.report(reviews, catalogue.heuristics, options.logdir[0])
    if options.format == "junit":
        from scram_plugin.reports import junit

        return junit.report(reviews, catalogue.heuristics, options.fail_on)
    if options.format == "markdown":
        from scram_plugin.reports import markdown

        return markdown.report(reviews)
    if options.format == "html":
        from scram_plugin.reports import html

        return html.report(reviews, ", ".join(options.logdir))
    if options.format == "github":
        from scram_plugin.reports import github

        return github.report(reviews)
    from scram_plugin.reports import text

    if screen is None:
        return text.plain_report(reviews, verbose=options.verbose)
    with screen.capture() as captured:
        text.report(reviews, screen, verbose=options.verbose)
    return captured.get()


def _write(options: argparse.Namespace, text: str) -> None:
    if options.output:
        try:
            Path(options.output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadOption(f"--output: {options.output} could not be written ({error.strerror})") from None
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
