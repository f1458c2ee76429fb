"""A long training of a deep net: what SCRAM's own files take on the disk, and how long their review takes.

    python -m tests.benchmarks.long_run [--layers 200] [--steps 100000]

A real training at the default sampling, of narrow layers so that it ends. The review is timed in processes of its own, from
importing SCRAM to the findings, beside a process that only imports it.
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

from scram_plugin import SCRAM

REPEATS = 5
IMPORT = "import sys, scram_plugin.reviews.run\n"
REVIEW = (
    "import sys\n"
    "from scram_plugin.heuristics.catalogue import catalogue\n"
    "from scram_plugin.logs.logdir import read\n"
    "from scram_plugin.logs.pairing import training_runs\n"
    "from scram_plugin.reviews.run import review\n"
    "(run,) = training_runs(read(sys.argv[1]))\n"
    "print(len(review(run, catalogue()).findings))\n"
)


def train(logdir: str, depth: int, steps: int) -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
    y = x[:, :1] - x[:, 1:2]
    inputs = h = keras.Input((8,))
    for _ in range(depth // 2 - 1):  # residual blocks of two layers, so that something is learned at that depth
        g = keras.layers.Dense(8, "relu")(h)
        h = keras.layers.Add()([h, keras.layers.Dense(8, kernel_initializer=keras.initializers.RandomNormal(stddev=0.02))(g)])
    h = keras.layers.Dense(8, "relu")(h)
    model = keras.Model(inputs, keras.layers.Dense(1)(h))
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    epochs = steps // 1000
    model.fit(x, y, batch_size=1, epochs=epochs, verbose=0, callbacks=[SCRAM(log_dir=logdir, print_findings=False)])


def timed(program: str, logdir: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, logdir], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as logdir:
        train(logdir, arguments.layers, arguments.steps)
        size = sum(path.stat().st_size for path in Path(logdir).rglob("*tfevents*"))
        imports, reviews = [], []
        for _ in range(REPEATS):
            imports.append(timed(IMPORT, logdir))
            reviews.append(timed(REVIEW, logdir))
        print(f"{arguments.layers} layers with weights, {arguments.steps:,} steps: {size / 1e6:.1f} MB")
        print(
            f"read and reviewed in {statistics.median(reviews):.2f} s (a process as a whole, median of {REPEATS}; "
            f"of that {statistics.median(imports):.2f} s are Python and its imports)"
        )


if __name__ == "__main__":
    main()
