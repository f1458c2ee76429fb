"""Logs of real trainings, recorded once. Tests review them as anybody's logs, without training again.

``programs/`` holds the programs, ``logs/`` what they logged, and ``logs/INDEX.tsv`` the program, the seed and the versions of
each log. ``make record`` trains all of them again. ``make test-all`` does so into another directory, names it in
``SCRAM_RECORDED``, and runs the tests on these fresh logs: their assertions hold for both.
"""

import os
import re
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "logs"
LOGS = Path(os.environ.get("SCRAM_RECORDED") or KEPT)
INDEX = KEPT / "INDEX.tsv"


def index() -> list[list[str]]:
    """The rows of the index: log, program, seed, versions."""
    return [row.split("\t") for row in INDEX.read_text(encoding="utf-8").splitlines()[1:]]


def recorded(*name: str) -> Path:
    """The log directory of a recorded training: the module of its program, and the program's name in it.

    Raises LookupError, with the command that records it, where there is none.
    """
    path = place(LOGS, *name)
    if not path.is_dir():
        raise LookupError(f"there is no log in {path}: make record PROGRAMS={name[0]}")
    return path


def place(logs: Path, *name: str) -> Path:
    """Where in `logs` the log of a program lies."""
    return logs.joinpath(*(slug(part) for whole in name for part in whole.split("/")))


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")
