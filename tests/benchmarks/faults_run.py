"""Run a program of `tests/faults` in a process of its own, and review what it logged, at the end and on the way."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import re
import runpy
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.run import Run
from scram_plugin.logs.series import Series
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.program import complete
from scram_plugin.reviews.run import review
from tests.faults.forms import ENTRY

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("keras", "tensorflow", "torch", "lightning", "transformers"),
        *("sklearn.datasets", "sklearn.model_selection", "sklearn.metrics", "sklearn.preprocessing"),
        *("scram_plugin.training.keras", "scram_plugin.training.torch"),
    ]
)
ROLES = {"scram": "scram", "train": "training", "validation": "validation"}
LIMIT = 240.0  # seconds, after which a program is stopped; a healthy one takes up to 10
OUT, ERR = ".stdout", ".stderr"  # in the folder of the program
# the last line of a program says how good its model is
RESULT = re.compile(r"(?:accuracy|acc|R2)[:=\s]{1,3}(-?\d[\d.e-]*|nan|-?inf)\s*$", re.I | re.M)
ERROR = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*", re.M)
EVERYWHERE = ("slow-input",)  # that the machine decides


class Trained(NamedTuple):
    """`result`: how good the model is, None where the program says nothing finite; `last`: its error, "" without one."""

    review: Review | None
    result: float | None
    last: str
    seconds: float


def _run(folder: Path) -> None:
    """Run the program in its folder, as the main program of this process."""
    os.chdir(folder)
    for file, stream in ((OUT, sys.stdout), (ERR, sys.stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.path.insert(0, str(folder))
    sys.argv = [ENTRY]
    status = 0
    try:
        runpy.run_path(ENTRY, run_name="__main__")
    except Exception:  # a fault may well end the program: from here on as Python ends one, which multiprocessing does not
        sys.last_type, sys.last_value, sys.last_traceback = sys.exc_info()
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def train(folder: Path) -> Trained:
    """Run the program in a process of its own; its result, and the review of what it logged."""
    begin = time.monotonic()
    process = PROCESSES.Process(target=_run, args=(folder,))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
    last = ""
    if process.exitcode:
        errors = ERROR.findall((folder / ERR).read_text(errors="replace")) if (folder / ERR).is_file() else []
        last = errors[-1][:300] if errors else f"it ended with {process.exitcode}"
    printed = RESULT.findall((folder / OUT).read_text(errors="replace")) if (folder / OUT).is_file() else []
    result = float(printed[-1]) if printed and not last else np.nan
    runs = training_runs(read(folder / "logs")) if (folder / "logs").is_dir() else []
    reviewed = complete(review(runs[0], catalogue()), folder) if runs else None
    return Trained(reviewed, result if np.isfinite(result) else None, last, time.monotonic() - begin)


def shown(result: Review | None) -> list[Finding]:
    """All errors and warnings, also those that are folded under another finding."""
    found = result.findings if result is not None else []
    return [one for one in found if one.severity != "info" and one.heuristic not in EVERYWHERE]


def troubles(result: Review | None) -> list[Finding]:
    """The errors and warnings that stand alone, in order."""
    return [one for one in shown(result) if one.explained_by is None]


def while_it_trained(folder: Path) -> Iterator[tuple[int, Review]]:
    """The number of each epoch (from 1) twice, with the review of what had been logged in its middle and at its end."""
    logs = read(folder / "logs") if (folder / "logs").is_dir() else {}
    batches = logs["scram"].get("scram/batches/epoch") if "scram" in logs else None
    for epoch in range(int(batches.values.max()) + 1) if batches is not None else ():
        times = batches.wall_times[batches.values == epoch]
        if not len(times):
            continue
        following = batches.wall_times[batches.values == epoch + 1]
        for until in (times[len(times) // 2], following[0] - 1e-4 if len(following) else np.inf):
            early = TrainingRun(".", {name: role for name, role in ROLES.items() if name in logs}, Early(logs, until))
            yield epoch + 1, review(early, catalogue())


class Early(dict[str, Any]):
    """The TensorBoard runs of a training as they were at a wall time."""

    def __init__(self, logs: Any, until: float) -> None:
        super().__init__({name: EarlyRun(logs[name], until) for name in ROLES if name in logs})


class EarlyRun(Mapping[str, Series]):
    def __init__(self, run: Run, until: float) -> None:
        self._run, self._until, self.ended = run, until, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def __getitem__(self, tag: str) -> Series:
        series = self._run[tag]
        keep = series.wall_times <= self._until
        if not keep.any():
            raise KeyError(tag)
        return Series(series.steps[keep], series.wall_times[keep], series.values[keep])

    def find(self, tag: str) -> Series | None:
        return self.get(tag)

    def __iter__(self) -> Iterator[str]:
        return (tag for tag in self._run if (self._run[tag].wall_times <= self._until).any())

    def __len__(self) -> int:
        return sum(1 for _ in self)
