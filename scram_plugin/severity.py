"""The severity of a finding."""

from __future__ import annotations

from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # worst first


def down_to(least: str) -> tuple[Severity, ...]:
    """The severities from the worst to `least`; none for any other word, such as "never"."""
    return SEVERITIES[: SEVERITIES.index(least) + 1] if least in SEVERITIES else ()
