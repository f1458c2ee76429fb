"""One TensorBoard run: a directory with event files, as a mapping from tag to series."""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from scram_plugin.logs.event_file import EventFile
from scram_plugin.logs.layout import Layouts
from scram_plugin.logs.listed import Listed, is_event_file
from scram_plugin.logs.series import Series
from scram_plugin.logs.settings import Told
from scram_plugin.logs.settings_file import SettingsFile, has_settings
from scram_plugin.logs.storage import Local, Remote
from scram_plugin.logs.tags import Tags
from scram_plugin.logs.text_file import TextFile

PLUS = " + "
MOST_LOOKED_AT = 20  # tags whose steps are looked at after each reading


class Run(Mapping[str, Series]):
    """Tag -> `Series`. Several files are concatenated in the order of their names.

    Its points may be freed to limit memory (`forget`). They are read again, up to the same byte, when a series is needed.
    """

    def __init__(self, name: str, storage: Local | Remote, layouts: Layouts) -> None:
        self.name = name
        self._layouts = layouts
        self.files: dict[str, EventFile | TextFile | SettingsFile] = {}
        self.lock = threading.RLock()  # held while files are read; the methods acquire it themselves
        self.held = True  # whether the points are in memory
        self.points = 0
        self.asked = 0  # the number of the last access to this run, counted over all runs
        self._storage = storage
        self._seen: dict[str, Listed] = {}  # path -> the file as it was when it was last read
        self._series: dict[str, Series] = {}
        self._tags: dict[str, list[str]] = {}  # tag -> paths of the files that have it
        self.limit = Tags()
        self.goes_back = False  # whether the steps of a loss decrease somewhere (of another tag, if there is no loss)

    def unread(self, listed: list[Listed]) -> list[Listed]:
        """The files, of those that the directory lists now, that may contain something new."""
        return [file for file in listed if not self._settled(file)]

    def _new(self, path: str) -> EventFile | TextFile | SettingsFile:
        name = os.path.basename(path)
        if is_event_file(name):
            return EventFile(self._layouts, self.limit)
        return SettingsFile(path) if has_settings(name) else TextFile(name, self.limit)

    def _settled(self, listed: Listed) -> bool:
        file = self.files.get(listed.path)
        return file is not None and not file.waits and not file.unreadable and self._seen.get(listed.path) == listed

    def read(self, listed: list[Listed]) -> bool:
        """Read what was added; `listed` are all files that the directory has now. Returns whether anything changed."""
        with self.lock:
            grown = False
            for path in self.files.keys() - {file.path for file in listed}:
                del self.files[path]
                grown = True
            unread = self.unread(listed)
            if unread and not self.held:
                self._restore()
            for file in unread:
                grown |= self._read(file)
            if grown:
                self.index()
            return grown

    def _read(self, listed: Listed) -> bool:
        path, grown = listed.path, False
        file = self.files.get(path)
        try:
            with self._storage.open(path) as stream:
                now = self._storage.now(stream, listed)
                if file is None or self._rewritten(file, stream, now):
                    file = self.files[path] = self._new(path)
                    grown = True
                self._seen[path] = now
                file.unreadable = None
                grown |= file.read(stream, now.size)
        except OSError as error:
            file = self.files.setdefault(path, self._new(path))
            file.unreadable = f"it could not be opened ({error.strerror or error or type(error).__name__})"
        return grown

    def _rewritten(self, file: EventFile | TextFile | SettingsFile, stream: BinaryIO, now: Listed) -> bool:
        """Whether this is another file, or other bytes, than what was read: then it must be read from the start.

        A file only grows while its training writes. What changed without growing was written again.
        """
        then = self._seen.get(now.path)
        if then is None or then.identity != now.identity or now.size < file.offset:
            return True
        if now.size == then.size and now.stamp != then.stamp:
            return True
        return not file.same(stream)

    def index(self) -> None:
        """Collect the tags and count the points of all files again."""
        self._series.clear()
        tags: dict[str, list[str]] = {}
        for path in sorted(self.files, key=lambda path: (isinstance(self.files[path], TextFile), path)):
            is_text = isinstance(self.files[path], TextFile)
            for tag in self.files[path].scalars:
                if not (is_text and tag in tags):  # it repeats what event files, or another text file, say
                    tags.setdefault(tag, []).append(path)
        self.limit.there_are(tags)
        self._tags = tags  # replaced as a whole, since other threads may be iterating over the tags
        self.points = sum(len(column) for file in self.files.values() for column in file.scalars.values())
        losses = [tag for tag in tags if "loss" in tag.lower()] or list(tags)
        self.goes_back = any((self[tag].steps[1:] < self[tag].steps[:-1]).any() for tag in losses[:MOST_LOOKED_AT])

    def forget(self) -> None:
        """Free the points."""
        with self.lock:
            self._series.clear()
            for file in self.files.values():
                file.forget()
            self.held = False

    def _restore(self) -> None:
        """Read the freed points again: each file up to the byte that was decoded before.

        What was rewritten since is read from the start at the next look, and has no points until then.
        """
        for path, known in self.files.items():
            again = self._new(path)
            try:
                with self._storage.open(path) as stream:
                    if known.same(stream):
                        again.read(stream, known.offset)
                    else:
                        self._seen.pop(path, None)
            except OSError as error:
                known.unreadable = f"it could not be opened again ({error.strerror or error})"
            known.take(again)  # type: ignore[arg-type]  # of the same kind
        self.held = True

    def __getitem__(self, tag: str) -> Series:
        with self.lock:
            series = self._series.get(tag)
            if series is None:
                paths = self._tags[tag]
                if not self.held:
                    self._restore()
                columns = [column for path in paths if (column := self.files[path].scalars.get(tag)) is not None]
                series = self._series[tag] = Series.concatenate([Series(*column.arrays()) for column in columns])
            return series

    def find(self, tag: str) -> Series | None:
        """The series of a tag, or the sum of several (`PLUS` between them) with equal steps; None if there is none."""
        if tag in self:
            return self[tag]
        parts = [self.get(part) for part in tag.split(PLUS)]
        first = parts[0]
        if first is None or any(p is None or not np.array_equal(p.steps, first.steps) for p in parts):
            return None
        return Series(first.steps, first.wall_times, np.sum([p.values for p in parts if p is not None], axis=0))

    @property
    def text_files(self) -> list[str]:
        """The names of the files that were read and are no event files."""
        return [os.path.basename(path) for path, file in self.files.items() if isinstance(file, TextFile)]

    @property
    def has_event_files(self) -> bool:
        """Whether any of its files is an event file."""
        return any(isinstance(file, EventFile) for file in self.files.values())

    @property
    def framework(self) -> str | None:
        """The framework that wrote a text file of this run, by its name and columns; None if none says so."""
        named = (file.framework for file in self.files.values() if isinstance(file, TextFile))
        return next((name for name in named if name), None)

    def by_epochs(self, tag: str) -> bool:
        """Whether the steps of a tag are numbers of epochs, as a text file says."""
        first = self.files.get(next(iter(self._tags.get(tag.split(PLUS)[0], ())), ""))
        return isinstance(first, TextFile) and first.by_epochs

    def borders(self, tag: str) -> set[int]:
        """The indices of the points of a tag that are the first ones of another event file."""
        with self.lock:
            if not self.held:
                self._restore()
            columns = (self.files[path].scalars.get(tag) for path in self._tags[tag])
            return set(itertools.accumulate(len(column) for column in columns if column is not None))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __contains__(self, tag: object) -> bool:
        return tag in self._tags

    @property
    def facts(self) -> dict[str, Any] | None:
        """SCRAM's facts of the last fit that was recorded here, or None."""
        found = [entry for file in self.files.values() for entry in file.own.facts]
        return max(found, key=lambda entry: entry[0])[1] if found else None

    @property
    def proofs(self) -> list[dict[str, Any]]:
        """What came of fixes that were tried, of the last training recorded here, in the order in which it was written."""
        found = sorted((entry for file in self.files.values() for entry in file.own.proofs), key=lambda entry: entry[0])
        return [proof for when, proof in found if when >= self.session_start]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """What could not be recorded since the last session began, in the order of its begin (see `schema.py`).

        One without an end that another one with the same begin has is the same, told while it lasted.
        """
        told = [gap for file in self.files.values() for gap in file.own.gaps if gap["begin"] >= self.session_start]
        found = {gap["begin"]: gap for gap in sorted(told, key=lambda gap: gap["end"] is not None)}
        return [found[begin] for begin in sorted(found)]

    @property
    def settings(self) -> list[Told]:
        """The settings that the files here tell."""
        return [told for file in self.files.values() for told in file.own.settings]

    @property
    def session_start(self) -> float:
        """The wall time of the first fit of the last session (one model, trained by one or more fits).

        It is in seconds since 1970; minus infinity if no session was recorded.

        A session that was resumed from an epoch (`initial_epoch`) belongs to the one before it.
        """
        found = sorted((entry for file in self.files.values() for entry in file.own.facts), key=lambda entry: entry[0])
        begins: dict[str, tuple[float, bool]] = {}
        for when, facts in found:
            begins.setdefault(str(facts.get("session")), (when, bool(facts.get("resumed"))))
        return next((when for when, resumed in reversed(begins.values()) if not resumed), -math.inf)

    @property
    def ended(self) -> str | None:
        """How the last fit ended, if that was recorded and nothing of a training was written since."""
        # What a proof came to stands in a file of its own, and is no part of a training.
        trained = [file for file in self.files.values() if not file.own.proofs]
        ends = [entry for file in trained for entry in file.own.ends]
        if not ends:
            return None
        last = max(ends)
        return last[1] if last[0] >= max(file.last_wall_time for file in trained) else None

    @property
    def last_wall_time(self) -> float:
        """When the last point was written, seconds since 1970; 0 without points."""
        return max((file.last_wall_time for file in self.files.values()), default=0.0)
