"""Runs of the user's program: each in a process and a copy of its directory of its own, two at a time.

All is in one temporary directory, which is removed at the end, and no process is left, however the end comes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scram_plugin.fixing.copies import copy
from scram_plugin.fixing.leading import leading
from scram_plugin.fixing.patch import Patch
from scram_plugin.fixing.processes import Process, Server, own
from scram_plugin.proof_run import RunResult, Spec
from scram_plugin.reviews.jobs import usable_cores

AT_ONCE = 2  # runs side by side: the one that is compared, and its partner; by definition
TO_START = 300.0  # seconds until the first batch: imports, and data that are read or made; by definition
TO_END = 30.0  # seconds after the budget was used up, for a last validation; then the program is asked to end; by definition
TO_CLOSE = 5.0  # seconds to write the rest of a log; then the process is ended; by definition
LOOKS_EVERY = 0.05  # seconds between two looks at a process; nobody waits for less
LINUX = sys.platform.startswith("linux")  # elsewhere, frameworks do not bear being forked
LAST_LINES = 4000  # bytes of what a program printed that are kept for a sentence


@dataclass(frozen=True)
class Program:
    """What is run: `script` below `folder`, which is its working directory, with its arguments; with a network or without."""

    folder: Path
    script: str
    arguments: tuple[str, ...] = ()
    network: bool = False


@dataclass(frozen=True)
class Limits:
    """The budget of a run: seconds of training, batches, epochs; None is no limit."""

    seconds: float | None = None
    batches: int | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Ran:
    """A run that has ended: its log, what it told, and the seconds that it took; `last`: the last line of its errors."""

    name: str
    log_dir: Path
    told: RunResult
    seconds: float
    last: str


class Running:
    """A run that has been started."""

    def __init__(self, name: str, place: Path, spec: Spec, process: Process) -> None:
        self.name, self._place, self._spec = name, place, spec
        self._begun = time.monotonic()
        self._asked: float | None = None  # when it was asked to end
        self._process = process

    def ended(self) -> bool:
        """Whether it has ended; one that takes too long is ended."""
        if self._process.poll() is not None:
            return True
        now, told = time.monotonic(), RunResult.read(self._spec.result)
        late = now - self._begun > TO_START if told is None else told.used and self._since() > TO_END
        if late and self._asked is None:
            self._asked = now
            self._signal(signal.SIGTERM)
        elif self._asked is not None and now - self._asked > TO_CLOSE:
            self.kill()
        return False

    def _since(self) -> float:
        """Seconds since it told something: that its budget was used up, or that it has ended."""
        return max(time.time() - os.path.getmtime(self._spec.result), 0.0)

    def result(self) -> Ran:
        """What came of it; it has ended."""
        self.kill()  # what it started may still run
        told = RunResult.read(self._spec.result) or RunResult()
        last = _last_line(self._place / "output")
        if not told.ended and not told.used and not told.error:
            told.error = "it took too long" if self._asked is not None else f"it ended with status {self._process.returncode}"
        return Ran(self.name, Path(self._spec.log_dir), told, time.monotonic() - self._begun, last)

    def kill(self) -> None:
        """End it with all that it has started."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(self._process.pid, number)
            elif self._process.poll() is None:
                self._process.terminate()


class Workshop:
    """Where runs are made. Within it, Ctrl-C and a request to end take back all that was made."""

    def __init__(self, program: Program, log_dir: Path) -> None:
        self._program, self._log_dir = program, log_dir
        self._started: list[Running] = []
        self._server: Server | None = None
        self._handlers: dict[int, Any] = {}  # of signals, as they were
        self.at_once = min(AT_ONCE, usable_cores())

    def __enter__(self) -> Workshop:
        self._folder = Path(tempfile.mkdtemp(prefix="scram-fix-"))
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            for number in self._handlers:
                signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self._ignore()
        for running in self._started:
            running.kill()
        if self._server is not None:
            self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        for number, handler in self._handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _interrupt(self, *_: Any) -> None:
        self._ignore()
        raise KeyboardInterrupt

    def _ignore(self) -> None:
        """From here on all is taken back: a second Ctrl-C would leave half of it."""
        for number in self._handlers:
            signal.signal(number, _nothing)

    def start(self, name: str, patch: Patch | None, seed: int, limits: Limits) -> Running:
        """Begin a run, of the program with this patch. Raises BadOption if its directory is too large to copy."""
        place = self._folder / f"run {len(self._started)}"
        directory, log_dir = place / "program", place / "log"
        for folder in (place / "tmp", log_dir):
            folder.mkdir(parents=True)
        copy(self._program.folder, directory, self._log_dir)
        for file in patch.files if patch is not None else ():
            changed = directory / file
            if changed.is_symlink():  # of the program's own: the copy gets a file instead
                changed.unlink()
            changed.write_bytes(patch.after(file))  # type: ignore[union-attr]
        result = place / "result"
        result.mkdir()
        spec = Spec(
            script=self._program.script,
            arguments=list(self._program.arguments),
            directory=str(directory),
            log_dir=str(log_dir),
            result=str(result / "told.json"),
            seed=seed,
            seconds=limits.seconds,
            batches=limits.batches,
            epochs=limits.epochs,
            writable=[str(path) for path in (directory, log_dir, place / "tmp", result)],
            network=self._program.network,
        )
        spec.write(place / "spec.json")
        running = Running(name, place, spec, self._process(place, directory))
        self._started.append(running)
        return running

    def _process(self, place: Path, directory: Path) -> Process:
        """Forked after the imports that all runs share, where that is possible, and one of its own otherwise."""
        spec, output = place / "spec.json", place / "output"
        environment = _environment(place, self._program, directory)
        script = self._program.folder / self._program.script
        imports = leading(script) if LINUX and self._server is None else []
        if imports:
            (self._folder / "tmp").mkdir()
            self._server = Server(imports, self._folder, _environment(self._folder, self._program, self._program.folder))
        forked = self._server.start(spec, output, environment) if self._server is not None else None
        return forked or own(spec, output, environment)

    def wait(self, running: Sequence[Running]) -> Iterator[Ran]:
        """The results of these runs, as they end."""
        left = list(running)
        while left:
            for one in [one for one in left if one.ended()]:
                left.remove(one)
                yield one.result()
            if left:
                time.sleep(LOOKS_EVERY)


def _nothing(*_: Any) -> None: ...


def _environment(place: Path, program: Program, directory: Path) -> dict[str, str]:
    """The user's own, with room to write in, no display, and so many threads that two runs do not wait for one another."""
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    threads = str(max(1, usable_cores() // AT_ONCE))
    usual = {
        **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    fixed = {
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(place / "tmp")),
        "MPLCONFIGDIR": str(place / "tmp"),
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([*(_copied(entry, program.folder, directory) for entry in path), _OWN]),
        "PWD": str(directory),
    }
    return {**usual, **os.environ, **fixed}


def _copied(entry: str, folder: Path, directory: Path) -> str:
    """A directory of modules: that in the copy, where it is one of the program's own."""
    place = Path(os.path.abspath(entry))
    inside = place.is_relative_to(folder.absolute()) and (directory / place.relative_to(folder.absolute())).exists()
    return str(directory / place.relative_to(folder.absolute()) if inside else place)


_OWN = str(Path(__file__).parent.parent.parent)  # where `scram_plugin` is found, also in a checkout


def _last_line(output: Path) -> str:
    with output.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - LAST_LINES, 0))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
