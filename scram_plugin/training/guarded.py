"""Keeps exceptions in SCRAM from reaching the training that it records."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method that never raises: an exception is passed to the `fail(error)` of its object, and the result is None.

    Once the object is `broken`, the method does nothing.
    """

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
    """Warn that SCRAM stopped recording because of `error`."""
    # errors of the file system, such as a full disk, are not bugs of SCRAM
    outside = isinstance(error, OSError) or type(error).__module__.startswith("tensorflow")
    report = "" if outside else "; please report this"
    warnings.warn(f"SCRAM stopped recording: {type(error).__name__}: {error}. The training continues{report}.", stacklevel=3)


def warn_of_gap(error: Exception) -> None:
    """Warn that nothing can be written for now."""
    what = f"{type(error).__name__}: {error}"
    warnings.warn(f"SCRAM cannot write its log: {what}. It tries again later; the training continues.", stacklevel=3)
