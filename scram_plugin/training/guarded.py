"""What SCRAM does within somebody's training must never be felt there."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that never raises: its object is told by `fail(error)`, and once it is `broken` does nothing more."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.broken:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.fail(error)
            return None

    return wrapper


def warn(error: Exception) -> None:
    """The one warning that an exception costs."""
    # a full disk is nobody's bug
    outside = isinstance(error, OSError) or type(error).__module__.startswith("tensorflow")
    report = "" if outside else "; please report this"
    warnings.warn(f"SCRAM stopped recording: {type(error).__name__}: {error}. The training goes on{report}.", stacklevel=3)
