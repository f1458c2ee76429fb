"""Faults inoculated into healthy programs: are they found, rightly named, and repaired by the first fix alone?

    python -m tests.benchmarks.faults [--frameworks keras torch] [--seeds 201 202] [--kinds "no softmax" ...] [--json FILE]

Every program (`tests/faults/programs.py`, `torch_programs.py`) is trained as it is (the control), and with each kind of fault
that it has a place for (`kinds.py`, `torch_kinds.py`); settings, place and strength are drawn from the seeds.
Printed for each kind:

* detected: the review has an error or a warning;
* rightly diagnosed: the first finding is the right one for the kind;
* epoch: in which the right finding was there first (median), by reviewing what had been logged up to then;
* repaired: the `edit` of the first fix, applied with `patch` and nothing else, trained again: no error or warning is left, and
  the validation is as good as the control's (accuracy 0.04 less, or a loss a fifth higher, at most).

False alarms are controls with an error or a warning, at the end or at any time on the way (looked at twice an epoch). The
state of the repository is printed with it.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many trainings as cores: their threads would wait for one another
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
from tests.benchmarks import faults_report
from tests.faults import kinds, programs, torch_kinds, torch_programs
from tests.faults.kinds import Kind
from tests.faults.programs import Program
from tests.paths import state

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["keras", "tensorflow", "torch", "sklearn.datasets", "scram_plugin.training.keras", "scram_plugin.training.torch"]
)
SETS = {"keras": (programs.PROGRAMS, kinds.KINDS), "torch": (torch_programs.PROGRAMS, torch_kinds.KINDS)}
ROLES = {"scram": "scram", "train": "training", "validation": "validation"}
ACCURACY, LOSS = 0.04, 1.2  # how much worse than the control still counts as good as it


class Early(dict[str, Any]):
    """The TensorBoard runs of a training as they were at a wall time."""

    def __init__(self, logs: Any, until: float) -> None:
        super().__init__({name: EarlyRun(logs[name], until) for name in ("scram", "train", "validation") if name in logs})


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


def run_program(folder: Path) -> None:
    """Run `program.py` in its folder, as the main program of this process."""
    os.chdir(folder)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  - this process ends with the program
    with contextlib.suppress(Exception):  # a fault may well end the program
        runpy.run_path("program.py", run_name="__main__")


def train(folder: Path) -> Review | None:
    """Run `program.py` in a process of its own; the review of what it logged."""
    process = PROCESSES.Process(target=run_program, args=(folder,))
    process.start()
    process.join()
    runs = training_runs(read(folder / "logs")) if (folder / "logs").is_dir() else []
    if not runs:
        return None
    result = review(runs[0], catalogue())
    return complete(result, folder)


def best(folder: Path, program: Program) -> float | None:
    """The best value of the program's measure on its validation data."""
    if not (folder / "logs").is_dir():
        return None
    logs = read(folder / "logs")
    series = logs["validation"].get(program.metric) if "validation" in logs else None
    if series is None or not np.isfinite(series.values).any():
        return None
    return float((np.nanmax if program.higher else np.nanmin)(series.values[np.isfinite(series.values)]))


def troubles(result: Review | None) -> list[Finding]:
    found = result.findings if result is not None else []
    return [f for f in found if f.explained_by is None and f.severity != "info"]


def is_right(finding: Finding, kind: Kind) -> bool:
    cause = finding.causes[0].id
    names = {finding.heuristic, f"{finding.heuristic}/{cause}", f"*/{cause}"}
    return bool(names & set(kind.right))


