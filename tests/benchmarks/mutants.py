"""Mutants of the checks and of the review: how many do the tests kill?

    python -m tests.benchmarks.mutants [--count 60] [--seed 1]

Cosmic Ray makes all mutants of the modules below. A sample of them, drawn by the seed, is put one after another into a copy of
the working tree. The tests of checks and reviews run on each until the first one fails. A mutant that survives is a line that
no test cares about, or one that means the same.
"""

import argparse
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.paths import ROOT, state

MUTATED = ("scram_plugin/heuristics", *(f"scram_plugin/reviews/{name}.py" for name in ("model", "run", "explain", "policy")))
# texts, pages and edits of source code have tests that compare words, and no arithmetic to get wrong
LEFT_OUT = ("scram_plugin/heuristics/edits/*", "scram_plugin/heuristics/linting.py", "scram_plugin/heuristics/__init__.py")
TESTS = (
    "tests/recorded",
    "tests/heuristics",
    "tests/test_inside.py",
    "tests/test_comparison.py",
    "tests/test_accepting.py",
    "tests/test_options.py",
    "tests/test_trust.py",
    "tests/test_reports.py::test_a_baseline_lets_only_new_findings_count",
    "tests/test_reports.py::test_a_baseline_of_a_baseline_is_the_same",
    "tests/test_reports.py::test_a_baseline_that_is_none_is_a_sentence",
)
NOT_RUN = ("tests/heuristics/test_snippets.py", "tests/heuristics/test_linting.py", "tests/heuristics/test_own_heuristic.py")
# `int | None` in an annotation is never evaluated: no test can see what becomes of it
NO_OPERATOR = "core/ReplaceBinaryOperator_BitOr%"
SECONDS = 600  # for one mutant: more is as good as a failure
CONFIGURATION = """
[cosmic-ray]
module-path = {modules}
timeout = {seconds}
excluded-modules = {left_out}
test-command = {command!r}

[cosmic-ray.distributor]
name = "local"
"""


def copied(into: Path) -> Path:
    """The files of the working tree that git knows or would take, and the built tab."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    shutil.copytree(
        ROOT / "scram_plugin" / "tensorboard" / "static", into / "scram_plugin" / "tensorboard" / "static", dirs_exist_ok=True
    )
    return into


def sampled(session: Path, count: int, seed: int) -> tuple[int, int]:
    """Leaves a sample in the session: (mutants in all, those that are left)."""
    with sqlite3.connect(session) as db:
        # job ids are drawn at random: the order of places is the one that a seed can choose from
        places = (
            "select job_id, operator_name like ? from mutation_specs"
            " order by module_path, start_pos_row, start_pos_col, operator_name, occurrence"
        )
        rows = db.execute(places, [NO_OPERATOR]).fetchall()
        jobs = [job for job, no_operator in rows if not no_operator]
        kept = set(random.Random(seed).sample(jobs, min(count, len(jobs))))
        for job, _ in rows:
            if job in kept:
                continue
            db.execute("delete from mutation_specs where job_id = ?", (job,))
            db.execute("delete from work_items where job_id = ?", (job,))
    return len(jobs), len(kept)


def outcomes(session: Path) -> list[tuple[str, str]]:
    """(place and operator, outcome) of each mutant."""
    asked = """select module_path || ':' || start_pos_row || ' ' || operator_name, test_outcome
               from mutation_specs join work_results using (job_id) order by 1"""
    with sqlite3.connect(session) as db:
        return [(place, str(outcome)) for place, outcome in db.execute(asked)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = copied(Path(scratch, "tree"))
        ignored = [f"--ignore={path}" for path in NOT_RUN]
        pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-n", "0"]
        command = shlex.join([*pytest, *TESTS, *ignored])
        modules, left_out = (list(map(str, paths)) for paths in (MUTATED, LEFT_OUT))
        text = CONFIGURATION.format(modules=modules, seconds=SECONDS, left_out=left_out, command=command)
        (tree / "cosmic-ray.toml").write_text(text)
        environment = {**os.environ, "SCRAM_TESTS": "reading", "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
        how = {"cwd": tree, "env": environment, "check": True}
        if subprocess.run(shlex.split(command), cwd=tree, env=environment).returncode:
            sys.exit("the tests fail on the code as it is: every mutant would count as killed")
        subprocess.run([*cosmic_ray, "init", "cosmic-ray.toml", "session.sqlite"], **how)
        total, kept = sampled(tree / "session.sqlite", given.count, given.seed)
        print(f"state {state()}: {kept} of {total} mutants, seed {given.seed}", flush=True)
        start = time.monotonic()
        subprocess.run([*cosmic_ray, "exec", "cosmic-ray.toml", "session.sqlite"], **how)
        found = outcomes(tree / "session.sqlite")
        for place, outcome in found:
            print(f"{outcome:>24}  {place}")
        killed = sum("KILLED" in outcome.upper() for _, outcome in found)
        print(f"killed {killed} of {len(found)} in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
