"""What watching costs: the time of a training step with a callback, over that of the same step without.

    python -m tests.benchmarks.overhead [--rounds 9] [--steps 300] [--workloads dense convolutional]

Everything is compiled first. Then each round times one epoch of every configuration, in a shuffled order; ratios are taken
within a round, so that slow drifts of a shared machine cancel, and the median over the rounds is printed: of wall time,
and of processor time over all threads, which other programs disturb less. "plain again" is a second plain run: the noise.
The first batch is timed apart, in fresh models, from the call of fit to the end of the first batch (and of the second, at
which SCRAM compiles its measuring step).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

from scram_plugin import SCRAM

WARM = 5  # batches of an epoch that are not timed


def dense_net():
    return keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), layers.Dense(128, "relu"), layers.Dropout(0.2), layers.Dense(10, "softmax")]
    )


def convolutional_net():
    blocks = [b for n in (32, 64, 64) for b in (layers.Conv2D(n, 3, padding="same", activation="relu"), layers.MaxPooling2D())]
    return keras.Sequential(
        [keras.Input((32, 32, 3)), *blocks, layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
    )


WORKLOADS = {"dense": (dense_net, (28, 28), 32), "convolutional": (convolutional_net, (32, 32, 3), 64)}
CALLBACKS = {
    "plain": lambda d: [],
    "plain again": lambda d: [],
    "SCRAM": lambda d: [SCRAM(d, print_findings=False)],
    "SCRAM, with its printing": lambda d: [SCRAM(d)],
    "TensorBoard()": lambda d: [keras.callbacks.TensorBoard(d)],
    'TensorBoard(update_freq="batch")': lambda d: [keras.callbacks.TensorBoard(d, update_freq="batch")],
}


class Timer(keras.callbacks.Callback):
    """(wall, processor) seconds a step from the sixth batch to the end of the epoch; all other callbacks included."""

    def on_train_begin(self, logs=None):
        self.begin, self.ends = time.perf_counter(), []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == WARM:
            self.start = np.array([time.perf_counter(), time.process_time()])

    def on_train_batch_end(self, batch, logs=None):
        self.batches = batch + 1
        if len(self.ends) < 2:
            self.ends.append(time.perf_counter() - self.begin)

    def on_epoch_end(self, epoch, logs=None):
        if self.batches > WARM:
            self.seconds = (np.array([time.perf_counter(), time.process_time()]) - self.start) / (self.batches - WARM)


def compiled(make):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def steady(name, rounds, steps):
    make, shape, batch = WORKLOADS[name]
    rng = np.random.default_rng(0)
    x, y = rng.random((steps * batch, *shape), "float32"), rng.integers(0, 10, steps * batch)
    runs, seconds = {}, {config: [] for config in CALLBACKS}
    for config, callbacks in CALLBACKS.items():
        model, timer = compiled(make), Timer()
        given = [*callbacks(tempfile.mkdtemp()), timer]
        model.fit(x[: 8 * batch], y[: 8 * batch], batch_size=batch, verbose=0, callbacks=given)
        runs[config] = model, given, timer
    for _ in range(rounds):
        for config in random.sample(list(runs), len(runs)):
            model, given, timer = runs[config]
            model.fit(x, y, batch_size=batch, verbose=0, callbacks=given)
            seconds[config].append(timer.seconds)
    plain = np.array(seconds["plain"])
    print(f"\n{name} net, batch {batch}: {1e3 * np.median(plain[:, 0]):.2f} ms a step, {steps} steps a round, {rounds} rounds")
    print(f"  {'':34}{'wall time':>22}{'processor time':>18}")
    for config, values in seconds.items():
        ratio = np.array(values) / plain
        low, middle, high = (f(ratio[:, 0]) for f in (np.min, np.median, np.max))
        print(f"  {config:34}{middle:8.3f} ({low:.2f}-{high:.2f}){np.median(ratio[:, 1]):18.3f}", flush=True)


def start(name, rounds):
    make, shape, batch = WORKLOADS[name]
    x, y = np.random.default_rng(0).random((4 * batch, *shape), "float32"), np.zeros(4 * batch, int)
    ends = {config: [] for config in ("plain", "SCRAM")}
    for _ in range(rounds):
        for config, found in ends.items():
            keras.backend.clear_session()
            model, timer = compiled(make), Timer()
            model.fit(x, y, batch_size=batch, verbose=0, callbacks=[*CALLBACKS[config](tempfile.mkdtemp()), timer])
            found.append(timer.ends)
    for i, which in enumerate(("first", "second")):
        plain, watched = (statistics.median(e[i] for e in ends[config]) for config in ("plain", "SCRAM"))
        print(f"  time to the end of the {which} batch: {watched / plain:.2f} times the plain one ({plain:.2f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=300, help="steps of a round on the dense net; a third of it on the other")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    arguments = parser.parse_args()
    for name in arguments.workloads:
        steady(name, arguments.rounds, arguments.steps if name == "dense" else arguments.steps // 3)
        start(name, 3)


if __name__ == "__main__":
    main()
