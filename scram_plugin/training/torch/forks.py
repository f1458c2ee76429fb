"""A process that is forked while a model is watched: the parent goes on recording, and the child does not."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    def forked(self) -> None:
        """This is the child: it has the object from its parent."""


_alive: weakref.WeakSet[Forkable] = weakref.WeakSet()


def remember(watch: Forkable) -> None:
    """Tell this object where the process is forked."""
    _alive.add(watch)


def _forked() -> None:
    for watch in list(_alive):
        watch.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
