"""Faults placed into healthy programs of many forms: are they found, rightly named, and repaired by the first fix alone?

    python -m tests.benchmarks.faults [--frameworks keras torch] [--kinds "no activations" ...] [--forms digits_add ...]
                                      [--seeds 201 202] [--share 0.1] [--json FILE] [--picture FILE]

Every program (`tests/faults/forms.py`) is trained as it is (the control), and with each kind of fault that it has a place for
(`keras_kinds.py`, `torch_kinds.py`); settings, place and strength are drawn from the seeds. The placements come in an order
drawn once, and the first that do harm are judged: 200 for each framework, and 40 of two or three faults at once
(`several.py`). A placement does harm if the program ends with an error or a result that is no number, or is worse than the
control by 0.04 of accuracy, or of R2. What does none is counted, and is no fault.

Printed for each kind and each form:

* detected: the review has an error or a warning;
* right first: the first finding is the right one for the kind;
* epoch: in which the right finding was there first (median), by reviewing what had been logged up to then;
* edit: the first fix of the first finding is an edit of the program's own lines;
* runs: the edit, applied with all that belongs to it and nothing else, fits the files, and the program then runs to its end;
* repaired: no error or warning is left that the control has not, and the result is as good as the control's (less worse than
  what counts as harm);
* worse: the result is clearly worse than with the fault;
* proven (where `scram fix` can do so): `scram fix --prove` says that the edit makes it better.

Of several faults at once: how many are named by an error or a warning that stands alone, or folded under another finding.
False alarms are controls with an error or a warning, at the end or at any time on the way (looked at twice an epoch).

`--json FILE`: every single result is written there; those that are there already are not made again. `--share`: only this
part of the faults, the first of their order. The state of the repository is printed with it.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many trainings as cores: their threads would wait for one another
import numpy as np

from scram_plugin.heuristics.heuristic import Finding
from tests.benchmarks import faults_report
from tests.benchmarks.faults_run import Trained, shown, train, troubles, while_it_trained
from tests.faults import keras_kinds, torch_kinds
from tests.faults.forms import ENTRY, PROGRAMS, Files, Program
from tests.faults.kinds import Kind, inoculated
from tests.faults.several import together
from tests.paths import environment, state

KINDS = {"keras": keras_kinds.KINDS, "torch": torch_kinds.KINDS}
FAULTS, SEVERAL = 200, 40  # of each framework
HARM = 0.04  # of accuracy or R2
ORDER = 17  # seed of the order of the placements
SECONDS = 40.0  # of a core for one fault, with what is tried for it; by a tenth with PyTorch on two cores that others used, too
Entry = dict[str, Any]
# a proof makes two runs at once where it may: on one core each, proofs that are made side by side do not wait for one another
ON_CORE = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
CORES: queue.Queue[int] = queue.Queue()
for _core in sorted(os.sched_getaffinity(0)):
    CORES.put(_core)


def is_right(heuristic: str, cause: str, kind: Kind) -> bool:
    """Whether a finding with this first cause names a fault of this kind."""
    return bool({heuristic, f"{heuristic}/{cause}", f"*/{cause}"} & set(kind.right))


def names(finding: Finding, kind: Kind) -> bool:
    return is_right(finding.heuristic, finding.causes[0].id, kind)


def told(finding: Finding) -> str:
    return f"{finding.heuristic}/{finding.causes[0].id}"


def worse(value: float | None, other: float | None) -> bool:
    """Whether a result is clearly worse than another one; None is that of a program that did not end well."""
    if value is None or other is None:
        return value is None and other is not None
    return value < other - HARM


def written(folder: Path, files: Files) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def edits(edit: Any) -> list[Any]:
    """An edit with all that belong to it."""
    return [] if edit is None else [edit, *(one for more in getattr(edit, "more", ()) for one in edits(more))]


def applied(folder: Path, edit: Any) -> bool:
    """Apply an edit with all that belong to it, and nothing else. Whether its lines are those of the files."""
    texts: dict[Path, list[str]] = {}
    for one in sorted(edits(edit), key=lambda one: -one.line):  # from below: lines above keep their numbers
        path = folder / one.file
        if path.resolve().parent != folder.resolve() or not path.is_file():
            return False
        lines = texts.setdefault(path, path.read_text(encoding="utf-8").splitlines())
        before, at = one.before.splitlines(), one.line - 1
        if lines[at : at + len(before)] != before:
            return False
        lines[at : at + len(before)] = one.after.splitlines()
    for path, lines in texts.items():
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True


@functools.cache
def can_prove() -> bool:
    """Whether this version of `scram fix` has `--prove`."""
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", "fix", "--help"], env=environment(), capture_output=True, text=True, check=False
    )
    return "--prove" in done.stdout


def proven(folder: Path) -> str:
    """What `scram fix --prove` says of the fixes of the program in a folder: better, or the verdict on the first that it tried.

    "" where this version cannot prove; "nothing" where there was no fix to try, or no answer.
    """
    if not can_prove():
        return ""
    command = [sys.executable, "-m", "scram_plugin", "fix", ENTRY, "--prove", "--format", "json"]
    core = CORES.get()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ON_CORE, str(core), *command], cwd=folder, env=environment(), capture_output=True, text=True
        )
    finally:
        CORES.put(core)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        return "nothing"
    verdicts = ["better"] if answer["proven"] else [tried["verdict"] for tried in answer["tried"]]
    return str(verdicts[0]) if verdicts else "nothing"


def with_fault(program: Program, seed: int, files: Files, control: float | None) -> Entry:
    """What both single faults and several at once are asked: whether the program suffers, and what the change was."""
    return {
        "framework": program.framework,
        "program": program.name,
        "form": program.form,
        "seed": seed,
        "control": control,
        "change": faults_report.changed(program.files(seed), files),
    }


def judge(program: Program, seed: int, kind: Kind, files: Files, healthy: Entry) -> Entry:
    """One fault: what is said of it, and what the first fix does."""
    control = healthy["control"]
    entry = {**with_fault(program, seed, files, control), "kind": kind.name, "right_ones": list(kind.right)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, files)
        faulty = train(folder)
        entry |= {"value": faulty.result, "last": faulty.last, "suffers": worse(faulty.result, control)}
        if not entry["suffers"]:
            return entry
        found = troubles(faulty.review)
        edit = found[0].fixes[0].edit if found and found[0].fixes else None
        entry |= {
            "detected": bool(found),
            "right": bool(found) and names(found[0], kind),
            "first": told(found[0]) if found else None,
            "all": [told(one) for one in found],
            "epoch": epoch_of(folder, kind, any(names(one, kind) for one in found)),
            "edit": faults_report.as_text(edits(edit)),
        }
        if edit is None:
            return entry
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, files)
        entry["applied"] = applied(folder, edit)
        if entry["applied"]:
            after = train(folder)
            left = [one for one in map(told, troubles(after.review)) if one not in healthy["alarms"]]
            as_good = not worse(after.result, control)
            entry |= {"after": after.result, "after_last": after.last, "runs": after.last == "", "left": left}
            entry |= {"repaired": not left and as_good, "as_good": as_good, "worse": worse(after.result, faulty.result)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, files)
        entry["proven"] = proven(folder)
    return entry


def judge_several(program: Program, seed: int, kinds: Sequence[Kind], files: Files, control: float | None) -> Entry:
    """Several faults at once: which of them are named."""
    entry = {**with_fault(program, seed, files, control), "kinds": [kind.name for kind in kinds]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, files)
        faulty = train(folder)
    found = troubles(faulty.review)
    return {
        **entry,
        "value": faulty.result,
        "last": faulty.last,
        "suffers": worse(faulty.result, control),
        "detected": bool(found),
        "all": [told(one) for one in found],
        "named": [kind.name for kind in kinds if any(names(one, kind) for one in found)],
        "shown": [kind.name for kind in kinds if any(names(one, kind) for one in shown(faulty.review))],
    }


def epoch_of(folder: Path, kind: Kind, ended_right: bool) -> float | None:
    """In which epoch the right finding was there first."""
    epochs = 0
    for epochs, result in while_it_trained(folder):
        if any(names(one, kind) for one in troubles(result)):
            return float(epochs)
    return 1.0 if ended_right and not epochs else None  # it ended in its first step


def judge_control(program: Program, seed: int) -> Entry:
    """A healthy program: how good it becomes, and its alarms, at the end and at any time on the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, program.files(seed))
        trained: Trained = train(folder)
        passing = [f"epoch {epoch}, {told(one)}" for epoch, early in while_it_trained(folder) for one in troubles(early)]
        return {
            "framework": program.framework,
            "program": program.name,
            "form": program.form,
            "seed": seed,
            "control": trained.result,
            "last": trained.last,
            "seconds": trained.seconds,
            "alarms": [*map(told, troubles(trained.review))],
            "passing": passing,
        }


