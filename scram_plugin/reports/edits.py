"""A fix as a change of the user's own lines, as several reports show it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any


def first_edit(finding: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first fix of a finding that is a change of the user's lines; None where there is none."""
    return next((fix["edit"] for fix in finding["fixes"] if fix["edit"]), None)


def changed_lines(edit: Mapping[str, Any]) -> list[str]:
    """The lines before and after, each behind "- ", "+ " or, where it stays, two spaces."""
    lines = difflib.ndiff(edit["before"].splitlines(), edit["after"].splitlines())
    return [line for line in lines if not line.startswith("?")]
