"""Finds the TensorBoard runs below a log directory and follows their growth."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scram_plugin.logs.event_file import EventFile
from scram_plugin.logs.series import Series


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: which file, from which byte on, and a sentence for people."""

    path: str
    byte: int | None
    sentence: str


class Run(Mapping[str, Series]):
    """One TensorBoard run: tag to `Series`. Several files are taken in the order of their names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, EventFile] = {}
        self._series: dict[str, Series] = {}
        self._tags: dict[str, list[EventFile]] | None = None

    def _by_tag(self) -> dict[str, list[EventFile]]:
        if self._tags is None:
            tags: dict[str, list[EventFile]] = {}
            for path in sorted(self.files):
                for tag in self.files[path].scalars:
                    tags.setdefault(tag, []).append(self.files[path])
            self._tags = tags
        return self._tags

    def changed(self) -> None:
        self._series.clear()
        self._tags = None

    def __getitem__(self, tag: str) -> Series:
        series = self._series.get(tag)
        if series is None:
            columns = [file.scalars[tag] for file in self._by_tag()[tag]]
            parts = [Series(np.array(c.steps, "i8"), np.array(c.wall_times), np.array(c.values)) for c in columns]
            series = self._series[tag] = Series.concatenate(parts)
        return series

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_tag())

    def __len__(self) -> int:
        return len(self._by_tag())

    @property
    def facts(self) -> dict | None:
        """SCRAM's facts of the last fit that was recorded here, or None."""
        found = [entry for file in self.files.values() for entry in file.facts]
        return max(found, key=lambda entry: entry[0])[1] if found else None

    @property
    def session_start(self) -> float:
        """The wall time of the first fit of the last session (one model, trained by one or several fits).

        A session that was resumed from an epoch (`initial_epoch`) belongs to the one before it.
        """
        found = sorted((entry for file in self.files.values() for entry in file.facts), key=lambda entry: entry[0])
        begins: dict[str, tuple[float, bool]] = {}
        for when, facts in found:
            begins.setdefault(str(facts.get("session")), (when, bool(facts.get("resumed"))))
        return next((when for when, resumed in reversed(begins.values()) if not resumed), -math.inf)

    @property
    def ended(self) -> str | None:
        """How the last fit ended, if that was recorded and nothing was written since."""
        ends = [entry for file in self.files.values() for entry in file.ends]
        if not ends:
            return None
        last = max(ends)
        return last[1] if last[0] >= self.last_wall_time else None

    @property
    def last_wall_time(self) -> float:
        return max((file.last_wall_time for file in self.files.values()), default=0.0)


class Logdir(Mapping[str, Run]):
    """A mapping from the name of a TensorBoard run (as TensorBoard names it; ``.`` for the directory itself) to `Run`.

    Example::

        logs = scram_plugin.read("logs")
        logs["exp1/train"]["epoch_loss"].values

    `roots` is one directory, or pairs of a prefix of run names and a directory (TensorBoard's ``--logdir_spec``).
    Raises nothing for what lies in the directory: whatever could not be read is told in `problems`.
    """

    def __init__(self, roots: str | os.PathLike[str] | Sequence[tuple[str, str]]) -> None:
        self.roots = [("", os.fspath(roots))] if isinstance(roots, str | os.PathLike) else list(roots)
        self.problems: list[Problem] = []
        self.lock = threading.Lock()  # held while a file is added to its run; take it to read from another thread
        self._runs: dict[str, Run] = {}

    def __getitem__(self, name: str) -> Run:
        return self._runs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._runs))

    def __len__(self) -> int:
        return len(self._runs)

    def refresh(self) -> set[str]:
        """Read what was added since the last look; returns the TensorBoard runs that changed, came or went."""
        walk_problems: list[Problem] = []
        seen: set[str] = set()
        changed: set[str] = set()
        for prefix, root in self.roots:
            for directory, paths in _directories(root, walk_problems):
                relative = os.path.relpath(directory, root)
                name = os.path.normpath(os.path.join(prefix, relative)) if prefix else relative
                name = name.replace(os.sep, "/")
                run = self._runs.get(name)
                if run is None:
                    run = self._runs[name] = Run(name)
                    changed.add(name)
                seen.add(name)
                with self.lock:
                    if self._read(run, paths):
                        run.changed()
                        changed.add(name)
        for name in self._runs.keys() - seen:
            del self._runs[name]
            changed.add(name)
        self.problems = walk_problems + self._file_problems()
        return changed

    def _read(self, run: Run, paths: list[str]) -> bool:
        grown = False
        for path in run.files.keys() - set(paths):
            del run.files[path]
            grown = True
        for path in paths:
            file = run.files.get(path)
            try:
                size = os.path.getsize(path)
                settled = file is not None and not file.unreadable and (file.problem is not None or size == file.offset)
                if file is not None and settled and size >= file.offset:
                    continue
                with open(path, "rb") as stream:
                    size = os.fstat(stream.fileno()).st_size
                    if file is None or size < file.offset:  # new, or replaced by a shorter one: read it afresh
                        file = run.files[path] = EventFile()
                        grown = True
                    file.unreadable = None
                    grown |= file.read(stream, size)
            except OSError as error:
                file = run.files.setdefault(path, EventFile())
                file.unreadable = f"it could not be opened ({error.strerror or type(error).__name__})"
        return grown

    def _file_problems(self) -> list[Problem]:
        problems = []
        for name in self:
            for path, file in sorted(self._runs[name].files.items()):
                size = file.size
                if file.unreadable:
                    problems.append(Problem(path, file.offset, file.unreadable))
                elif file.problem:
                    where = f"read up to byte {file.offset:,} of {size:,}; " if size else ""
                    problems.append(Problem(path, file.offset, where + file.problem))
                elif size == 0:
                    problems.append(Problem(path, 0, "the file is empty: its writer has not written anything yet"))
                elif file.offset < size:
                    sentence = f"read up to byte {file.offset:,} of {size:,}; the last record is not written to its end"
                    problems.append(Problem(path, file.offset, sentence))
                problems += [Problem(path, None, remark) for remark in file.remarks]
        return problems


def read(logdir: str | os.PathLike[str]) -> Logdir:
    """Read every event file below `logdir` exactly. Raises FileNotFoundError or NotADirectoryError for a bad `logdir`."""
    path = Path(logdir)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such directory")
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; name the directory that holds it")
    logs = Logdir(path)
    logs.refresh()
    return logs


def is_event_file(name: str) -> bool:
    """TensorBoard's rule for file names."""
    return "tfevents" in name and not name.endswith(".profile-empty")


def _directories(root: str, problems: list[Problem]) -> Iterator[tuple[str, list[str]]]:
    """(directory, paths of its event files) for each directory below `root` that holds event files.

    Links are followed, as TensorBoard does; a directory that contains itself is entered once.
    """

    def tell(error: OSError) -> None:
        problems.append(Problem(str(error.filename), None, f"it could not be opened ({error.strerror})"))

    ancestors: dict[str, frozenset[tuple[int, int]]] = {}
    for directory, subdirectories, names in os.walk(root, onerror=tell, followlinks=True):
        above = ancestors.pop(directory, frozenset())
        try:
            status = os.stat(directory)
        except OSError as error:
            tell(error)
            subdirectories.clear()
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            subdirectories.clear()
            continue
        subdirectories.sort()
        for name in subdirectories:
            ancestors[os.path.join(directory, name)] = above | {identity}
        paths = [os.path.join(directory, name) for name in sorted(names) if is_event_file(name)]
        if paths:
            yield directory, paths
