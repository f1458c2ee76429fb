"""Runs the tests: ``python -m tests.run [--full] [PYTEST ARGUMENTS]``; `make test` and `make test-all` call it.

Each framework has processes of its own, and tests that need none have others. In each group the tests run on all cores; then
the tests that measure time or memory run one at a time. At the end the slowest tests are listed. ``--full`` adds the slow tests
and the full size of every set, and first trains all recorded programs again (see ``tests/recorded``).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.conftest import LONGEST, MAY_TAKE_LONGER
from tests.paths import ROOT

# tests that make environments of their own, each on its own: a file of them would keep one core busy for long
PACKAGES = ["tests/test_extras.py", "tests/test_versions.py"]
BROWSER = ["tests/browser", "tests/attacks/test_browser.py"]
KERAS = ["tests/training/keras", "tests/attacks/test_kills.py"]
OTHERS = [*BROWSER, *KERAS, "tests/training/torch", *PACKAGES]
GROUPS = {
    "packages": PACKAGES,
    "reading": ["tests", *(f"--ignore={path}" for path in OTHERS)],
    "browser": BROWSER,
    "keras": KERAS,
    "torch": ["tests/training/torch"],
}
ONE_BY_ONE = ("packages",)  # groups whose tests share nothing, and need not stay together by file
WAITING = ("browser",)  # groups whose tests wait more than they compute: two at once for each core
MEASURING = ("reading", "browser")  # groups with tests that run alone; conftest.py refuses such a test in another group
SHOWN = 20
NO_TESTS = 5  # pytest's exit status


class Report(NamedTuple):
    """One run of pytest. `attacks` are those of `tests/attacks`: name, how many were tried, and how many did not hold."""

    status: int
    seconds: dict[str, float]
    attacks: list[tuple[str, int, int]]
    last: str


def run(group: str, alone: bool, full: bool, more: list[str], scratch: Path) -> Report:
    chosen = ["alone" if alone else "not alone"] + ([] if full else ["not slow"])
    cores = os.cpu_count() or 1
    count, how = 2 * cores if group in WAITING else cores, "worksteal" if group in ONE_BY_ONE else "loadfile"
    processes = [] if alone else ["-n", str(count), "--dist", how]
    report, log = scratch / "report.json", scratch / "output.txt"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "SCRAM_TESTS": group, "SCRAM_TEST_REPORT": str(report)}
    command = [sys.executable, "-m", "pytest", *GROUPS[group], "-m", " and ".join(chosen), *processes, *more]
    print(f"== {group}{', one at a time' if alone else ''}", flush=True)
    with log.open("w+") as kept:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.write(line)
        status = process.wait()
    last = (log.read_text().strip().splitlines() or [""])[-1]
    told = json.loads(report.read_text()) if report.exists() else {"seconds": {}, "attacks": []}
    return Report(status, told["seconds"], told["attacks"], last)


def too_long(seconds: dict[str, float]) -> list[str]:
    """The tests over `LONGEST` that no reason is given for."""
    return [test for test, taken in seconds.items() if taken > LONGEST and not any(part in test for part in MAY_TAKE_LONGER)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the slow tests too, and the full size of every set")
    parser.add_argument("--group", choices=GROUPS, action="append", help="only this group; may be given several times")
    given, more = parser.parse_known_args()
    start = time.monotonic()
    failed: list[str] = []
    seconds: dict[str, float] = {}
    attacks: dict[str, tuple[int, int]] = {}  # attack -> how many were tried, and how many did not hold
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    with tempfile.TemporaryDirectory() as scratch:
        if given.full:
            os.environ["SCRAM_FULL"] = "1"
            fresh = Path(scratch, "fresh")
            print("== training the recorded programs anew", flush=True)
            if subprocess.run([sys.executable, "-m", "tests.recorded.record", "--into", str(fresh)], cwd=ROOT).returncode:
                failed.append("tests.recorded.record")
            os.environ["SCRAM_RECORDED"] = str(fresh)
        for group in given.group or [name for name in GROUPS if given.full or name not in ONE_BY_ONE]:
            for alone in (False, True) if group in MEASURING else (False,):
                report = run(group, alone, given.full, more, Path(scratch))
                if report.status not in (0, NO_TESTS):
                    failed.append(f"{group}{', one at a time' if alone else ''}: exit status {report.status}")
                seconds |= report.seconds
                for attack, tried, broken in report.attacks:
                    before = attacks.get(attack, (0, 0))
                    attacks[attack] = before[0] + tried, before[1] + broken
                for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", report.last):
                    counts[word] += int(number)
    print(f"\nthe slowest {SHOWN} of {len(seconds)} tests, in seconds, with what they set up:")
    for test, taken in sorted(seconds.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"{taken:8.1f}  {test}")
    files: Counter[str] = Counter()
    for test, taken in seconds.items():
        files[test.partition("::")[0]] += taken
    print(f"\nthe slowest {SHOWN} of {len(files)} files of tests, in seconds:")
    for file, taken in files.most_common(SHOWN):
        print(f"{taken:8.1f}  {file}")
    if attacks:
        print("\nattacks (tests/attacks):\n   tried  did not hold")
    for attack, (tried, broken) in attacks.items():
        print(f"{tried:8,}  {broken:12,}  {attack}")
    if long := too_long(seconds):  # no failure: a busy machine is no fault of the tests
        print(f"over {LONGEST:.0f} s, and not in MAY_TAKE_LONGER of tests/conftest.py:", *long, sep="\n  ")
    print(f"{time.monotonic() - start:.0f} s in all" + "".join(f"\n{what}" for what in failed))
    wrong = counts["failed"] + counts["error"] + (len(failed) if failed and not counts["failed"] + counts["error"] else 0)
    print(f"{counts['passed']} passed, {wrong} failed, {counts['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
