"""Finds the tables among the files of a log directory, and the TensorBoard run, by its name, to which each of them belongs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from scram_plugin.logs.listed import Directories, Listed, is_event_file
from scram_plugin.logs.table import HEAD, LARGEST, STATE, is_log, may_be_table

MOST = 100  # tables of a directory that are looked at: a directory with more files of data is no log
OF_ITS_DIRECTORY = re.compile(
    r"((training|train)[_-]?)?(logs?|history|metrics?|results?|progress|losses|summary|scalars)\.\w+"
    r"|training\.\w+|trainer_log\.jsonl|(\d+\.)?monitor\.csv|" + re.escape(STATE)
)
CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class Tables:
    """Remembers which files are logs: each is looked into once, and again while it is too short to tell."""

    def __init__(self, open_: Callable[[str], BinaryIO]) -> None:
        self._open = open_
        self._known: dict[tuple[str, int], tuple[int, bool]] = {}  # path and identity -> size then, verdict

    def among(self, candidates: Sequence[Listed]) -> Iterator[Listed]:
        """Those that are logs."""
        for file in sorted(candidates)[:MOST]:
            size, is_one = self._known.get((file.path, file.identity), (-1, False))
            if not is_one and size != file.size and size < HEAD and 0 < file.size <= LARGEST:
                is_one = self._looks_so(file)
                self._known[file.path, file.identity] = file.size, is_one
            if is_one:
                yield file

    def _looks_so(self, file: Listed) -> bool:
        try:
            with self._open(file.path) as stream:
                return is_log(os.path.basename(file.path), stream.read(HEAD))
        except OSError:
            return False


def is_candidate(name: str) -> bool:
    return may_be_table(name)


def arranged(found: Iterable[tuple[str, list[Listed]]]) -> Directories:
    """The files of each TensorBoard run, by the names of the runs: event files under their directory, tables as they belong.

    A table with a name of its own is a run of its own. Of the states of a Trainer in ``checkpoint-100``, ``checkpoint-200``,
    ... the last one counts, for the directory above; none does where event files below ``runs`` hold the same.
    """
    runs: dict[str, list[Listed]] = {}
    states: dict[str, list[tuple[float, Listed]]] = {}  # directory -> (number of the checkpoint, state)
    for directory, files in found:
        for file in files:
            name = os.path.basename(file.path)
            if is_event_file(name) or OF_ITS_DIRECTORY.fullmatch(name.lower()):
                above, _, last = directory.rpartition("/")
                checkpoint = CHECKPOINT.fullmatch(last)
                if name == STATE:
                    number = float(checkpoint[1]) if checkpoint else float("inf")
                    states.setdefault((above or ".") if checkpoint else directory, []).append((number, file))
                else:
                    runs.setdefault(directory, []).append(file)
            else:
                stem = name.rpartition(".")[0]
                runs.setdefault(stem if directory == "." else f"{directory}/{stem}", []).append(file)
    for directory, known in states.items():
        below = "runs/" if directory == "." else f"{directory}/runs/"
        if not any(name.startswith(below) for name in runs):
            runs.setdefault(directory, []).append(max(known, key=lambda state: state[0])[1])
    for name in sorted(runs):
        yield name, sorted(runs[name], key=lambda file: file.path)
