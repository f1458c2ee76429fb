"""Finds the text files among those of a directory that are logs, and the TensorBoard run to which each file belongs."""

from __future__ import annotations

import bisect
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from scram_plugin.logs.conventions import role_of
from scram_plugin.logs.listed import Directories, Listed, is_event_file
from scram_plugin.logs.settings_file import HYDRA, has_settings
from scram_plugin.logs.text_file import HEAD, LARGEST, STATE, is_log

MOST = 100  # text files of a directory that are looked at: one with more of them holds data
# The names under which a training logs into its directory, the best one first where there are several; others are a run each.
USUAL = re.compile(
    rf"(?P<state>{re.escape(STATE)})|(?P<log>trainer_log\.jsonl)|(?P<monitor>(?:\d+\.)?monitor\.csv)"
    r"|(?:(?:training|train)[_-]?)?(?:logs?|history|metrics?|results?|progress|losses|summary|scalars)\.\w+|training\.\w+"
)
NEAR = 2  # directories between settings and the only log below them: that is still of the same training; by definition
MOST_SETTINGS = 8  # files with settings of one TensorBoard run; by definition
CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class TextFiles:
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


def arranged(found: Iterable[tuple[str, list[Listed]]]) -> Directories:
    """The files of each TensorBoard run, by the names of the runs: event files under that of their directory.

    So is the text file by which a training logs there; one with another name is a run of its own. Of a Trainer's states in
    ``checkpoint-100``, ``checkpoint-200``, ... the last one counts, for the directory above; none does where event files below
    ``runs`` hold the same. Files with settings go to the logs that they belong to (`_owners`), or nowhere.
    """
    runs: dict[str, list[Listed]] = {}
    states: dict[str, list[tuple[float, Listed]]] = {}  # directory -> (number of the checkpoint, state)
    texts: list[tuple[str, Listed]] = []
    settings: list[tuple[str, Listed]] = []
    for directory, files in found:
        for file in files:
            name = os.path.basename(file.path)
            if name == STATE:
                checkpoint = CHECKPOINT.fullmatch(directory.rpartition("/")[2])
                place = (directory.rpartition("/")[0] or ".") if checkpoint else directory
                states.setdefault(place, []).append((float(checkpoint[1]) if checkpoint else math.inf, file))
            elif is_event_file(name):
                runs.setdefault(directory, []).append(file)
            elif has_settings(name):
                settings.append((directory, file))
            else:
                texts.append((directory, file))
    for directory, known in states.items():
        if not any(name.startswith(_below(directory, "runs/")) for name in runs):
            runs.setdefault(directory, []).append(max(known, key=lambda state: state[0])[1])
    filled = set(states)  # directories that have a text file with everything
    for directory, file in sorted(texts):
        name = os.path.basename(file.path)
        usual = USUAL.fullmatch(name.lower())
        if usual and usual["log"] and directory in states:
            continue  # the state has all of it
        own = usual is None or (directory in filled and not usual["monitor"])
        runs.setdefault(_below(directory, name.rpartition(".")[0]) if own else directory, []).append(file)
        if not own and usual and not usual["monitor"]:
            filled.add(directory)
    names, left = sorted(runs), dict.fromkeys(runs, MOST_SETTINGS)
    for directory, file in sorted(settings):
        for name in _owners(directory, names):
            if left[name] > 0:
                runs[name].append(file)
                left[name] -= 1
    for name in names:
        yield name, sorted(runs[name], key=lambda file: file.path)


def _below(directory: str, name: str) -> str:
    return name if directory == "." else f"{directory}/{name}"


def _owners(directory: str, runs: Sequence[str]) -> Sequence[str]:
    """The TensorBoard runs, of all those in order, to which settings in a directory belong.

    Hydra's belong to all that its job wrote. Others belong to the run in their directory; or to the only training a little
    below; or, in a directory with nothing else, to the run above. Settings of many trainings belong to none.
    """
    hydra = directory.rpartition("/")[2] == HYDRA
    if hydra:
        directory = directory.rpartition("/")[0] or "."
    at = bisect.bisect_left(runs, directory)
    own = list(runs[at : at + 1]) if runs[at : at + 1] == [directory] else []
    if own and not hydra:
        return own
    prefix = "" if directory == "." else f"{directory}/"
    below = runs[bisect.bisect_left(runs, prefix) : bisect.bisect_left(runs, f"{prefix}\U0010ffff")]
    if hydra:
        return list(dict.fromkeys([*own, *below]))
    if below:
        depths = [name.removeprefix(prefix).count("/") for name in below]
        parts = max(depths) == 0 and all(role_of(name)[0] for name in below)
        return below[:1] if parts or (len(below) == 1 and depths[0] < NEAR) else []
    above, _, name = directory.rpartition("/")
    above = above or "."
    at = bisect.bisect_left(runs, above)
    return list(runs[at : at + 1]) if runs[at : at + 1] == [above] and not CHECKPOINT.fullmatch(name) else []
