"""The memory that a training may use, as a user gives it."""

from __future__ import annotations

import re

from scram_plugin.errors import BadOption

SIZES = {"": 1.0, "m": 1.0, "g": 1024.0, "t": 1024.0**2}


def mebibytes(given: str | float | None) -> float | None:
    """MiB, from ``"8G"``, ``"512M"`` or a number of MiB. Raises BadOption."""
    if given is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([mgt]?)(i?b)?\s*", str(given), re.IGNORECASE)
    try:
        value = float(match[1]) * SIZES[match[2].lower()] if match else 0.0
    except ValueError:
        value = 0.0
    if not value > 0.0:
        raise BadOption(f"memory={given!r}: give a number of MiB, or a size such as 512M or 8G")
    return value
