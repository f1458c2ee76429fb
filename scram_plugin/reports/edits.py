"""A fix as a change of the user's own lines or as code, for several reports."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.redaction import HIDDEN

NAMES = {
    "keras": "Keras",
    "torch": "PyTorch",
    "lightning": "Lightning",
    "hugging face": "Hugging Face Trainer",
    "yolo": "Ultralytics",
    "stable-baselines3": "Stable-Baselines3",
}


def framework_name(framework: str) -> str:
    """The usual spelling of a framework's name. Other names, from pages of the user's own heuristics, stay as they are."""
    return NAMES.get(framework, framework)


def first_fix(finding: Finding) -> Sequence[Fix]:
    """The fix of the likeliest cause: for the run's framework, or for each framework that it may be."""
    fixes = finding.fixes
    return [fix for fix in fixes if fix.cause == fixes[0].cause]


def first_edit(finding: Finding) -> Edit | None:
    """The first fix of a finding that is a change of the user's lines; None where there is none."""
    return next((fix.edit for fix in finding.fixes if fix.edit), None)


def changed_lines(edit: Edit) -> list[str]:
    """The lines of one place before and after, each after "- ", "+ " or, if it is unchanged, two spaces."""
    lines = difflib.ndiff(edit.before.splitlines(), edit.after.splitlines())
    return [line for line in lines if not line.startswith("?")]


def is_whole(edit: Edit) -> bool:
    """Whether the new lines are known whole: a log does not hold the program's texts and comments (`redaction.py`)."""
    return all(HIDDEN not in place.after for place in edit.places)


def proof_said(fix: Fix) -> str:
    """What came of trying the fix, as a sentence; empty where it was not tried."""
    if fix.proof is None:
        return ""
    words = "Fix proven here" if fix.proof.verdict == "better" else "Fix tried here"
    return f"{words}: {fix.proof.sentence}."


def left_out(edit: Edit) -> str:
    """What to say behind the place of an edit that is not whole; else empty."""
    return "" if is_whole(edit) else f" ({HIDDEN} stands for texts and comments, which are not in the log)"
