"""What outlives one fit: where the next fit of the same model into the same log directory goes on."""

from __future__ import annotations

import os
import uuid
import weakref
from typing import Any


class Session:
    """One model that is trained into one log directory, by one or several fits, and how far it is."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.batches, self.epochs = 0, 0


_sessions: weakref.WeakKeyDictionary[Any, dict[str, Session]] = weakref.WeakKeyDictionary()


def session(model: Any, log_dir: str) -> Session:
    """The session of a model and a log directory; a new callback for the same two goes on with it."""
    return _sessions.setdefault(model, {}).setdefault(os.path.abspath(log_dir), Session())
