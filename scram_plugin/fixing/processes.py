"""The processes in which runs of a proof are made: of their own, or, on Linux, forked by a server that has done the imports."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from scram_plugin.fixing.leading import Import

RUN = "scram_plugin.training.proof"
SERVER = f"{RUN}.server"
TO_IMPORT = 120.0  # seconds until the server must have started a run, with the imports before the first one; by definition
LISTENS = 1.0  # seconds for which a line of the server is waited at a time; by definition
MOST_AT_ONCE = 65536  # bytes that are read at once; by definition


class Process(Protocol):
    """A process that leads a group: what it starts belongs to it."""

    @property
    def pid(self) -> int:
        """Its number, which is that of its group, too."""

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it was not seen to have ended."""

    def poll(self) -> int | None:
        """Look whether it has ended, and with which exit status."""

    def wait(self) -> object:
        """Until it has ended."""

    def terminate(self) -> None:
        """Ask it, without its group, to end."""


def own(spec: Path, output: Path, environment: Mapping[str, str]) -> Process:
    """Begin a run in a Python of its own."""
    with output.open("wb") as file:
        streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
        return _python([RUN, str(spec)], spec.parent, environment, streams)


def _python(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Mapping[str, Any]
) -> subprocess.Popen[bytes]:
    options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
    return subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, env=environment, **streams, **options)


class Forked:
    """A process that a server has forked."""

    def __init__(self, server: Server, pid: int) -> None:
        self._server, self.pid = server, pid

    @property
    def returncode(self) -> int | None:
        return self._server.status(self.pid)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self) -> None:
        while self._server.status(self.pid) is None:
            self._server.listen(LISTENS)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


class Server:
    """Forks runs of one program. What it says comes in lines: ``started PID`` and ``ended PID STATUS``."""

    def __init__(self, imports: Sequence[Import], folder: Path, environment: Mapping[str, str]) -> None:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        without_cuda = {**environment, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # a process that has begun CUDA cannot be forked
        self._process = _python([SERVER, json.dumps(imports)], folder, without_cuda, streams)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._said = b""
        self._started: list[int] = []
        self._statuses: dict[int, int] = {}
        self._gone = False

    def start(self, spec: Path, output: Path, environment: Mapping[str, str]) -> Forked | None:
        """Begin a run; None if the server does not answer."""
        if self._gone:
            return None
        output.touch()
        order = {"spec": str(spec), "output": str(output), "environment": dict(environment)}
        with contextlib.suppress(OSError):
            os.write(self._orders.fileno(), json.dumps(order).encode() + b"\n")
        until = time.monotonic() + TO_IMPORT
        while not self._started and not self._gone and (left := until - time.monotonic()) > 0:
            self.listen(left)
        if self._started:
            return Forked(self, self._started.pop())
        self.close()  # it must not begin this run later
        return None

    def status(self, pid: int) -> int | None:
        """The exit status of a process that was forked; None while it runs."""
        self.listen(0.0)
        return self._statuses.get(pid, -int(signal.SIGTERM) if self._gone else None)

    def listen(self, seconds: float) -> None:
        """Take what the server says, for which so many seconds are waited at most."""
        if self._gone or not select.select([self._answers], [], [], seconds)[0]:
            return
        more = os.read(self._answers.fileno(), MOST_AT_ONCE)
        self._gone = not more
        *lines, self._said = (self._said + more).split(b"\n")
        for line in lines:
            word, *numbers = line.split()
            if word == b"started":
                self._started.append(int(numbers[0]))
            else:
                self._statuses[int(numbers[0])] = int(numbers[1])

    def close(self) -> None:
        """End it; what it has forked is asked to end, too. It may have been closed before."""
        self._gone = True
        self._process.kill()
        self._process.wait()
        self._orders.close()
        self._answers.close()
