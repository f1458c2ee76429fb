"""What is new in a log directory since the last look: new findings, and trainings that ended."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.reviews.model import identity
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.severity import down_to


@dataclass(frozen=True)
class News:
    """A new finding of a training run, or (`finding` is None) the end of a live one, or that it can be stopped."""

    run: str
    severity: str  # "error", "warning", "info", "end" or "stop"
    title: str
    summary: str = ""
    finding: Finding | None = None


class Follower:
    """Reports what is new in a log directory since the last look.

    Findings of trainings that had ended before the end of the first look count as known. Of live trainings everything is
    reported.
    """

    def __init__(self, reviewer: Reviewer, least: str, pattern: re.Pattern[str]) -> None:
        self._reviewer = reviewer
        self._wanted = down_to(least)
        self._pattern = pattern
        self._cursor = ""
        self._told: set[tuple[str, str, str, str]] = set()
        self._live: set[str] = set()
        self._begun = False
        self._seen: set[str] = set()
        self._unread: set[tuple[str, str]] = set()

    def look(self) -> Iterator[News]:
        """What is new since the last look; the first one waits until everything has been reviewed."""
        first = not self._cursor
        while True:
            answer = self._reviewer.runs(patience=1.0, since="" if first else self._cursor)
            progress = answer["progress"]
            if not first or (progress["looked"] and progress["done"] == progress["total"]):
                break
            time.sleep(0.1)
        self._cursor = answer["cursor"]
        gone = set(answer["removed"] or ())
        self._live -= gone
        self._seen -= gone
        for shown in answer["runs"]:
            name, live = shown["name"], shown["state"] == "live"
            if not self._pattern.search(name):
                continue
            for finding in self._new(name):
                if live or not first:
                    yield News(name, finding.severity, finding.title, finding.summary, finding)
            self._begun |= live or not (first or name in self._seen)  # it may have begun and ended between two looks
            self._seen.add(name)
            if live:
                self._live.add(name)
            elif name in self._live:
                self._live.discard(name)
                yield News(name, "end", f"The training ended. {shown['headline']['text']}")

    @property
    def live(self) -> Set[str]:
        """The names of the runs that train."""
        return self._live

    @property
    def seen(self) -> Set[str]:
        """The names of all runs that were looked at."""
        return self._seen

    @property
    def begun(self) -> bool:
        """Whether a training was live, or appeared, since the first look."""
        return self._begun

    def unreadable(self) -> Iterator[str]:
        """What could not be opened or reached, each once."""
        for problem in list(self._reviewer.logs.problems):
            known = (problem.path, problem.sentence)
            if problem.byte is None and known not in self._unread:
                self._unread.add(known)
                yield f"{problem.path}: {problem.sentence}"

    def _new(self, name: str) -> list[Finding]:
        review = self._reviewer.review(name)
        new = []
        for finding in review.alone if review is not None else []:
            key = (name, *identity(finding))
            if finding.severity in self._wanted and key not in self._told:
                self._told.add(key)
                new.append(finding)
        return new
