"""Records the demo logs from real trainings: the three scenarios as they are, and their healthy twins.

    python demo_logs/record.py [--data DIR]

The twins are the same programs with the few lines of `TWINS` changed. DIR holds cut-down copies of the data sets (default:
`../shared/data` where that exists); without it the full sets are loaded through `keras.datasets`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios"

# run -> (program, [(line as it stands, line of the twin)])
RUNS = {
    "fashion_mnist/overfit": ("fashion_mnist.py", []),
    "fashion_mnist/regularized": (
        "fashion_mnist.py",
        [
            (
                '    keras.layers.Dense(1024, activation="relu"),\n',
                '    keras.layers.Dense(256, activation="relu"),\n    keras.layers.Dropout(0.5),\n',
            ),
            ("learning_rate=0.001", "learning_rate=0.0005"),
        ],
    ),
    "movie_reviews/lr_1e10": ("movie_reviews.py", []),
    "movie_reviews/lr_default": ("movie_reviews.py", [("learning_rate=1e10", "learning_rate=0.001")]),
    "cifar10/unnormalized": ("cifar10.py", []),
    "cifar10/normalized": (
        "cifar10.py",
        [("    keras.layers.Conv2D(32,", "    keras.layers.Rescaling(1.0 / 255),\n    keras.layers.Conv2D(32,")],
    ),
}


def program(run, log_dir):
    """The text of the program of one run, logging to `log_dir`."""
    name, changes = RUNS[run]
    text = (SCENARIOS / name).read_text()
    for old, new in [*changes, (f'"logs/{name.removesuffix(".py")}"', repr(log_dir))]:
        if old not in text:
            raise SystemExit(f"{name} has no line {old!r} any more: mend RUNS in {__file__}")
        text = text.replace(old, new)
    return text


def record(run, data):
    """Train one run and put its logs in place."""
    target = HERE / run
    with tempfile.TemporaryDirectory() as scratch:
        name = RUNS[run][0]
        shutil.copy(SCENARIOS / "data.py", scratch)
        Path(scratch, name).write_text(program(run, "log"))
        environment = {**os.environ, **({"SCRAM_DATA": str(data)} if data else {}), "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, name], cwd=scratch, env=environment, check=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(scratch, "log"), target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = HERE.parent.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside if beside.is_dir() else None)
    parser.add_argument("--run", choices=RUNS, action="append", help="record only this run")
    arguments = parser.parse_args()
    for run in arguments.run or RUNS:
        print(f"== {run}", flush=True)
        record(run, arguments.data and arguments.data.resolve())


if __name__ == "__main__":
    main()
