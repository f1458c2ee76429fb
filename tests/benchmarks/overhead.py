"""What watching costs: the time of a training step with a callback, over that of the same step without.

    python -m tests.benchmarks.overhead [--rounds 7] [--workloads dense convolutional text residual]

Everything is compiled first. Then each round times one epoch of every configuration, in a shuffled order; ratios are taken
within a round, so that slow drifts of a shared machine cancel, and the median over the rounds is printed: of processor time
over all threads, which other programs disturb least, with its extremes, and of wall time. "plain again" is a second plain
run: the noise. The first batch is timed apart, in fresh models, from the beginning of the training to the end of the first
batch, and of the second, at which SCRAM compiles its measuring step.
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
import tensorflow as tf
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


def text_model():
    inputs = keras.Input((200,), dtype="int32")
    x = layers.Embedding(5000, 64)(inputs)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 32)(x, x)]))
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(64)(layers.Dense(128, "relu")(x))]))
    return keras.Model(inputs, layers.Dense(10, "softmax")(layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(x))))


def residual_net():
    def convolution(x, filters, strides=1):
        return layers.BatchNormalization()(layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x))

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolution(inputs, 16))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = convolution(layers.ReLU()(convolution(x, filters, strides)), filters)
        x = layers.ReLU()(layers.Add()([y, x if strides == 1 else layers.Conv2D(filters, 1, strides)(x)]))
    return keras.Model(inputs, layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(x)))


# make, shape of an example, batch size, timed steps of a round (epochs are long in real trainings: hundreds of steps)
WORKLOADS = {
    "dense": (dense_net, (28, 28), 32, 1000),
    "convolutional": (convolutional_net, (32, 32, 3), 64, 100),
    "text": (text_model, (200,), 32, 50),
    "residual": (residual_net, (32, 32, 3), 64, 50),
}
CALLBACKS = {
    "plain": lambda d, x: [],
    "plain again": lambda d, x: [],
    "SCRAM": lambda d, x: [SCRAM(d)],
    "SCRAM(print_findings=False)": lambda d, x: [SCRAM(d, print_findings=False)],
    "SCRAM(every=1)": lambda d, x: [SCRAM(d, every=1)],
    "TensorBoard(histogram_freq=1)": lambda d, x: [keras.callbacks.TensorBoard(d, histogram_freq=1)],
    "by hand: predict and get_weights": lambda d, x: [ByHand(d, x)],
}
SLOW = 10  # times fewer steps for what is written by hand


class ByHand(keras.callbacks.Callback):
    """What people write to see outputs and weights of every batch."""

    def __init__(self, log_dir, x):
        super().__init__()
        self.x, self.writer, self.step = x, tf.summary.create_file_writer(log_dir), 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        with self.writer.as_default(self.step):
            outputs = self.model.predict(self.x, verbose=0)
            tf.summary.scalar("outputs/mean", np.mean(outputs))
            tf.summary.scalar("outputs/std", np.std(outputs))
            for variable, array in zip(self.model.weights, self.model.get_weights(), strict=True):
                tf.summary.scalar(f"{variable.path}/norm", np.linalg.norm(array))


class Timer(keras.callbacks.Callback):
    """(wall, processor) seconds a step from the sixth batch to the end of the epoch; all other callbacks included."""

    def on_train_begin(self, logs=None):
        self.ends = []
        self.begin = time.perf_counter()

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


def data_of(name, steps):
    _, shape, batch, _ = WORKLOADS[name]
    rng = np.random.default_rng(0)
    size = (steps * batch, *shape)
    x = rng.integers(0, 5000, size).astype("int32") if name == "text" else rng.random(size, "float32")
    # something to learn: which of ten random directions an example points to
    flat = x.reshape(len(x), -1)
    y = ((flat - flat.mean(axis=0)) / flat.std() @ rng.normal(size=(flat.shape[1], 10))).argmax(axis=1)
    return x, y, batch


def steady(name, rounds, configurations):
    make, _, _, steps = WORKLOADS[name]
    x, y, batch = data_of(name, steps)
    runs, seconds = {}, {config: [] for config in configurations}
    for config in configurations:
        model, timer = compiled(make), Timer()
        given = [*CALLBACKS[config](tempfile.mkdtemp(), x[:batch]), timer]
        model.fit(x[: 8 * batch], y[: 8 * batch], batch_size=batch, verbose=0, callbacks=given)
        runs[config] = model, given, timer
    for _ in range(rounds):
        for config in random.sample(list(runs), len(runs)):
            model, given, timer = runs[config]
            fewer = max(steps // SLOW, WARM + 2) * batch if config.startswith("by hand") else len(x)
            model.fit(x[:fewer], y[:fewer], batch_size=batch, verbose=0, callbacks=given)
            seconds[config].append(timer.seconds)
    plain = np.array(seconds["plain"])
    print(f"\n{name} net, batch {batch}: {1e3 * np.median(plain[:, 0]):.2f} ms a step, {steps} steps a round, {rounds} rounds")
    print(f"  {'':34}{'processor time':>22}{'wall time':>18}")
    for config, values in seconds.items():
        ratio = np.array(values) / plain
        low, middle, high = (f(ratio[:, 1]) for f in (np.min, np.median, np.max))
        print(f"  {config:34}{middle:8.3f} ({low:.2f}-{high:.2f}){np.median(ratio[:, 0]):18.3f}", flush=True)


def start(name, rounds):
    make, _, _, _ = WORKLOADS[name]
    x, y, batch = data_of(name, 4)
    ends = {config: [] for config in ("plain", "SCRAM")}
    for _ in range(rounds):
        for config, found in ends.items():
            keras.backend.clear_session()
            model, timer = compiled(make), Timer()
            callbacks = CALLBACKS[config](tempfile.mkdtemp(), x[:batch])
            model.fit(x, y, batch_size=batch, verbose=0, callbacks=[*callbacks, timer])
            found.append(timer.ends)
    for i, which in enumerate(("first", "second")):
        plain, watched = (statistics.median(e[i] for e in ends[config]) for config in ("plain", "SCRAM"))
        print(f"  time to the end of the {which} batch: {watched / plain:.2f} times the plain one ({plain:.2f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--configurations", nargs="+", choices=CALLBACKS, default=list(CALLBACKS))
    arguments = parser.parse_args()
    for name in arguments.workloads:
        steady(name, arguments.rounds, ["plain", *(c for c in arguments.configurations if c != "plain")])
        start(name, 3)


if __name__ == "__main__":
    main()
