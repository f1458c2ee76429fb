"""Programs that strangers wrote, sound and with faults: what does SCRAM say of them, and does it change or break them?

    python -m tests.benchmarks.strangers [--folders first second] [--verbose] [--only PART] [--sound] [--preflight] [--overhead]

Runs each program of `tests/strangers` with one thread. A sound one is run as it is, and watched: an alarm is an error or a
warning. One with a fault is run watched. Printed for each folder:

* detected: the review has an error or a warning;
* named first: the first finding is one that names this kind of fault (`strangers_kinds.py`);
* edit: the first fix of the first finding changes the program's own lines;
* repaired: with that edit the program ends as well as the sound one, within 5 % of what the fault cost;
* sound programs with an alarm, with another output, or broken by watching.

`--preflight`: the same with `scram preflight` in place of watching. `--overhead`: the processor's time from the line WATCH to
the end, and that of the later half of the steps, watched and not, of sound programs. What the speed of the machine decides
(`slow-input`) is counted apart.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track

import scram_plugin
from scram_plugin.heuristics.heuristic import Finding
from tests.benchmarks.strangers_kinds import EVERYWHERE, is_right
from tests.benchmarks.strangers_programs import Program, Ran, programs, run, timed, watched
from tests.paths import environment, state

LOST = 0.05  # share of what the fault cost that may still be missing after its repair
SHORT = 0.002  # seconds; programs with shorter steps are left out of the overhead
ROUNDS = 3


class Result(NamedTuple):
    program: Program
    broken: str
    changed: bool
    found: list[dict[str, Any]]  # errors and warnings that stand alone, in order
    slow: bool
    edit: bool
    ran: Ran
    step: float | None = None  # seconds


def told(finding: Finding) -> dict[str, Any]:
    cause = finding.causes[0]
    return {"heuristic": finding.heuristic, "cause": cause.id, "title": finding.title, "edit": finding.fixes[0].edit}


def reviewed(logs: Path) -> tuple[list[dict[str, Any]], bool, float | None]:
    reviews = scram_plugin.review(str(logs), cache=False) if logs.is_dir() else []
    found = [f for review in reviews for f in review.alone]
    alarms = [told(f) for f in found if f.severity != "info" and f.heuristic not in EVERYWHERE]
    return alarms, any(f.heuristic in EVERYWHERE for f in found), step_of(logs)


def step_of(logs: Path) -> float | None:
    """The median time of a step, in seconds."""
    for log in scram_plugin.read(str(logs)).values() if logs.is_dir() else ():
        for tag in log:
            times = np.unique(log[tag].wall_times) if "batch" in tag else np.array([])
            if len(times) > ROUNDS:
                return float(np.median(np.diff(times)))
    return None


def tried(program: Program) -> Result:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        logs = Path(two, "logs")
        ran = run(watched(program, logs), Path(two))
        alone = run(program.text, Path(one)) if not program.kind or ran.status else ran
        found, slow, step = reviewed(logs)
        # the traceback of a fault that ends the program is its own
        broken = ran.last if ran.status and not alone.status else ""
        edit = bool(found and found[0]["edit"] is not None)
        return Result(program, broken, alone.output != ran.output, found, slow, edit, ran, step)


def repaired(program: Program, edit: Any, sound: Ran, faulty: Ran) -> bool:
    """Whether the program ends well with the edit."""
    with tempfile.TemporaryDirectory() as folder:
        text = watched(program, Path(folder, "logs"))
        lines, before = text.splitlines(), edit.before.splitlines()
        at = edit.line - 1
        if lines[at : at + len(before)] != before:
            return False
        after = "\n".join([*lines[:at], *edit.after.splitlines(), *lines[at + len(before) :], ""])
        ran = run(after, Path(folder))
        found, _, _ = reviewed(Path(folder, "logs"))
    if ran.status or ran.result is None or sound.result is None or found:
        return False
    cost = sound.result - (faulty.result if faulty.result is not None and np.isfinite(faulty.result) else sound.result)
    return ran.result >= sound.result - max(LOST * abs(sound.result), LOST * abs(cost))


def flown(program: Program) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "program.py").write_text(program.text, encoding="utf-8")
        how = ["preflight", "--format", "json", "--output", "found.json", "program.py"]
        done = subprocess.run(
            [sys.executable, "-m", "scram_plugin", *how],
            cwd=folder,
            env=environment(OMP_NUM_THREADS="1", PYTHONPATH=os.getcwd()),
            capture_output=True,
            text=True,
            check=False,
        )
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if not Path(folder, "found.json").is_file():
            broken = "" if last.startswith("scram: ") else last  # a sentence says why it could not be tested
            return Result(program, broken, False, [], False, False, Ran(done.returncode, "", last, None, None))
        runs = json.loads(Path(folder, "found.json").read_text())["runs"]
        found = [
            {"heuristic": f["heuristic"], "cause": f["causes"][0]["id"], "title": f["title"], "edit": None}
            for one in runs
            for f in one["findings"]
            if f["explained_by"] is None and f["severity"] != "info" and f["heuristic"] not in EVERYWHERE
        ]
        return Result(program, "", False, found, False, False, Ran(0, "", "", None, None))


def overhead(sound: Iterable[Result]) -> list[tuple[float, float]]:
    """Processor's time watched, over that without, in the median of some rounds: of all, and of the later half of the steps."""
    ratios = []
    for result in sound:
        if result.step is None or result.step < SHORT or result.program.framework != "torch":
            continue
        found = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
                alone = run(timed(result.program), Path(one))
                with_it = run(watched(result.program, Path(two, "logs"), clock=True), Path(two))
            if alone.cpu and with_it.cpu and alone.late and with_it.late:
                found.append((with_it.cpu / alone.cpu, with_it.late / alone.late))
        if found:
            whole, late = zip(*found, strict=True)
            ratios.append((statistics.median(whole), statistics.median(late)))
    return ratios


