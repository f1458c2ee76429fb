"""Follows the training runs of a log directory, and tells which can be stopped."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scram_plugin.reviews.follow import News
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.sweeps.groups import groups
from scram_plugin.sweeps.stopping import goal_of, stop


class Stopper:
    """Tells of each live run once that it can no longer become good. `metric`, `goal` and `risk` are those of `goal_of`."""

    def __init__(self, reviewer: Reviewer, metric: str, goal: float | None, risk: float) -> None:
        self._reviewer, self._metric, self._goal, self._risk = reviewer, metric, goal, risk
        self._told: set[str] = set()

    def look(self, names: Collection[str], live: Collection[str]) -> Iterator[News]:
        """What can be stopped of the live ones among the runs of these names."""
        self._told &= set(names)  # one that was removed may come again
        if not set(live) - self._told:
            return
        for group in groups(review for name in names if (review := self._reviewer.review(name)) is not None):
            goal = goal_of(group.runs, self._metric, self._goal, live)
            for run in group.runs:
                found = stop(run, goal, self._risk) if run.name in live and run.name not in self._told else None
                if found is not None:
                    self._told.add(run.name)
                    yield News(run.name, "stop", "It can no longer become good.", found.text)
