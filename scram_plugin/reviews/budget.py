"""Stops a check that takes too long: what is in a log may make any check slow, and one log must not keep others waiting.

A thread of the process looks at the processor time of each thread that is in a check. When the budget is used up, it raises
`OutOfTime` in that thread, between two steps of Python.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REVIEW_SECONDS = 30.0  # of all checks of a training run together: more than any labelled log takes, by ten times
LOOK_EVERY = 0.25  # seconds; a check may go over its budget by as much


class OutOfTime(BaseException):
    """A check has used up its budget. No Exception, so that no check takes it for one of its own."""


@dataclass(eq=False)
class _Timed:
    thread: int
    until: float  # of the thread's clock
    stopping: bool = False
    settled: bool = True


_timed: dict[int, _Timed] = {}
_watcher: tuple[int, threading.Thread] | None = None


class TimeBudget:
    """The processor time that the checks of one review may take, each and together. `seconds`: each; 0 for no limit."""

    def __init__(self, seconds: float) -> None:
        self._each = seconds
        self._left = max(REVIEW_SECONDS, seconds)

    @property
    def is_spent(self) -> bool:
        return self._each > 0 and self._left <= 0

    @contextmanager
    def check(self) -> Iterator[None]:
        """Around one check. Raises OutOfTime within."""
        thread = threading.get_ident()
        if self._each <= 0 or thread in _timed:  # a check may ask for the review of another run
            yield
            return
        _watch()
        started = _clock(thread)
        mine = _Timed(thread, started + min(self._each, self._left))
        _timed[thread] = mine
        try:
            yield
        finally:
            del _timed[thread]
            if mine.stopping:  # it may come after the check has ended: then it is taken back
                while not mine.settled:
                    time.sleep(0)
                _raise_in(thread, None)
            self._left -= _clock(thread) - started


def _watch() -> None:
    global _watcher
    if _watcher is None or _watcher[0] != os.getpid() or not _watcher[1].is_alive():  # a fork has no threads
        _watcher = os.getpid(), threading.Thread(target=_look, name="scram-budget", daemon=True)
        _watcher[1].start()


def _look() -> None:
    while True:
        time.sleep(LOOK_EVERY)
        for one in list(_timed.values()):
            if _clock(one.thread) < one.until:
                continue
            one.settled, one.stopping = False, True
            if _timed.get(one.thread) is one:  # it has not ended since
                _raise_in(one.thread, OutOfTime)
            one.settled = True


def _clock(thread: int) -> float:
    """Processor time of a thread, in seconds; where a system does not tell that to another thread, the time of day."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic()
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    except OSError:  # it has ended
        return 0.0


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error) if error else None)
