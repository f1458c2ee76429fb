"""The log directories that a command is given."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.storage import Listing, is_remote, listing


def listings(names: Sequence[str]) -> list[Listing]:
    """Their files; what cannot be read is told on standard error.

    Raises BadOption if there is nothing to read, or if one lies inside another.
    """
    logdirs = _apart([_listing(name) for name in names])
    for problem in (problem for logdir in logdirs for problem in logdir.problems):
        print(f"scram: {one_line(problem.path)}: {one_line(problem.sentence)}", file=sys.stderr)
    return logdirs


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
