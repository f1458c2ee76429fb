"""Two thousand training runs in ten thousand files: the time until something is shown, until all is reviewed, and of a look.

    python -m tests.benchmarks.scale [--runs 2000]

Every training run has five TensorBoard runs with a file each: train, validation, test, eval and itself. Compared with reading
alone, in interleaved processes; times are of whole processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.reading import record, scalar

EPOCHS = 30
PARTS = {
    "train": ("epoch_loss", "epoch_accuracy"),
    "validation": ("epoch_loss", "epoch_accuracy"),
    "test": ("epoch_loss",),
    "eval": ("epoch_accuracy",),
    "": ("learning_rate",),
}

READ = "import sys, scram_plugin; logs = scram_plugin.read(sys.argv[1]); print(sum(len(run) for run in logs.values()))"
REVIEW = (
    "import sys, time; start = time.perf_counter()\n"
    "import scram_plugin\n"
    "from scram_plugin.heuristics.configuration import configured\n"
    "from scram_plugin.reviews.monitor import Reviewer\n"
    "reviewer = Reviewer(sys.argv[1], configured(start=scram_plugin.__path__ and __import__('pathlib').Path('/')))\n"
    "first, cursor = None, ''\n"
    "while True:\n"
    "    told = reviewer.runs(0.05, cursor)  # what has changed since the last question, as the tab asks\n"
    "    answer, cursor = told['progress'], told['cursor']\n"
    "    if first is None and (answer['done'] or answer['read']['done']):\n"
    "        first = time.perf_counter() - start\n"
    "    if answer['looked'] and answer['total'] and answer['done'] == answer['total']:\n"
    "        break\n"
    "print(f'{first:.2f} {time.perf_counter() - start:.2f} {answer[\"total\"]}')\n"
    "time.sleep(3)  # the background thread has come to rest\n"
    "before = time.process_time(); reviewer._look(); print(f'{time.process_time() - before:.3f}')\n"
)


def build(logdir: Path, runs: int) -> None:
    rng = np.random.default_rng(0)
    for run in range(runs):
        loss = np.exp(-np.arange(EPOCHS) / 8) + 0.1 + rng.normal(0, 0.01, EPOCHS)
        for part, tags in PARTS.items():
            path = logdir / f"sweep{run % 40}" / f"run{run:04}" / part / "events.out.tfevents.1700000000.host"
            path.parent.mkdir(parents=True, exist_ok=True)
            first = record(b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2")
            lines = [scalar(tag, e, 1.7e9 + e, float(loss[e]), "tensors") for e in range(EPOCHS) for tag in tags]
            path.write_bytes(first + b"".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        logdir = Path(scratch)
        build(logdir, options.runs)
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as a user has it: what is imported was compiled once
        ratios, firsts, idle = [], [], []
        for _ in range(options.rounds):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", READ, str(logdir)], check=True, capture_output=True, env=environment)
            reading = time.perf_counter() - start
            done = subprocess.run(
                [sys.executable, "-c", REVIEW, str(logdir)], check=True, capture_output=True, text=True, env=environment
            )
            shown, news = done.stdout.strip().splitlines()
            first, all_, total = shown.split()
            ratios.append(float(all_) / reading)
            firsts.append(float(first))
            idle.append(float(news))
            print(
                f"reading alone {reading:.2f} s; {total} training runs reviewed after {all_} s, first progress after {first} s"
            )
        print(
            f"reviewed in {statistics.median(ratios):.2f} times the time of reading alone; first progress after "
            f"{statistics.median(firsts):.2f} s; an idle look costs {statistics.median(idle):.3f} s of processor time"
        )


if __name__ == "__main__":
    main()
