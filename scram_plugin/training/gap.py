"""A part of a training that could not be written, since the disk was full for a while."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Sequence
from typing import Any

from tensorboard.compat.proto import event_pb2

from scram_plugin import schema

# errors that may pass: there is room again, other files are closed, a file system of the network answers again
PASSING = {
    *(errno.ENOSPC, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ETIMEDOUT),
    *(getattr(errno, name) for name in ("EDQUOT", "ESTALE") if hasattr(errno, name)),  # Windows has no ESTALE
}
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds between two tries; each wait is twice the one before; by definition
MOST_TRIES = 200  # in all gaps of one recording: with the longest waits, about sixteen hours; by definition
LONGEST_REASON = 300  # characters; an event with it fits into the room that is kept for it


class Paused(Exception):
    """Nothing can be written now, and it is too early to try again."""


class Gap:
    """What is missing since an error: when it began, and the steps of the rows that were left out."""

    def __init__(self, error: Exception) -> None:
        self._reason, self._begin = f"{type(error).__name__}: {error}"[:LONGEST_REASON], time.time()
        self._first: int | None = None
        self._last: int | None = None
        self.texts: dict[str, event_pb2.Event] = {}  # the last facts, and the end: they are written later
        self.next = 0.0  # when to try again, by the monotonic clock
        self._wait = FIRST_WAIT

    def put_off(self) -> None:
        self.next, self._wait = time.monotonic() + self._wait, min(2 * self._wait, LONGEST_WAIT)

    def without(self, item: Sequence[Any]) -> None:
        """An item of the writer's queue is not written."""
        if len(item) == 2:
            event = item[1]
            tag = event.summary.value[0].tag if event.summary.value else ""
            if tag in (schema.FACTS_TAG, schema.END_TAG, schema.PROOF_TAG):
                self.texts[tag] = event
        elif item and item[0] == schema.BATCHES:
            steps = item[2]
            self._first = int(steps[0]) if self._first is None else self._first
            self._last = int(steps[-1])

    def as_json(self, end: float | None) -> str:
        """As `schema.GAP_TAG` has it; `end` in seconds since 1970, or None as long as it is open."""
        known = {"first": self._first, "last": self._last}
        return json.dumps({"reason": self._reason, "begin": self._begin, "end": end, **known})
