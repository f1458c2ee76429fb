"""The user's program as it is on the disk now: what the log does not tell of the lines that a fix changes."""

from __future__ import annotations

import os
import tokenize
from dataclasses import replace
from pathlib import Path

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.redaction import HIDDEN, restored
from scram_plugin.reviews.model import Review

LARGEST = 1 << 18  # bytes of a program


def has_hidden(review: Review) -> bool:
    """Whether any change that the review proposes has hidden parts, so that it depends on the disk."""
    return any(_is_hidden(fix.edit) for finding in review.all_findings for fix in finding.fixes)


def complete(review: Review, folder: str | os.PathLike[str] = ".") -> Review:
    """The review with what was hidden in the log in its changes, where the lines on the disk are still the same.

    `folder` is the one in which the program ran.
    """
    if not has_hidden(review):
        return review

    def restored_fix(fix: Fix) -> Fix:
        return replace(fix, edit=_restored(fix.edit, Path(folder))) if _is_hidden(fix.edit) else fix

    def completed(finding: Finding) -> Finding:
        return replace(finding, fixes=tuple(map(restored_fix, finding.fixes)))

    return review.with_findings(completed)


def _is_hidden(edit: Edit | None) -> bool:
    return edit is not None and any(HIDDEN in place.before for place in edit.places)


def _restored(edit: Edit | None, folder: Path) -> Edit | None:
    if edit is None:
        return None
    first, *more = (_place_restored(place, folder) for place in edit.places)
    return replace(first, more=tuple(more))


def _place_restored(place: Edit, folder: Path) -> Edit:
    source = _program(place.file, folder) if HIDDEN in place.before else None
    now = None if source is None else restored(source, place.line, place.before, place.after)
    return place if now is None else replace(place, before=now[0], after=now[1])


def _program(name: str, folder: Path) -> str | None:
    """The source of a Python file in or below a directory. A log names the file, so no other one is read."""
    path = folder / name
    try:
        if Path(name).is_absolute() or path.suffix != ".py" or not path.is_file() or path.stat().st_size > LARGEST:
            return None
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            return None
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, ValueError, LookupError):  # of an encoding that is not one of text
        return None
