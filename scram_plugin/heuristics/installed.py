"""Heuristics that other packages provide."""

import importlib.metadata
from functools import cache


@cache
def installed() -> tuple[importlib.metadata.EntryPoint, ...]:
    """The entry points of the group `scram.heuristics`; cached, because searching all packages takes longer than a review."""
    return tuple(importlib.metadata.entry_points(group="scram.heuristics"))
