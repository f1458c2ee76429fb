"""State that outlives one fit: where the next fit of the same model into the same log directory continues."""

from __future__ import annotations

import os
import uuid
import weakref
from typing import Any


class Session:
    """One model that is trained into one log directory, by one or more fits, with its batches and epochs so far."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.batches, self.epochs = 0, 0


_sessions: weakref.WeakKeyDictionary[Any, dict[str, Session]] = weakref.WeakKeyDictionary()


def session(model: Any, log_dir: str) -> Session:
    """The session of a model and a log directory. A new callback for the same two continues it."""
    return _sessions.setdefault(model, {}).setdefault(os.path.abspath(log_dir), Session())
