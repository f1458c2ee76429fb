"""Looking for findings while a training goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scram_plugin.training.summary_writer import SummaryWriter

LOOKS = 200  # times as long as a review took, the training goes on before the next one


class Looks:
    """Looks for new findings, prints them and gives them to `on_finding`; without any of that it does nothing.

    `stop_on` is "error" or None, else ValueError is raised.
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
        self.put_off = False  # whether a look was due before that time

    def begin(self) -> None:
        """A training begins; what looking needs is imported now, not in its midst."""
        self._next = 0.0
        if self._asked and self._reporter is None:
            from scram_plugin.training.printing import Reporter

            self._reporter = Reporter(*self._how)

    def look(self, writer: SummaryWriter | None, at_once: bool = False) -> bool:
        """Review what is on disk, unless the last time was too short ago; whether the training is to be stopped."""
        begin = time.monotonic()
        self.put_off = begin < self._next and not at_once
        if self._reporter is None or writer is None or self.put_off:
            return False
        writer.flush()
        new = self._reporter.look()
        # epochs may be shorter than a review: it is given a two-hundredth of the time at most
        self._next = time.monotonic() + LOOKS * (time.monotonic() - begin)
        return any(finding["severity"] == self._stop_on for finding in new)

    def show(self, within_progress: bool = False) -> None:
        """Print what is waiting; `within_progress`: leave a progress bar that is half-drawn as it is."""
        if self._reporter is not None:
            self._reporter.show(within_progress)
