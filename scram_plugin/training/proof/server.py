"""``python -m scram_plugin.training.proof.server IMPORTS``: forks the runs of a proof after the imports that they share.

IMPORTS is a list of modules in JSON, each with the names that are taken from it. It reads a line of
JSON for each run, and writes one when a run was started, and when it has ended: see `fixing/processes.py`. It ends with its
input.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import sys
import tempfile
from typing import Any

from scram_plugin.proof_run import Spec
from scram_plugin.training.proof.program import end_with_parent, run

MOST_AT_ONCE = 65536  # bytes that are read at once; by definition


def preload(imports: list[tuple[str, list[str]]]) -> None:
    """Do these imports, up to one that fails: it will fail in each run, too."""
    try:
        for module, names in imports:
            taken_from = importlib.import_module(module)
            for name in names:  # `tensorflow.keras`, for example, is imported when it is asked for
                getattr(taken_from, name, None)
    except Exception:
        return


def serve() -> Spec | None:
    """Answer until the input is closed. Returns twice for each run: in the new process, it returns what is to be run."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked = b""
    with selectors.DefaultSelector() as looking:
        looking.register(0, selectors.EVENT_READ)
        looking.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in looking.select()}
            if woken in ready:
                os.read(woken, MOST_AT_ONCE)
                _tell_ended()
            if 0 not in ready:
                continue
            more = os.read(0, MOST_AT_ONCE)
            if not more:
                return None
            asked += more
            *lines, asked = asked.split(b"\n")
            for line in lines:
                order = json.loads(line)
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(woken)
                    os.close(wake)
                    _become(order)
                    return Spec.read(order["spec"])
                with contextlib.suppress(OSError):
                    os.setpgid(pid, pid)  # here as well as there: whoever comes first
                _tell("started", pid)


def _tell_ended() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell("ended", pid, os.waitstatus_to_exitcode(status))


def _tell(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def _become(order: dict[str, Any]) -> None:
    """Make the new process one that was started as this one was, with an environment and an output of its own."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    end_with_parent()
    for target, file, flags in ((0, os.devnull, os.O_RDONLY), (1, order["output"], os.O_WRONLY | os.O_APPEND)):
        opened = os.open(file, flags)
        os.dup2(opened, target)
        os.close(opened)
    os.dup2(1, 2)
    before = _given_path()
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[1:] = [*_given_path(), *(entry for entry in sys.path[1:] if entry not in before)]
    tempfile.tempdir = None  # asked for again: it is another one


def _given_path() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


if __name__ == "__main__":
    end_with_parent()
    preload(json.loads(sys.argv[1]))
    spec = serve()
    if spec is not None:
        run(spec)
