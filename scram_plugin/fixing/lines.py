"""The lines of a file, and what takes the place of some of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Replacement:
    """Lines `first` to `first + count` (from 0) of a file become `new`, without line ends."""

    first: int
    count: int
    new: tuple[str, ...]

    def meets(self, other: Replacement) -> bool:
        """Whether both change the same line, or insert at the same place."""
        return self.first < other.first + max(other.count, 1) and other.first < self.first + max(self.count, 1)


def split(text: str) -> list[str]:
    """The lines as Python counts them, without their ends."""
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="").readlines()] if text else []


def narrowed(first: int, old: Sequence[str], new: Sequence[str]) -> Replacement:
    """What becomes of the lines `old`, the first of which is number `first`, without the lines at both ends that stay."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Replacement(first + head, len(old) - head - tail, tuple(new[head : len(new) - tail]))
