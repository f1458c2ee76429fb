"""How many of the inoculated faults does `scram preflight` find, before the first epoch is over?

    python -m tests.benchmarks.preflight [--frameworks keras torch] [--seeds 201] [--kinds "no activations" ...] [--forms ...]

Programs and faults are those of `tests.benchmarks.faults`; each is given to the command as it is, and the command's answer is
read. Printed for each kind: found (an error or a warning), rightly named first, and the seconds that the command took, with
the start of Python and of the framework. False alarms are healthy programs with an error or a warning.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.benchmarks.faults import KINDS, is_right, written
from tests.faults.forms import ENTRY, PROGRAMS, Files, Program
from tests.faults.kinds import Kind, inoculated
from tests.paths import environment, state


def flown(files: Files) -> tuple[list[dict[str, Any]], float]:
    """The errors and warnings of a preflight of a program, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), files)
        command = [
            sys.executable,
            "-m",
            "scram_plugin",
            "preflight",
            "--format",
            "json",
            "--output",
            "found.json",
            ENTRY,
        ]
        begin = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begin
        if not (Path(folder) / "found.json").is_file():
            print(done.stderr[-500:])
            return [], seconds
        (run,) = json.loads((Path(folder) / "found.json").read_text())["runs"]
        return [f for f in run["findings"] if f["explained_by"] is None and f["severity"] != "info"], seconds


def judge(kind: Kind | None, program: Program, seed: int, files: Files) -> dict[str, Any]:
    found, seconds = flown(files)
    return {
        "kind": kind.name if kind else None,
        "program": program.name,
        "seed": seed,
        "found": bool(found),
        "right": bool(found) and kind is not None and is_right(found[0]["heuristic"], found[0]["causes"][0]["id"], kind),
        "first": f"{found[0]['heuristic']}/{found[0]['causes'][0]['id']}: {found[0]['title']}" if found else None,
        "seconds": seconds,
    }


def of_framework(name: str, arguments: argparse.Namespace, pool: ThreadPoolExecutor) -> None:
    kinds = KINDS[name]
    programs = [p for p in PROGRAMS if p.framework == name and p.name in (arguments.forms or [p.name])]
    waiting = []
    for seed in arguments.seeds:
        for program in programs:
            waiting.append(pool.submit(judge, None, program, seed, program.files(seed)))
            for kind, files in inoculated(kinds, program, seed, arguments.kinds):
                waiting.append(pool.submit(judge, kind, program, seed, files))
    entries = []
    for number, future in enumerate(waiting, 1):
        entries.append(entry := future.result())
        told = f"{entry['kind'] or 'healthy':34} {entry['first']}"
        print(f"{number}/{len(waiting)} {entry['program']:12} {entry['seed']} {entry['seconds']:5.1f} s  {told}", flush=True)
    faults, controls = ([e for e in entries if (e["kind"] is None) == healthy_] for healthy_ in (False, True))
    print(f"\n{name}:\n| kind of fault | runs | found | right first | seconds |\n|---|--:|--:|--:|--:|")
    for label in [*(kind.name for kind in kinds), None]:
        chosen = [e for e in faults if label in (None, e["kind"])]
        if chosen:
            shares = [sum(e[key] for e in chosen) / len(chosen) for key in ("found", "right")]
            seconds = [e["seconds"] for e in chosen]
            cells = [label or "**all**", str(len(chosen)), *(f"{share:.2f}" for share in shares)]
            print(f"| {' | '.join(cells)} | {statistics.median(seconds):.0f}, at most {max(seconds):.0f} |")
    alarms = [e for e in controls if e["found"]]
    print(f"\nHealthy programs with an error or a warning: {len(alarms)} of {len(controls)}.")
    for alarm in alarms:
        print(f"* {alarm['program']} {alarm['seed']}: {alarm['first']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frameworks", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[201])
    parser.add_argument("--kinds", nargs="*", help="without a name: healthy programs only")
    parser.add_argument("--forms", nargs="+", choices=[p.name for p in PROGRAMS])
    arguments = parser.parse_args()
    print(f"state {state()}, seeds {arguments.seeds}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name in arguments.frameworks:
            of_framework(name, arguments, pool)


if __name__ == "__main__":
    main()
