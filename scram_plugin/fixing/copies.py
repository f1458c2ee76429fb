"""A copy of the directory of a program, in which it may write what it likes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.logs.listed import is_event_file

SKIPPED = {".git", ".hg", ".svn", "__pycache__", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox"}
SMALL = 1 << 20  # bytes: larger files are data or weights, which programs read: a link is enough; by definition
MANY = 200  # entries of a directory without a program: its files are data, and one link stands for all; by definition
MOST_ENTRIES = 20_000  # files and links that are made for one run, in some seconds; by definition


def copy(folder: Path, into: Path, without: Path) -> None:
    """Copy a directory without version control, environments, caches and logs. Large files and data become links.

    A program cannot write through the links: see `training/proof/guard.py`. `without`: a directory that is left out. Raises
    BadOption for a directory that is too large.
    """
    _copy(folder, into, os.path.realpath(without), [0], folder)


def _copy(folder: Path, into: Path, without: str, made: list[int], top: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        made[0] += 1
        if made[0] > MOST_ENTRIES:
            raise BadOption(
                f"{top}: it has more than {MOST_ENTRIES:,} files, too many to copy for a proof; start in the directory of the "
                "program"
            )
        source, target = Path(entry.path), into / entry.name
        if entry.is_symlink():
            if source.exists():
                target.symlink_to(os.path.realpath(source))
        elif entry.is_dir():
            if not _is_skipped(source, without):
                if _is_data(source):
                    target.symlink_to(source.absolute())
                else:
                    _copy(source, target, without, made, top)
        elif entry.is_file():
            if entry.stat().st_size > SMALL and not entry.name.endswith(".py"):
                target.symlink_to(source.absolute())
            else:
                shutil.copy2(source, target)


def _is_skipped(folder: Path, without: str) -> bool:
    if folder.name in SKIPPED or (folder / "pyvenv.cfg").exists() or os.path.realpath(folder) == without:
        return True
    with os.scandir(folder) as found:
        return any(is_event_file(entry.name) for entry in found)


def _is_data(folder: Path) -> bool:
    with os.scandir(folder) as found:
        names = [entry.name for entry in found]
    return len(names) > MANY and not any(name.endswith(".py") for name in names)
