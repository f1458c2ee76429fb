"""Sound trainings of many kinds in full, watched: how many of them have an alarm?

    python -m tests.benchmarks.controls [--frameworks keras torch] [--programs gan vae ...]

The programs of `tests.controls` run as they are, one after another. Each model that an optimiser of PyTorch is made for is
watched, and `SCRAM()` is added to each `fit` of Keras; then `scram check` is asked. An alarm is an error or a warning that no
other one explains.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import controls
from tests.paths import ROOT, environment, state

RUNNER = Path(__file__).with_name("watched.py")


def trained(program: Path) -> tuple[list[str], int]:
    """The alarms of a program, and how many trainings it made."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(RUNNER), str(program), folder]
        surroundings = environment(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
        done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{program}: {done.stderr[-1000:]}")
        if not any(Path(folder).rglob("events.out.*")):  # a loop of Keras's own is not watched
            return [], 0
        check = [sys.executable, "-m", "scram_plugin", "check", folder, "--format", "json", "--fail-on", "never"]
        runs = json.loads(subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=True).stdout)["runs"]
    raised = [(run, f) for run in runs for f in run["findings"] if f["explained_by"] is None and f["severity"] != "info"]
    return [f"{run['name']}: {f['heuristic']}: {f['title']}" for run, f in raised], len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frameworks", nargs="+", default=["keras", "torch"])
    parser.add_argument("--programs", nargs="+")
    arguments = parser.parse_args()
    print(f"state {state()}", flush=True)
    programs = trainings = alarmed = 0
    for program in controls.PROGRAMS:
        if program.parent.name not in arguments.frameworks or program.stem not in (arguments.programs or [program.stem]):
            continue
        if not controls.can_run(program):
            print(f"{controls.name_of(program):26} needs the data sets of ../shared")
            continue
        alarms, count = trained(program)
        programs, trainings, alarmed = programs + (count > 0), trainings + count, alarmed + bool(alarms)
        print(f"{controls.name_of(program):26} {count} trainings  {'; '.join(alarms) or 'nothing'}", flush=True)
    print(f"\n{alarmed} of {programs} programs ({trainings} trainings) with an alarm.")


if __name__ == "__main__":
    main()