class Results:
    """Results by their keys, kept in a file where one is given."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._lock = file, threading.Lock()
        self._entries: dict[str, Entry] = {}
        if file is not None and file.is_file():
            self._entries = json.loads(file.read_text(encoding="utf-8"))

    def get(self, key: str, make: Callable[[], Entry]) -> Entry:
        if key not in self._entries:
            entry = make()
            with self._lock:
                self._entries[key] = entry
                if self._file is not None:
                    self._file.write_text(json.dumps(self._entries, indent=1), encoding="utf-8")
        return self._entries[key]


class Benchmark:
    """All trainings with one framework."""

    def __init__(self, framework: str, arguments: argparse.Namespace, results: Results) -> None:
        self.framework, self.arguments, self.results = framework, arguments, results
        wanted = arguments.forms or [p.name for p in PROGRAMS]
        self.programs = [p for p in PROGRAMS if p.framework == framework and p.name in wanted]

    def control(self, program: Program, seed: int) -> Entry:
        return self.results.get(f"{self.framework} {program.name} {seed}", lambda: judge_control(program, seed))

    def fault(self, program: Program, seed: int, kind: Kind, files: Files) -> Entry:
        healthy = self.control(program, seed)
        key = f"{self.framework} {program.name} {seed} {kind.name}"
        return self.results.get(key, lambda: judge(program, seed, kind, files, healthy))

    def several(self, program: Program, seed: int, kinds: Sequence[Kind], files: Files) -> Entry:
        """Only where each of the faults does harm alone."""
        known = {kind.name: text for kind, text in inoculated(KINDS[self.framework], program, seed, [k.name for k in kinds])}
        alone = [self.fault(program, seed, kind, known[kind.name]) for kind in kinds]
        if not all(entry["suffers"] for entry in alone):
            return {"suffers": False, "kind": " + ".join(kind.name for kind in kinds)}
        control = self.control(program, seed)["control"]
        key = f"{self.framework} {program.name} {seed} {' + '.join(kind.name for kind in kinds)}"
        return self.results.get(key, lambda: judge_several(program, seed, kinds, files, control))

    def places(self) -> list[Callable[[], Entry]]:
        found: list[Callable[[], Entry]] = [
            functools.partial(self.fault, program, seed, kind, files)
            for seed in self.arguments.seeds
            for program in self.programs
            for kind, files in inoculated(KINDS[self.framework], program, seed, self.arguments.kinds)
        ]
        return drawn(found)

    def places_of_several(self) -> list[Callable[[], Entry]]:
        found: list[Callable[[], Entry]] = [
            functools.partial(self.several, program, seed, kinds, files)
            for seed in self.arguments.seeds
            for program in self.programs
            for kinds, files in together(KINDS[self.framework], program, seed)
            if self.arguments.kinds is None or all(kind.name in self.arguments.kinds for kind in kinds)
        ]
        return drawn(found)

    def run(self, pool: ThreadPoolExecutor) -> str:
        share = self.arguments.share
        if share == 1:
            list(pool.map(lambda at: self.control(*at), [(p, s) for s in self.arguments.seeds for p in self.programs]))
        faults, harmless = first_harmful(pool, self.places(), round(FAULTS * share))
        several, masked = first_harmful(pool, self.places_of_several(), round(SEVERAL * share))
        used = {(e["program"], e["seed"]) for e in (*faults, *several)}
        everything = [(p, s) for p in self.programs for s in self.arguments.seeds if share == 1 or (p.name, s) in used]
        controls = [self.control(*at) for at in everything]
        if self.arguments.picture:
            self.arguments.picture.with_suffix(f".{self.framework}.svg").write_text(faults_report.picture(faults))
        return faults_report.report(self.framework, faults, harmless, several, len(masked), controls)


def drawn(places: list[Callable[[], Entry]]) -> list[Callable[[], Entry]]:
    return [places[at] for at in np.random.default_rng(ORDER).permutation(len(places))]


def first_harmful(
    pool: ThreadPoolExecutor, places: Sequence[Callable[[], Entry]], wanted: int
) -> tuple[list[Entry], list[Entry]]:
    """The results of the first places that do harm, in their order, and those of the places before them that do none."""
    harmful: list[Entry] = []
    harmless: list[Entry] = []
    for number, entry in enumerate(in_order(pool, places), 1):
        if len(harmful) == wanted:
            break
        (harmful if entry["suffers"] else harmless).append(entry)
        print(f"{len(harmful)}/{wanted} of {number}  {faults_report.line(entry)}", flush=True)
    return harmful, harmless


def in_order(pool: ThreadPoolExecutor, places: Iterable[Callable[[], Entry]]) -> Iterator[Entry]:
    """Results in the order of their places; as many are made ahead as there are cores."""
    waiting = []
    for place in places:
        waiting.append(pool.submit(place))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted({kind.name for known in KINDS.values() for kind in known})
    parser.add_argument("--frameworks", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[201, 202])
    parser.add_argument("--kinds", nargs="+", choices=kinds)
    parser.add_argument("--forms", nargs="+", choices=[p.name for p in PROGRAMS])
    parser.add_argument("--share", type=float, default=1.0, help="judge only this part of the faults, drawn at random")
    parser.add_argument("--json", type=Path, help="keep every single result here, and go on from there")
    parser.add_argument("--picture", type=Path, help="draw the faults here, to NAME.<framework>.svg")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    minutes = len(arguments.frameworks) * (FAULTS + SEVERAL) * arguments.share * SECONDS / cores / 60
    print(f"state {state()}, seeds {arguments.seeds}; about {minutes:.0f} minutes on {cores} cores", flush=True)
    begin = time.monotonic()
    results = Results(arguments.json)
    with ThreadPoolExecutor(cores) as pool:  # each waits for one training process at a time
        for name in arguments.frameworks:
            print(Benchmark(name, arguments, results).run(pool), flush=True)
    print(f"It took {(time.monotonic() - begin) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
