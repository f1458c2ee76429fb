"""Reviews a training while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scram_plugin.training.summary_writer import SummaryWriter

LOOKS = 200  # after a review the training runs at least so many times as long as the review took


class Looks:
    """Looks for new findings, prints them and passes them to `on_finding`. If none of this is wanted, it does nothing.

    `stop_on` is "error" or None. Raises ValueError for anything else.
    """

    def __init__(
        self, log_dir: str, printing: bool, stop_on: str | None, on_finding: Callable[[dict[str, Any]], None] | None
    ) -> None:
        if stop_on not in (None, "error"):
            raise ValueError(f'stop_on={stop_on!r}: give "error" or None')
        self._stop_on = stop_on
        self._how = log_dir, printing, on_finding
        self._asked = printing or stop_on is not None or on_finding is not None
        self._reporter: Any = None
        self._next = 0.0  # monotonic time
        self.put_off = False  # whether a review was asked for before that time

    def begin(self) -> None:
        """A training begins. The reviewer is imported now, so that the import does not interrupt the training later."""
        self._next = 0.0
        if self._asked and self._reporter is None:
            from scram_plugin.training.printing import Reporter

            self._reporter = Reporter(*self._how)

    def look(self, writer: SummaryWriter | None, at_once: bool = False) -> bool:
        """Review what is on disk, and return whether to stop the training.

        Unless `at_once`, it does nothing if the last review was too recent.
        """
        begin = time.monotonic()
        self.put_off = begin < self._next and not at_once
        if self._reporter is None or writer is None or self.put_off:
            return False
        writer.flush()
        new = self._reporter.look()
        # an epoch may be shorter than a review: reviews take at most 1/200 of the time
        self._next = time.monotonic() + LOOKS * (time.monotonic() - begin)
        return any(finding.severity == self._stop_on for finding in new)

    def show(self, within_progress: bool = False) -> None:
        """Print the waiting findings; `within_progress`: on a new line, to leave a half-drawn progress bar as it is."""
        if self._reporter is not None:
            self._reporter.show(within_progress)
