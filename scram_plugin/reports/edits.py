"""A fix as a change of the user's own lines or as code, as several reports show it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any


def framework_name(framework: str) -> str:
    """A framework as its users write it; of others that a page of the user's own may have code for, as it is."""
    return {"keras": "Keras", "torch": "PyTorch"}.get(framework, framework)


def first_fix(finding: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The likeliest cause's fix: once in the run's framework, or in each that may be the run's."""
    fixes = finding["fixes"]
    return [fix for fix in fixes if fix["cause"] == fixes[0]["cause"]]


def first_edit(finding: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first fix of a finding that is a change of the user's lines; None where there is none."""
    return next((fix["edit"] for fix in finding["fixes"] if fix["edit"]), None)


def changed_lines(edit: Mapping[str, Any]) -> list[str]:
    """The lines before and after, each behind "- ", "+ " or, where it stays, two spaces."""
    lines = difflib.ndiff(edit["before"].splitlines(), edit["after"].splitlines())
    return [line for line in lines if not line.startswith("?")]
