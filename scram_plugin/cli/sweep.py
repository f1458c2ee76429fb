"""`scram sweep`: what separates the good runs of a log directory from the bad ones."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scram_plugin.cli.arguments import (
    Commands,
    add_choices,
    add_command,
    add_goal,
    add_work,
    check_goal,
    check_work,
    chosen,
    shows_colours,
)
from scram_plugin.cli.logdirs import listings
from scram_plugin.cli.output import write
from scram_plugin.errors import BadOption
from scram_plugin.reviews.cache import Cache

if TYPE_CHECKING:
    from scram_plugin.reviews.model import Review

FORMATS = ("text", "json", "markdown", "html")
DESCRIPTION = """\
Say which settings separate the training runs with a finding from those without, and the good ones from the bad ones.

Settings are read from the logs (TensorBoard's hparams, texts, SCRAM's own facts), from YAML and JSON beside them, and from the
names of directories (lr0.01_bs32). A setting is named only if chance would show as much in fewer than one of 20 sweeps, however
many settings were tried.
"""
EXAMPLES = """\
examples:
  scram sweep logs                                  which settings make runs fail, in sentences with counts
  scram sweep logs --run 'resnet' --format markdown
  scram sweep logs --compare 'baseline/' 'dropout/'   is the second group better than the first, or is it chance?
  scram sweep logs --metric 'validation f1' --goal 0.9   also which runs could have been stopped, as they could not reach it
  scram sweep logs --format json                    with the settings of every run, for a program
"""


def add(commands: Commands) -> None:
    parser = add_command(commands, "sweep", "say which settings separate good runs from bad ones", DESCRIPTION, EXAMPLES)
    parser.add_argument("--format", choices=FORMATS, default="text", help="format of the report (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write the report to FILE instead of standard output")
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("REGEX", "REGEX"),
        help="whether the runs whose names match the second are better than those that match the first",
    )
    add_goal(parser)
    add_work(parser)
    add_choices(parser)
    parser.set_defaults(command=sweep)


def sweep(options: argparse.Namespace) -> int:
    """Write the report; returns the exit status 0. Raises BadOption if there is nothing to report."""
    check_work(options)
    check_goal(options)
    logdirs = listings(options.logdir)
    from scram_plugin.cli.report import reviews_of
    from scram_plugin.reports import sweep as reports
    from scram_plugin.sweeps.groups import groups
    from scram_plugin.sweeps.study import study

    catalogue = chosen(options)
    reviews = reviews_of(options, logdirs, catalogue, Cache() if options.cache else None)
    if options.metric and not any(review.score_by(options.metric) for review in reviews):
        known = sorted({score.signal for review in reviews for score in review.scores})
        raise BadOption(f"--metric: no training run is measured by {options.metric!r}; there are {', '.join(known) or 'none'}")
    if options.compare:
        if options.goal is not None:
            raise BadOption("--goal says which runs could have been stopped; --compare tells nothing of that")
        write(options.output, _compared(options, reviews))
        return 0
    titles = {heuristic.id: heuristic.page.title for heuristic in catalogue.heuristics}
    studies = [study(group, titles, options.metric, options.goal, options.risk) for group in groups(reviews)]
    title = ", ".join(options.logdir)
    if options.format == "json":
        text = reports.as_json(studies, title)
    elif options.format == "text":
        text = reports.as_text(studies, colours=options.output in (None, "-") and shows_colours())
    else:
        text = reports.as_markdown(studies) if options.format == "markdown" else reports.as_html(studies, title)
    write(options.output, text)
    return 0


def _compared(options: argparse.Namespace, reviews: Sequence[Review]) -> str:
    """The differences between two groups of runs. Raises BadOption if there is nothing to compare."""
    from scram_plugin.reports import sweep as reports
    from scram_plugin.sweeps.better import difference

    groups = []
    for given in options.compare:
        try:
            groups.append([review for review in reviews if re.search(given, review.name)])
        except re.error as error:
            raise BadOption(f"--compare takes regular expressions, and {given!r} is none ({error})") from None
        if not groups[-1]:
            raise BadOption(f"--compare: no training run has a name that matches {given!r}")
    if any(review in groups[1] for review in groups[0]):
        raise BadOption("--compare: a training run matches both; give expressions that tell them apart")
    first, second = groups
    both = (difference(first, second, of, options.metric) for of in ("best", "last"))
    found = [one for one in both if one is not None]
    if not found:
        raise BadOption("--compare: the runs have no measure in common; log a validation metric, or a loss")
    if options.format == "json":
        return reports.differences_as_json(found, ", ".join(options.logdir))
    if options.format == "html":
        return reports.differences_as_html(found, ", ".join(options.logdir))
    return "".join(f"{'- ' if options.format == 'markdown' else ''}{one.text}\n" for one in found)
