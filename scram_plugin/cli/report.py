"""The reviews of log directories, and the report that the command line asks for."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from scram_plugin.cli.arguments import Report, chosen
from scram_plugin.cli.logdirs import listings
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.logs.storage import Listing
from scram_plugin.reviews.cache import Cache
from scram_plugin.reviews.cluster import cluster
from scram_plugin.reviews.many import review_logdir
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.policy import accept, apply_baseline, load_baseline
from scram_plugin.reviews.program import complete, has_hidden
from scram_plugin.severity import down_to
from scram_plugin.sweeps.against import Standing, standing


def report(options: argparse.Namespace, logdirs: Sequence[Listing], cache: Cache | None, screen: Console | None) -> Report:
    """The report on log directories. Raises BadOption if nothing can be checked."""
    catalogue = chosen(options, tell=False)  # the reviews have a note of what may not be loaded
    known = load_baseline(Path(options.baseline)) if options.baseline else {}
    reviews, several = reviews_of(options, logdirs, catalogue, cache), len(logdirs) > 1
    hidden = any(map(has_hidden, reviews))
    reviews = [apply_baseline(complete(review), known, options.baseline or "") for review in reviews]
    status = int(any(r.counts()[severity] for r in reviews for severity in down_to(options.fail_on)))
    standings = _standings(options, reviews, catalogue, cache)
    if options.fail_on != "never" and any(one.verdict == "worse" for one in standings):
        status = 1
    remarks = [] if options.run else list(_unheard(reviews, catalogue))
    if not any(review.decided for review in reviews):
        status = 2
        remarks.append(f"no training run could be checked. {reviews[0].name}: {reviews[0].headline().text}")
    text = _in_format(options, reviews, catalogue, screen, "" if several else options.logdir[0], standings)
    return Report(text, status, remarks, all(review.complete for review in reviews) and not hidden)


def reviews_of(
    options: argparse.Namespace, logdirs: Sequence[Listing], catalogue: Catalogue, cache: Cache | None
) -> list[Review]:
    """The reviews of the training runs that `options` ask for, at least one. Raises BadOption if there is none."""
    reviews: list[Review] = []
    with _progress() as tell, cluster(options.dask) if options.dask else contextlib.nullcontext() as executor:
        pattern, several = options.run or "", len(logdirs) > 1
        for root, files, _ in logdirs:
            try:
                found = review_logdir(root, files, catalogue, "" if several else pattern, options.jobs, executor, cache, tell)
            except OSError as error:  # storage that can no longer be reached
                raise BadOption(f"{error}") from None
            reviews += _named(found, root if several else "", catalogue, pattern)
    if not reviews:
        raise BadOption(f"no training run has a name that matches {options.run!r}; without --run all are reviewed")
    return reviews


def _named(found: Sequence[Review], root: str, catalogue: Catalogue, pattern: str) -> Iterator[Review]:
    """Reviews without what the user accepts. Of one of several log directories, `root`, they are renamed to begin with it; the
    user's patterns may match either name."""
    for review in found:
        named = review.within(root) if root else review
        if re.search(pattern, review.name) or re.search(pattern, named.name):
            yield accept(named, catalogue, [review.name, named.name])


def _standings(
    options: argparse.Namespace, reviews: Sequence[Review], catalogue: Catalogue, cache: Cache | None
) -> list[Standing]:
    """How each run stands beside those of --against. Raises BadOption if there are none, or no place in the format."""
    if not options.against:
        return []
    if options.format not in ("text", "json", "markdown", "html"):
        raise BadOption(f"--against has no place in the format {options.format}; use text, json, markdown or html")
    good = argparse.Namespace(**{**vars(options), "logdir": [options.against], "run": None})
    known = reviews_of(good, listings(good.logdir), catalogue, cache)
    titles = {heuristic.id: heuristic.page.title for heuristic in catalogue.heuristics}
    return [standing(review, known, titles) for review in reviews]


def _unheard(reviews: Sequence[Review], catalogue: Catalogue) -> Iterator[str]:
    """Warnings about tags that the configuration names and no training run has."""
    for signal in dict.fromkeys(catalogue.signals.values()):
        tags = [tag for tag, meant in catalogue.signals.items() if meant == signal]
        if not any((read := review.signals.get(signal)) is not None and read.tag in tags for review in reviews):
            yield f"no training run has a tag {' or '.join(map(repr, tags))}, which [signals] gives as the {signal}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    if sys.stderr is None or not sys.stderr.isatty():  # rich itself would say yes for FORCE_COLOR
        yield lambda done, total: None
        return
    with Console(stderr=True).status("reviewing ...") as status:
        yield lambda done, total: status.update(f"reviewing: {done:,} of {total:,} directories")


def _in_format(
    options: argparse.Namespace,
    reviews: list[Review],
    catalogue: Catalogue,
    screen: Console | None,
    above: str,
    standings: Sequence[Standing],
) -> str:
    """`above`: the log directory, if the names of the reviews do not begin with it."""
    # imported when needed: each imports libraries of its own
    from scram_plugin.reports import against

    if options.format == "json":
        from scram_plugin.reports import json as json_report

        return json_report.report(reviews, ", ".join(options.logdir), standings)
    if options.format == "sarif":
        from scram_plugin.reports import sarif

        return sarif.report(reviews, catalogue.heuristics, above)
    if options.format == "junit":
        from scram_plugin.reports import junit

        return junit.report(reviews, catalogue.heuristics, options.fail_on)
    if options.format == "markdown":
        from scram_plugin.reports import markdown

        return markdown.report(reviews) + against.as_markdown(standings, options.against)
    if options.format == "html":
        from scram_plugin.reports import html

        return html.report(reviews, ", ".join(options.logdir), against.as_html(standings, options.against))
    if options.format == "github":
        from scram_plugin.reports import github

        return github.report(reviews)
    from scram_plugin.reports import text

    said = against.as_text(standings, options.against)
    if screen is None:
        return text.plain_report(reviews, verbose=options.verbose) + said
    with screen.capture() as captured:
        text.report(reviews, screen, verbose=options.verbose)
    return captured.get() + said