def while_it_trained(folder: Path) -> Iterator[tuple[int, Review]]:
    """The number of each epoch (from 1) twice, with the review of what had been logged in its middle and at its end."""
    logs = read(folder / "logs") if (folder / "logs").is_dir() else {}
    batches = logs["scram"].get("scram/batches/epoch") if "scram" in logs else None
    for epoch in range(int(batches.values.max()) + 1) if batches is not None else ():
        times = batches.wall_times[batches.values == epoch]
        following = batches.wall_times[batches.values == epoch + 1]
        for until in (times[len(times) // 2], following[0] - 1e-4 if len(following) else np.inf):
            early = TrainingRun(".", {name: role for name, role in ROLES.items() if name in logs}, Early(logs, until))
            yield epoch + 1, review(early, catalogue())


def epoch_of(folder: Path, kind: Kind, ended_right: bool) -> float | None:
    """In which epoch the right finding was there first."""
    epochs = 0
    for epochs, result in while_it_trained(folder):
        if any(is_right(f, kind) for f in troubles(result)):
            return float(epochs)
    return 1.0 if ended_right and not epochs else None  # it ended in its first step


def patched(folder: Path, finding: Finding) -> bool:
    """Apply the first fix's edit with `patch`, and nothing else. Whether that could be done."""
    edit = finding.fixes[0].edit if finding.fixes else None
    if edit is None:
        return False
    program = folder / "program.py"
    before = program.read_text().splitlines(keepends=True)
    old = [f"{line}\n" for line in edit.before.splitlines()]
    at = edit.line - 1
    if before[at : at + len(old)] != old:
        return False
    after = before[:at] + [f"{line}\n" for line in edit.after.splitlines()] + before[at + len(old) :]
    difference = "".join(difflib.unified_diff(before, after, "program.py", "program.py"))
    return subprocess.run(["patch", "-p0", "-s"], input=difference, text=True, cwd=folder, check=False).returncode == 0


def good(value: float | None, control: float | None, program: Program) -> bool:
    if value is None or control is None:
        return False
    return value >= control - ACCURACY if program.higher else value <= control * LOSS


def judge(kind: Kind, program: Program, seed: int, source: str, control: float | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(source)
        result = train(folder)
        found = troubles(result)
        entry: dict[str, Any] = {
            "kind": kind.name,
            "program": program.name,
            "seed": seed,
            "detected": bool(found),
            "right": bool(found) and is_right(found[0], kind),
            "first": f"{found[0].heuristic}/{found[0].causes[0].id}" if found else None,
            "all": [f.heuristic for f in found],
            "epoch": epoch_of(folder, kind, any(is_right(f, kind) for f in found)),
            "value": best(folder, program),
            "control": control,
        }
        entry["edited"] = bool(found) and patched(folder, found[0])
        entry["repaired"] = False
        if entry["edited"]:
            subprocess.run(["rm", "-rf", str(folder / "logs")], check=True)
            left = troubles(train(folder))
            entry["after"] = best(folder, program)
            entry["left"] = [f.heuristic for f in left]
            entry["repaired"] = not left and good(entry["after"], control, program)
        return entry


def controls(program: Program, seed: int) -> tuple[float | None, list[str], list[str]]:
    """How good it becomes, and its alarms: at the end, and those that were there at some time on the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(program.source(seed))
        result = train(folder)
        passing = [f"epoch {epoch}, {told(f)}" for epoch, early in while_it_trained(folder) for f in troubles(early)]
        return best(folder, program), [told(f) for f in troubles(result)], passing


def told(finding: Finding) -> str:
    return f"{finding.heuristic}: {finding.title}"


def of_framework(name: str, arguments: argparse.Namespace, pool: ThreadPoolExecutor) -> None:
    """All trainings with one framework; prints their table."""
    entries: list[dict[str, Any]] = []
    alarms: list[str] = []
    passing: list[str] = []
    known_programs, known_kinds = SETS[name]
    chosen = [p for p in known_programs if p.name in arguments.programs]
    trained = [(seed, program) for seed in arguments.seeds for program in chosen]
    waiting: list[Future[dict[str, Any]]] = []
    outcomes = pool.map(lambda p: controls(p[1], p[0]), trained)
    for (seed, program), (control, alarmed, passed) in zip(trained, outcomes, strict=True):
        alarms += [f"{program.name} {seed}: {alarm}" for alarm in alarmed[:1]]
        passing += [f"{program.name} {seed}: {alarm}" for alarm in passed[:1]]
        for kind, source in kinds.inoculated(known_kinds, program, seed, arguments.kinds):
            waiting.append(pool.submit(judge, kind, program, seed, source, control))
    for number, future in enumerate(as_completed(waiting), 1):
        entries.append(entry := {"framework": name, **future.result()})
        said = f"{entry['first']}, epoch {entry['epoch']}, repaired: {entry['repaired']}"
        print(f"{number}/{len(waiting)} {entry['program']:12} {entry['seed']} {entry['kind']:30} {said}", flush=True)
        if arguments.json:
            arguments.json.with_suffix(f".{name}.json").write_text(json.dumps(entries, indent=1))
    print(f"\n{name}:\n" + faults_report.table(entries, known_kinds, len(trained), alarms, passing), flush=True)
    if arguments.picture:
        picture = faults_report.picture(entries, known_kinds, chosen)
        arguments.picture.with_suffix(f".{name}.svg").write_text(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted({kind.name for _, known_kinds in SETS.values() for kind in known_kinds})
    parser.add_argument("--frameworks", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[201, 202])
    parser.add_argument("--kinds", nargs="*", choices=names, help="without a name: controls only")
    parser.add_argument("--programs", nargs="+", choices=[p.name for p in programs.PROGRAMS])
    parser.add_argument("--json", type=Path, help="write every single result here, to NAME.<framework>.json")
    parser.add_argument("--picture", type=Path, help="draw them here, to NAME.<framework>.svg")
    arguments = parser.parse_args()
    arguments.programs = arguments.programs or [p.name for p in programs.PROGRAMS]
    print(f"state {state()}, seeds {arguments.seeds}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for one training process at a time
        for name in arguments.frameworks:
            of_framework(name, arguments, pool)


if __name__ == "__main__":
    main()
