"""What watching costs: the time of a training step with a callback, over that of the same step without.

    python -m tests.benchmarks.overhead [--rounds N] [--workloads dense convolutional text residual]

Every configuration trains in a thread of its own, but only one at a time: each in its turn makes a short stretch of steps (a
tenth of a second to half a second) and hands over, in an order shuffled anew each time. So all of them see the same quiet and
the same busy moments of a shared machine. Five stretches are a round, long enough for a sampled batch. Ratios to the mean of
the two plain runs are taken within a round, after everything is compiled, and the median over the rounds is printed: of
processor time over all threads, which other programs disturb least, with its quartiles, and of wall time. How far "plain" and
"plain again" are from 1 is the noise. The first batch is timed apart, in fresh models, from the beginning
of the training to the end of the first batch, and of the second, at which SCRAM compiles its measuring step.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import threading
import time
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from scram_plugin import SCRAM

WARM = 300  # steps before anything is timed: from then on every 50th is measured, as in the rest of a training


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


STRETCHES = 5  # of a round
# make, shape of an example, batch size, steps of a stretch, rounds
WORKLOADS = {
    "dense": (dense_net, (28, 28), 32, 50, 40),
    "convolutional": (convolutional_net, (32, 32, 3), 64, 20, 20),
    "text": (text_model, (200,), 32, 10, 20),
    "residual": (residual_net, (32, 32, 3), 64, 10, 15),
}
EPOCH = 1000  # steps; epochs are long in real trainings
BY_HAND = "by hand: predict and get_weights"
CALLBACKS = {
    "plain": lambda d, x: [],
    "plain again": lambda d, x: [],
    "SCRAM": lambda d, x: [SCRAM(d)],
    "SCRAM(print_findings=False)": lambda d, x: [SCRAM(d, print_findings=False)],
    "SCRAM(every=1)": lambda d, x: [SCRAM(d, every=1)],
    "TensorBoard(histogram_freq=1)": lambda d, x: [keras.callbacks.TensorBoard(d, histogram_freq=1)],
    BY_HAND: lambda d, x: [ByHand(d, x)],
}
SLOW, FEW = 10, 7  # times fewer steps, and rounds, for what is written by hand


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


class Baton:
    """Whose turn it is: first each warms up, then rounds in shuffled orders."""

    def __init__(self, names, rounds):
        orders = [random.sample(names, len(names)) for _ in range(rounds * STRETCHES)]
        few = FEW * STRETCHES
        self.turns = [*names, *(name for i, order in enumerate(orders) for name in order if name != BY_HAND or i < few)]
        self.changed = threading.Condition()

    def take(self, name):
        """Wait for a turn; False if there is none any more."""
        with self.changed:
            self.changed.wait_for(lambda: name not in self.turns or self.turns[0] == name)
            return name in self.turns

    def hand_over(self):
        with self.changed:
            self.turns.pop(0)
            self.changed.notify_all()


class Turns(keras.callbacks.Callback):
    """(wall, processor) seconds a step of each stretch. It stands first: the others' work is done when it hands over."""

    def __init__(self, name, baton, steps):
        super().__init__()
        self.name, self.baton, self.steps = name, baton, steps
        self.stretches, self.left, self.warm = [], None, False

    def on_train_batch_begin(self, batch, logs=None):
        if self.left == 0:
            if self.warm:
                self.stretches.append((self.now() - self.start) / self.steps)
            self.warm = True
            self.baton.hand_over()
        if not self.left:
            self.model.stop_training = not self.baton.take(self.name)
            self.left = self.steps if self.warm or self.name == BY_HAND else WARM
            self.start = self.now()
        self.left -= 1

    def now(self):
        return np.array([time.perf_counter(), time.process_time()])


class Timer(keras.callbacks.Callback):
    """Seconds from the beginning of the training to the ends of its first and second batch."""

    def on_train_begin(self, logs=None):
        self.ends, self.begin = [], time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if len(self.ends) < 2:
            self.ends.append(time.perf_counter() - self.begin)


def compiled(make):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data_of(name, steps):
    _, shape, batch, _, _ = WORKLOADS[name]
    rng = np.random.default_rng(0)
    size = (steps * batch, *shape)
    x = rng.integers(0, 5000, size).astype("int32") if name == "text" else rng.random(size, "float32")
    # something to learn: which of ten random directions an example points to
    flat = x.reshape(len(x), -1)
    y = ((flat - flat.mean(axis=0)) / flat.std() @ rng.normal(size=(flat.shape[1], 10))).argmax(axis=1)
    return x, y, batch


def of_turns(name, batch, steps, found):
    """Prints a table. `found`: configuration -> (wall, processor) seconds a step of each stretch, which had so many `steps`."""
    of_rounds = {config: np.array(turns).reshape(-1, STRETCHES, 2).mean(axis=1) for config, turns in found.items()}
    plain = np.mean([of_rounds[config] for config in ("plain", "plain again") if config in of_rounds], axis=0)
    size = f"{len(plain)} rounds of {STRETCHES * steps} steps"
    print(f"\n{name} net, batch {batch}: {1e3 * np.median(plain[:, 0]):.2f} ms a step, {size}")
    print(f"  {'':34}{'processor time':>22}{'wall time':>18}")
    for config, seconds in of_rounds.items():
        ratio = seconds / plain[: len(seconds)]
        low, middle, high = np.quantile(ratio[:, 1], (0.25, 0.5, 0.75))
        print(f"  {config:34}{middle:8.3f} ({low:.2f}-{high:.2f}){np.median(ratio[:, 0]):18.3f}", flush=True)


def steady(name, rounds, configurations):
    make, _, _, steps, usual = WORKLOADS[name]
    x, y, batch = data_of(name, EPOCH)
    baton, turns, threads = Baton(configurations, rounds or usual), {}, []
    for config in configurations:
        turns[config] = Turns(config, baton, max(steps // SLOW, 2) if config == BY_HAND else steps)
        callbacks = [turns[config], *CALLBACKS[config](tempfile.mkdtemp(), x[:batch])]
        fit = partial(compiled(make).fit, x, y, batch_size=batch, epochs=10_000, verbose=0, callbacks=callbacks)
        threads.append(threading.Thread(target=fit))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    of_turns(name, batch, steps, {config: turn.stretches for config, turn in turns.items()})


def start(name, rounds):
    make, _, _, _, _ = WORKLOADS[name]
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
    parser.add_argument("--rounds", type=int, help="of stretches; by default as many as that takes some minutes")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--configurations", nargs="+", choices=CALLBACKS, default=list(CALLBACKS))
    arguments = parser.parse_args()
    for name in arguments.workloads:
        steady(name, arguments.rounds, ["plain", *(c for c in arguments.configurations if c != "plain")])
        start(name, 3)


if __name__ == "__main__":
    main()
