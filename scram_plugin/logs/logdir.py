"""A log directory: finds the TensorBoard runs below it and follows their growth."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from scram_plugin.logs.layout import Layouts
from scram_plugin.logs.listed import Listed
from scram_plugin.logs.run import Run
from scram_plugin.logs.storage import Local, Problem, Remote, opened, storage

BYTES_OF_A_POINT = 24  # step, wall time and value
MEMORY = 1 << 30  # bytes of points held at once; beyond it the least recently used runs are freed, and read again when needed
AT_ONCE = 64  # TensorBoard runs that are read between two checks of the time
WORTH_THREADS = 64 << 20  # bytes to read, from which on several threads are faster; NumPy works outside Python's lock

Progress = Callable[[int, int], None]  # called with (number of TensorBoard runs read, number of all)


class Logdir(Mapping[str, Run]):
    """A mapping from the name of a TensorBoard run (as TensorBoard names it; ``.`` for the directory itself) to `Run`.

    Example::

        logs = scram_plugin.read("logs")
        logs["exp1/train"]["epoch_loss"].values

    `roots` is one directory, or pairs of a prefix of run names and a directory (TensorBoard's ``--logdir_spec``). Remote
    directories are addresses for fsspec. Files that cannot be read raise nothing; `problems` reports them. At most `memory`
    bytes of points are held, but at least those of one run.
    """

    def __init__(self, roots: str | os.PathLike[str] | Sequence[tuple[str, str]], memory: int = MEMORY) -> None:
        self.roots = [("", os.fspath(roots))] if isinstance(roots, str | os.PathLike) else list(roots)
        self.memory = memory
        self.problems: list[Problem] = []
        self.unread: set[str] = set()  # TensorBoard runs of which nothing was read yet, for lack of time
        self._left: dict[str, list[Listed]] = {}  # what the last `refresh` found, but had no time to read
        self.not_listed: list[Problem] = []  # of `problems`: places that were left out, or could not be listed
        self._runs: dict[str, Run] = {}
        self._storages: dict[str, Local | Remote] = {}
        self._layouts = Layouts()
        self._asked = 0
        self._unbounded = 0  # bytes of points read since the last check whether they fit

    def __getitem__(self, name: str) -> Run:
        run = self._runs[name]
        self._asked += 1
        run.asked = self._asked
        if not run.held:
            self._bound(run)
        return run

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._runs))

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, name: object) -> bool:
        return name in self._runs

    def refresh(self, progress: Progress | None = None, seconds: float = math.inf) -> set[str]:
        """Read what was added since the last call. Returns the TensorBoard runs that changed, appeared or disappeared.

        Stops after about `seconds`. `complete` says whether that was enough; if not, the next call continues.
        """
        end = time.monotonic() + seconds
        changed: set[str] = set()
        if not self._left:
            self.not_listed = []
            self._left = self._list(changed, self.not_listed)
        changed |= self._read(progress, end)
        self.problems = self.not_listed + self._file_problems()
        return changed

    @classmethod
    def of(cls, root: str, listed: Mapping[str, list[Listed]], memory: int = MEMORY) -> Logdir:
        """A part of a log directory, as `directories` of its storage has listed it; `refresh` reads it."""
        logs = cls(root, memory)
        where = storage(root)
        logs._runs = {name: Run(name, where, logs._layouts) for name in listed}
        logs.unread = set(listed)
        logs._left = dict(listed)
        return logs

    @property
    def complete(self) -> bool:
        """Whether the last `refresh` had the time to read all that it found."""
        return not self._left

    def _list(self, changed: set[str], problems: list[Problem]) -> dict[str, list[Listed]]:
        """The present files of each TensorBoard run. Runs that appeared or disappeared are added to `changed`."""
        listed: dict[str, list[Listed]] = {}
        for prefix, root in self.roots:
            where = self._storage(root, problems)
            if where is None:
                continue
            for directory, files in where.directories(root, problems):
                name = os.path.normpath(os.path.join(prefix, directory)).replace(os.sep, "/") if prefix else directory
                if name not in self._runs:
                    self._runs[name] = Run(name, where, self._layouts)
                    self.unread.add(name)
                    changed.add(name)
                listed.setdefault(name, []).extend(files)
        for name in self._runs.keys() - listed.keys():
            del self._runs[name]
            self.unread.discard(name)
            changed.add(name)
        return listed

    def _storage(self, root: str, problems: list[Problem]) -> Local | Remote | None:
        if root not in self._storages:
            try:
                self._storages[root] = storage(root)
            except OSError as error:
                problems.append(Problem(root, None, f"it could not be reached ({error})"))
                return None
        return self._storages[root]

    def _read(self, progress: Progress | None, end: float) -> set[str]:
        """Read what is left and may contain something new, until the time `end`. Returns the runs that changed."""
        listed, todo, size = self._left, [], 0
        for name, files in listed.items():
            run = self._runs[name]
            unread = run.unread(files)
            if unread or len(files) != len(run.files):
                todo.append(name)
                size += sum(f.size - (run.files[f.path].offset if f.path in run.files else 0) for f in unread)

        def read(name: str) -> str | None:
            run = self._runs[name]
            grown = run.read(listed[name])
            self._unbounded += run.points * BYTES_OF_A_POINT
            if self._unbounded > self.memory // 8:  # not after every small run
                self._unbounded = 0
                self._bound(run)
            self.unread.discard(name)
            return name if grown else None

        changed = set()
        workers = min(os.cpu_count() or 1, 4, len(todo)) if size > WORTH_THREADS else 1
        with ExitStack() as stack:
            each: Callable[[Iterable[str]], Iterable[str | None]] = functools.partial(map, read)
            if workers > 1:
                from concurrent.futures import ThreadPoolExecutor  # imported late: small log directories do not need it

                each = functools.partial(stack.enter_context(ThreadPoolExecutor(workers)).map, read)
            done = 0
            while done < len(todo) and (done == 0 or time.monotonic() < end):
                for grown in each(todo[done : done + AT_ONCE]):
                    done += 1
                    if grown is not None:
                        changed.add(grown)
                    if progress is not None:
                        progress(done, len(todo))
            self._left = {name: listed[name] for name in todo[done:]}
        return changed

    def _bound(self, latest: Run) -> None:
        """Free runs, the least recently used one first, until the points that are held fit into `memory`."""
        runs = list(self._runs.values())
        held = sum(run.points for run in runs if run.held or run is latest) * BYTES_OF_A_POINT
        if held <= self.memory:
            return
        for run in sorted((r for r in runs if r.held and r is not latest), key=lambda run: run.asked):
            if held <= self.memory:
                return
            run.forget()
            held -= run.points * BYTES_OF_A_POINT

    def _file_problems(self) -> list[Problem]:
        problems = []
        for name in self:
            if sentence := self._runs[name].limit.sentence:
                problems.append(Problem(name, None, sentence))
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
                    sentence = f"read up to byte {file.offset:,} of {size:,}; the last record is incomplete"
                    problems.append(Problem(path, file.offset, sentence))
                problems += [Problem(path, None, remark) for remark in file.own.remarks]
        return list(dict.fromkeys(problems))  # settings may be of several runs


def read(logdir: str | os.PathLike[str], progress: Progress | None = None, memory: int = MEMORY) -> Logdir:
    """Read every event file below `logdir` exactly; `logdir` may be an address for fsspec (``s3://bucket/logs``).

    Returns a mapping from TensorBoard run to a mapping from tag to `Series`. Its `problems` list what could not be read, and
    its `refresh` reads what was added since. It holds at most `memory` bytes of points (24 bytes each, 1 GiB by default), but
    at least one run; freed points are read again when needed.

    Raises FileNotFoundError, NotADirectoryError or OSError for a bad `logdir`.
    """
    logs = Logdir(opened(logdir)[0], memory)
    logs.refresh(progress)
    return logs
