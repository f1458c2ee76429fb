"""Keeps the reviews of a log directory current, in a background thread, while trainings run."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import pickle
import re
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from scram_plugin import schema
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.curve import Curve, CurveName
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.as_json import CountsJson, HeadlineJson, headline_as_json
from scram_plugin.reviews.live import live_until
from scram_plugin.reviews.model import Review, Reviewed, identity
from scram_plugin.reviews.policy import accept
from scram_plugin.reviews.program import complete
from scram_plugin.reviews.run import file_notes, review

SHORTEST_INTERVAL = 1.0  # seconds between two looks at the directory, however many clients ask
FRESH = 1.0  # seconds after the pause during which the last look still counts as new: a request then does not wait
SHARE = 20.0  # a look is followed by a pause of this many times its duration: watching live trainings costs 1/20 of a core
LONGEST_PAUSE = 4.0  # seconds
FIRST_SLICE = 0.3  # seconds of reading before the first reviews; the next slice is eight times as long, so that few are needed

logger = logging.getLogger("scram")


@dataclass(frozen=True)
class Entry:
    """A training run as the list shows it, until when it is live (seconds since 1970), and the number of its last change."""

    name: str
    framework: str | None
    rank: list[int]
    counts: CountsJson
    headline: HeadlineJson
    outcomes: str
    last_event: float | None
    fingerprint: str
    live_until: float
    change: int

    def as_json(self, now: float) -> RunEntryJson:
        return {
            "name": self.name,
            "framework": self.framework,
            "rank": self.rank,
            "counts": self.counts,
            "headline": self.headline,
            "state": "live" if now < self.live_until else "finished",
            "outcomes": self.outcomes,
            "last_event": self.last_event,
            "fingerprint": self.fingerprint,
        }


class RunEntryJson(TypedDict):
    """What the list shows of a training run."""

    name: str
    framework: str | None
    rank: Annotated[list[int], Meta(description="Sorts the list, the worst first; by name among equals.")]
    counts: CountsJson
    headline: HeadlineJson
    state: Literal["live", "finished"]
    outcomes: Annotated[str, Meta(description="A letter for each heuristic, in the order of the catalogue: see `matrix.ts`.")]
    last_event: Annotated[float | None, Meta(description="Seconds since 1970.")]
    fingerprint: str


class DoneJson(TypedDict):
    done: int
    total: int


class ProgressJson(TypedDict):
    done: int
    total: int
    looked: bool
    read: DoneJson


class ListJson(TypedDict):
    """The training runs that were reviewed so far, or what changed since."""

    runs: Annotated[list[RunEntryJson], Meta(description="All runs, or those that changed since the cursor that was sent.")]
    removed: Annotated[list[str] | None, Meta(description="Names of runs that are gone since then; null where `runs` are all.")]
    now: Annotated[float, Meta(description="The server's clock, in seconds since 1970.")]
    cursor: str
    progress: ProgressJson


class Reviewer:
    """Reads and reviews on request, one run at a time; `runs` and `review` answer from what is known.

    The thread starts with the first request and sleeps while there are none.
    """

    def __init__(self, roots: str | Sequence[tuple[str, str]], catalogue: Catalogue) -> None:
        self.logs = Logdir(roots)
        self.catalogue = catalogue
        self._order = [heuristic.id for heuristic in catalogue.heuristics]
        self._reviews: dict[str, Review] = {}
        self._listed: dict[str, Entry] = {}
        self._gone: dict[str, int] = {}  # names that are no longer listed, and the number of the change that removed them
        self._changes = 0  # of the list so far
        self._id = uuid.uuid4().hex[:8]  # cursors of another process mean nothing here
        self._known: dict[str, TrainingRun] = {}
        self._pending: dict[str, TrainingRun] = {}
        self._first: list[str] = []  # runs that a request waits for
        self._looked = False
        self._looks = 0
        self._ended = -math.inf  # when the last look ended, by the monotonic clock
        self._pause = SHORTEST_INTERVAL  # seconds until the next
        self._read = (0, 0)  # TensorBoard runs read in this look, and the number of those that may have something new
        self._asked = threading.Event()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def runs(self, patience: float = 0.0, since: str = "") -> ListJson:
        """The list of training runs, from what has been reviewed so far.

        Requests a new look and waits up to `patience` seconds for it, so that one request usually brings the news. With many
        requests the last look is recent, and none of them waits. `since` is the `cursor` of an earlier answer: then `runs` has
        only what changed after it, and `removed` names what is gone. If the cursor is from another process, `runs` has all
        runs, and `removed` is None.
        """
        with self._news:
            looks = self._looks
        self._ask()
        with self._news:
            if time.monotonic() - self._ended > self._pause + FRESH:
                self._news.wait_for(lambda: self._looks > looks and not self._pending, patience)
            now = time.time()
            known = re.fullmatch(rf"{self._id}-(\d{{1,15}})-(\d{{1,15}}\.\d{{1,9}})", since)
            change, then = (int(known[1]), float(known[2])) if known else (-1, -math.inf)
            news = [
                (name, listed)
                for name, listed in self._listed.items()
                if (listed.change > change or then < listed.live_until <= now) and name in self._known
            ]
            runs = [entry.as_json(now) for _, entry in sorted(news, key=lambda named: named[0])]
            total = len(self._known)
            done, of = self._read
            return {
                "runs": runs,
                "removed": sorted(name for name, at in self._gone.items() if at > change) if known else None,
                "now": now,
                "cursor": f"{self._id}-{self._changes}-{now:.3f}",
                "progress": {
                    "done": total - len(self._pending),
                    "total": total,
                    "looked": self._looked,
                    "read": {"done": done, "total": of},
                },
            }

    def review(self, name: str) -> Review | None:
        """The complete review of one training run, made first if necessary; None for an unknown run. Raises like `reviewed`."""
        found = self.reviewed(name)
        return found.review if found is not None else None

    def reviewed(self, name: str, timeout: float = 60.0) -> Reviewed | None:
        """A training run with its review, made first if necessary; None for an unknown run.

        Raises TimeoutError if it takes longer than `timeout` seconds.
        """
        self._ask()
        end = time.monotonic() + timeout
        with self._news:
            while name in self._pending or (not self._looked and name not in self._reviews):
                if name not in self._first:
                    self._first.append(name)
                if not self._news.wait(max(end - time.monotonic(), 0.0)):
                    raise TimeoutError
            done = self._reviews.get(name)
            return Reviewed(self._known[name], done) if done is not None and name in self._known else None

    def all(self) -> tuple[int, list[Review]]:
        """The reviews made so far, by the names of their runs, and a number that changes with them."""
        self._ask()
        with self._news:
            return self._changes, [self._reviews[name] for name in sorted(self._reviews)]

    def curve(self, training: str, name: CurveName) -> Curve | None:
        """The curve of this name as the heuristics see it in a training run, or in any if that one does not have it.

        None if no training run that was read has it.
        """
        with self._news:
            asked = [self._known[training]] if training in self._known else []
            run = next((run for run in (*asked, *self._known.values()) if name.tensorboard_run in run.parts), None)
        try:
            return None if run is None else run.curve(name.tensorboard_run, name.tag)
        except KeyError:  # a directory of it was removed, and that is not known yet
            return None

    def _ask(self) -> None:
        self._asked.set()
        with self._news:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="scram-reviewer", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._asked.wait()
            time.sleep(max(self._pause - (time.monotonic() - self._ended), 0.0))
            self._asked.clear()
            began = time.monotonic()
            try:
                self._look()
            except Exception:
                logger.exception("SCRAM could not read the log directory; it tries again at the next request")
            self._ended = time.monotonic()
            self._pause = min(max(SHORTEST_INTERVAL, SHARE * (self._ended - began)), LONGEST_PAUSE)

    def _look(self) -> None:
        """Reads and reviews in slices: the first findings appear while the rest of a large directory is still being read."""
        before = 0

        def progress(done: int, total: int) -> None:
            self._read = before + done, before + total

        seconds, changed = FIRST_SLICE, self.logs.refresh(progress, FIRST_SLICE)
        while not self.logs.complete:
            before = self._read[0]
            self._take(changed)
            self._review_pending()
            seconds *= 8
            changed = self.logs.refresh(progress, seconds)
        if changed or self._pending or not self._looked:  # else nothing is new; a look that finds nothing is cheap
            self._take(changed)
        with self._news:
            self._looked = True
            self._looks += 1
            self._news.notify_all()
        self._review_pending()

    def _take(self, changed: set[str]) -> None:
        """Update the training runs whose parts have all been read; new and changed ones become pending."""
        unread = self.logs.unread
        current = training_runs(self.logs, self.catalogue.signals)
        known = {}
        with self._news:
            for run in current:
                old = self._known.get(run.name)
                whole = not unread & set(run.parts)
                news = whole and (old is None or old.parts != run.parts or bool(changed & set(run.parts)))
                if news or (whole and run.name in self._pending):
                    known[run.name] = self._pending[run.name] = run
                elif old is not None:
                    known[run.name] = old
            for name in self._known.keys() - known.keys():
                self._pending.pop(name, None)
                self._reviews.pop(name, None)
                if self._listed.pop(name, None) is not None:
                    self._changes += 1
                    self._gone[name] = self._changes
            self._known = known
            self._news.notify_all()

    def _review_pending(self) -> None:
        while True:
            with self._news:
                if not self._pending:
                    return
                name = next((n for n in self._first if n in self._pending), next(iter(self._pending)))
                run = self._pending[name]
            done = accept(complete(review(run, self.catalogue, file_notes(run, self.logs))), self.catalogue, [name])
            # never loaded: pickling is the fastest way to see whether two reviews differ.
            # What a live run is changes with each event, and is no news.
            judged = {**vars(done), "about": (), "measured": {}, "overview": None, "scores": ()}
            fingerprint = hashlib.sha1(pickle.dumps(judged, -1)).hexdigest()[:16]
            counts, last = done.counts(), run.last_wall_time
            with self._news:
                self._reviews[name] = done
                self._changes += 1
                self._listed[name] = Entry(
                    name=name,
                    framework=done.framework,
                    rank=list(done.rank),
                    counts={"error": counts["error"], "warning": counts["warning"], "info": counts["info"]},
                    headline=headline_as_json(done),
                    outcomes=done.outcomes(self._order),
                    last_event=last if math.isfinite(last) else None,
                    fingerprint=fingerprint,
                    live_until=live_until(run),
                    change=self._changes,
                )
                self._gone.pop(name, None)
                self._pending.pop(name, None)
                if name in self._first:
                    self._first.remove(name)
                self._news.notify_all()


class NewFindings:
    """Reviews the one training run in a log directory repeatedly, and returns what is new."""

    def __init__(self, log_dir: str, catalogue: Catalogue) -> None:
        # only what the callback writes: other trainings may have their logs below the same directory
        own = [(name, os.path.join(log_dir, name)) for name in ("train", "validation", schema.RUN)]
        parts = os.path.abspath(log_dir).split(os.sep)
        self._names = ["/".join(parts[i:]) for i in range(1, len(parts))]  # its names as seen from the directories above
        self._logs, self._catalogue = Logdir(own), catalogue
        self._known: set[tuple[str, str, str]] = set()

    def look(self) -> list[Finding]:
        """The findings that are new since the last look; those that another finding explains are left out."""
        self._logs.refresh()
        new = []
        for run in training_runs(self._logs, self._catalogue.signals):
            if run.name != ".":
                continue
            found = accept(complete(review(run, self._catalogue)), self._catalogue, [run.name, *self._names])
            for finding in found.alone:
                if identity(finding) not in self._known:
                    self._known.add(identity(finding))
                    new.append(finding)
        return new
