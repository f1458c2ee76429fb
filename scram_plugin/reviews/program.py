"""The user's program as it is on the disk now: what the log does not tell of the lines that a fix changes."""

from __future__ import annotations

import os
import tokenize
from pathlib import Path

from scram_plugin.redaction import HIDDEN, restored
from scram_plugin.reviews.model import Review

LARGEST = 1 << 18  # bytes of a program


def complete(review: Review, folder: str | os.PathLike[str] = ".") -> bool:
    """Put what was hidden in the log into the changes that a review proposes, where the lines on the disk are still the same.

    `folder` is the one in which the program ran. Returns whether any change has hidden parts, so that it depends on the disk.
    """
    findings = [*review.findings, *(entry["finding"] for entry in review.accepted)]
    edits = [fix["edit"] for finding in findings for fix in finding["fixes"] if fix["edit"] and HIDDEN in fix["edit"]["before"]]
    for edit in edits:
        source = _program(edit["file"], Path(folder))
        now = restored(source, edit["line"], edit["before"], edit["after"]) if source is not None else None
        if now is not None:
            edit["before"], edit["after"] = now
    return bool(edits)


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
