"""A file of a log as its directory lists it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple


class Listed(NamedTuple):
    """A file as a directory lists it; `size` is in bytes.

    `identity` changes when another file takes its name (0: not known). `stamp` changes with everything that is written ("": not
    known).
    """

    @staticmethod
    def of(path: str, status: os.stat_result) -> Listed:
        return Listed(path, status.st_size, status.st_ino, f"{status.st_mtime_ns} {status.st_ctime_ns}")

    path: str
    size: int
    identity: int
    stamp: str = ""


Directories = Iterator[tuple[str, list[Listed]]]  # (TensorBoard run, with slashes; its files by name)


def is_event_file(name: str) -> bool:
    """TensorBoard's rule for file names."""
    return "tfevents" in name and not name.endswith(".profile-empty")