def share(part: int, of: int) -> str:
    return f"{part} of {of} ({part / max(of, 1):.2f})"


def report(folder: str, results: list[Result], verbose: bool) -> None:
    sound, faulty = ([r for r in results if bool(r.program.kind) is fault] for fault in (False, True))
    by_name = {r.program.name: r for r in sound}
    right = [r for r in faulty if r.found and is_right(r.program.kind, r.found[0]["heuristic"], r.found[0]["cause"])]
    alarmed = [r for r in sound if r.found]
    print(f"{folder}: {len(sound)} sound programs, {len(faulty)} faults")
    named = f"named first {share(len(right), len(faulty))}"
    print(f"  detected {share(sum(bool(r.found) for r in faulty), len(faulty))}, {named}", flush=True)
    edits = [r for r in faulty if r.edit]
    pairs = [(r, by_name[name]) for r in edits if (name := r.program.name.partition("--")[0]) in by_name]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        mended = sum(
            pool.map(lambda pair: repaired(pair[0].program, pair[0].found[0]["edit"], pair[1].ran, pair[0].ran), pairs)
        )
    print(f"  first fix is an edit {share(len(edits), len(faulty))}, repaired {share(mended, len(faulty))}")
    slow = sum(r.slow for r in sound)
    print(
        f"  sound: with an alarm {share(len(alarmed), len(sound))}, broken {sum(bool(r.broken) for r in results)}, "
        f"another output {sum(r.changed for r in sound)}; {slow} wait for their data (`slow-input`)"
    )
    for r in results if verbose else ():
        marks = "right" if r in right else "" if not r.program.kind else "WRONG" if r.found else "SILENT"
        said = "; ".join(f"{f['heuristic']}/{f['cause']}: {f['title']}" for f in r.found[:2])
        if r.program.kind or r.found or r.broken or r.changed:
            print(f"    {r.program.name}: {marks} {said} {r.broken and f'BROKEN {r.broken}'} {'CHANGED' if r.changed else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", nargs="+", default=["first", "second"])
    parser.add_argument("--only", default="", metavar="PART", help="programs with this in their names")
    parser.add_argument("--sound", action="store_true", help="leave out the programs with a fault")
    parser.add_argument("--preflight", action="store_true", help="let `scram preflight` look at the programs")
    parser.add_argument("--overhead", action="store_true", help="also measure what watching costs")
    parser.add_argument("--verbose", action="store_true", help="name the programs and their findings")
    asked = parser.parse_args()
    print(f"state {state()}")
    # as an installation does; otherwise, where Python writes no byte code, each program would compile SCRAM
    compileall.compile_dir(str(Path(scram_plugin.__file__).parent), quiet=1)
    for folder in asked.folders:
        wanted = [p for p in programs(folder) if asked.only in p.name and not (asked.sound and p.kind)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            how = flown if asked.preflight else tried
            results = list(track(pool.map(how, wanted), folder, len(wanted), transient=True))
        report(f"{folder}{', preflight' if asked.preflight else ''}", results, asked.verbose)
        if asked.overhead and not asked.preflight:
            ratios = overhead(r for r in results if not r.program.kind)
            for what, values in zip(("in all", "of the later half of the steps"), zip(*ratios, strict=True), strict=False):
                usual = f"median {statistics.median(values):.3f}, largest {max(values):.3f}"
                print(f"  processor's time {what}, watched over not: {usual}")


if __name__ == "__main__":
    main()
