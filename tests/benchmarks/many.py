"""`scram check` of two thousand training runs: with one process and with two, a second time, and with one Dask worker and two.

    python -m tests.benchmarks.many [--runs 2000] [--rounds 3] [--in-s3 200]

Times are of whole commands, and (in brackets) of the reviewing in them; taken in turns, and their medians shown. With two cores
the scheduler, the client and the S3 server take time from the workers. Reports must be the same bytes every time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.benchmarks.scale import build
from tests.clusters import dask_cluster, s3_server, upload

REVIEW = (
    "import sys, time\n"
    "from scram_plugin.reviews import many\n"
    "from scram_plugin.cli.main import main\n"
    "whole, took = many.review_logdir, []\n"
    "def timed(*arguments):\n"
    "    start = time.perf_counter(); found = whole(*arguments); took.append(time.perf_counter() - start); return found\n"
    "many.review_logdir = timed  # before it is imported from there\n"
    "status = main(sys.argv[1:])\n"
    "print(f'{sum(took):.3f}', file=sys.stderr)\n"
    "sys.exit(status)\n"
)


Took = tuple[float, float, str]  # seconds of the whole command, seconds of the reviewing in it (0: not taken), its output


def check(logdir: str, *how: str, environment: dict[str, str], timed: bool = True) -> Took:
    command = [sys.executable, *(["-c", REVIEW] if timed else ["-m", "scram_plugin"]), "check", logdir, "--fail-on", "never"]
    start = time.perf_counter()
    done = subprocess.run([*command, *how], env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return took, float(done.stderr.split()[-1]) if timed else 0.0, done.stdout


def compare(names: tuple[str, str], once: list[Took], other: list[Took]) -> None:
    slow, fast = (tuple(statistics.median(entry[i] for entry in entries) for i in (0, 1)) for entries in (once, other))
    same = "the same bytes" if len({entry[2] for entry in [*once, *other]}) == 1 else "OTHER BYTES"
    within = [f" ({took:.2f})" if took else "" for took in (slow[1], fast[1])]
    ratio = f" ({slow[1] / fast[1]:.2f})" if fast[1] else ""
    print(
        f"  {names[0]} {slow[0]:.2f} s{within[0]}, {names[1]} {fast[0]:.2f} s{within[1]}: {slow[0] / fast[0]:.2f}{ratio} times "
        f"as fast, {same}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-s3", type=int, default=200, help="training runs that lie in S3")
    options = parser.parse_args()
    rounds = range(options.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        logdir = Path(scratch, "logs")
        build(logdir, options.runs)
        plain = {**os.environ, "XDG_CACHE_HOME": str(Path(scratch, "cache"))}
        plain.pop("PYTHONDONTWRITEBYTECODE", None)  # as a user has it: what is imported was compiled once
        print(f"{options.runs} training runs in {5 * options.runs} files")
        time.sleep(11)  # what was just written is not kept
        one, two, first, second = [], [], [], []
        for i in rounds:
            one.append(check(str(logdir), "--no-cache", "--jobs", "1", environment=plain))
            two.append(check(str(logdir), "--no-cache", "--jobs", "2", environment=plain))
            fresh = {**plain, "XDG_CACHE_HOME": str(Path(scratch, f"cache{i}"))}
            first.append(check(str(logdir), environment=fresh, timed=False))
            second.append(check(str(logdir), environment=fresh, timed=False))
        compare(("one process", "two"), one, two)
        compare(("the first check", "the second"), first, second)
        alone, together = [], []
        with contextlib.ExitStack() as stack:
            clusters = [stack.enter_context(dask_cluster(workers, plain)) for workers in (1, 2)]
            for _ in rounds:
                for cluster, times in zip(clusters, (alone, together), strict=True):
                    times.append(check(str(logdir), "--no-cache", "--dask", cluster.address, environment=plain))
        compare(("one Dask worker", "two"), alone, together)
        if alone[0][2] != one[0][2]:
            print("  OTHER BYTES than without Dask")

        part = Path(scratch, "part")
        build(part, options.in_s3)
        with s3_server() as store:
            upload(part, "lab/logs", store)
            environment = {**plain, **store}
            with dask_cluster(2, environment) as cluster:
                here = check("s3://lab/logs", "--no-cache", "--jobs", "1", environment=environment)
                there = check("s3://lab/logs", "--no-cache", "--dask", cluster.address, environment=environment)
                compare((f"{options.in_s3} runs in S3: this process", "two Dask workers"), [here], [there])
                threading.Timer(there[0] / 2, cluster.workers[0].kill).start()
                hurt = check("s3://lab/logs", "--no-cache", "--dask", cluster.address, environment=environment)
                print(f"  a worker killed in the middle: {'the same bytes' if hurt[2] == here[2] else 'OTHER BYTES'}")


if __name__ == "__main__":
    main()
