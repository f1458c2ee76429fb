"""Sound programs that strangers wrote: does SCRAM raise an alarm, change what they print, or break them?

    python -m tests.benchmarks.strangers [--folders first second] [--verbose]

Runs each program of `tests/strangers` as it is, and watched, with one thread. An alarm is a warning or an error. Findings that
the speed of the machine decides (`slow-input`) are counted apart.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

import scram_plugin
from tests.paths import ROOT

HERE = ROOT / "tests" / "strangers"
WATCH = re.compile(r"^([ \t]*)# WATCH\((.*)\)[ \t]*$", re.M)
# printed times differ from run to run
TIMES = re.compile(r"\d+(\.\d+)?( ?s\b| ?sec| ?ms\b| ?minutes| ?it/s)|\b(ms|s)/\w+ +\d+(\.\d+)?")
BY_THE_CLOCK = {"slow-input"}


class Result(NamedTuple):
    name: str
    broken: str  # the last line that a watched program printed before it failed where it does not fail alone
    changed: bool
    alarms: list[str]
    slow: bool


def watched(program: str, log_dir: Path) -> str:
    """The program with a call of `watch` in the place that its author names."""
    found = WATCH.search(program)
    if found is None:
        raise ValueError("there is no line `# WATCH(model, optimizer)`")
    call = f"import scram_plugin; watching = scram_plugin.watch({found[2]}, log_dir={str(log_dir)!r}, print_findings=False)"
    return f"{program[: found.start()]}{found[1]}{call}{program[found.end() :]}"


def run(program: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    file = scratch / "program.py"
    file.write_text(program, encoding="utf-8")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, file.name],
        cwd=scratch,
        env={**os.environ, **threads, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def tried(path: Path) -> Result:
    program = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        alone, with_it = run(program, Path(one)), run(watched(program, Path(two, "logs")), Path(two))
        broken = with_it.stderr.strip().splitlines()[-1] if with_it.returncode and not alone.returncode else ""
        changed = TIMES.sub("", alone.stdout) != TIMES.sub("", with_it.stdout)
        found = [f for review in scram_plugin.review(str(Path(two, "logs")), cache=False) for f in review.alone]
    alarms = [f"{f.heuristic}: {f.title}" for f in found if f.severity != "info" and f.heuristic not in BY_THE_CLOCK]
    return Result(path.stem, broken, changed, alarms, any(f.heuristic in BY_THE_CLOCK for f in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", nargs="+", default=["first", "second"])
    parser.add_argument("--verbose", action="store_true", help="name the programs and their alarms")
    asked = parser.parse_args()
    for folder in asked.folders:
        paths = sorted((HERE / folder).glob("*.py"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(track(pool.map(tried, paths), folder, len(paths), transient=True))
        alarmed = [result for result in results if result.alarms]
        broken, changed, slow = (
            sum(map(bool, of)) for of in zip(*((r.broken, r.changed, r.slow) for r in results), strict=True)
        )
        print(
            f"{folder}: {len(results)} programs, {broken} broken by watching, {changed} with another output, "
            f"{len(alarmed)} with an alarm; {slow} wait for their data (`slow-input`)"
        )
        if asked.verbose:
            for result in results:
                for line in [*([f"broken: {result.broken}"] if result.broken else []), *result.alarms]:
                    print(f"  {result.name}: {line}")
                if result.changed:
                    print(f"  {result.name}: another output")


if __name__ == "__main__":
    main()
