"""Preflights of models of Keras that have a fault, and of their healthy twins."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers

import scram_plugin
from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs

X, Y = IMAGES[:1400], LABELS[:1400]
X_VAL, Y_VAL = IMAGES[1400:], LABELS[1400:]
TESTS = """
import numpy as np

def test_probabilities_add_up(model, batch):
    x, y = batch
    assert np.allclose(np.sum(model(x), axis=1), {sum}, atol=1e-4), "they add up to something else"

def test_it_learns(loss, optimizer):
    first = loss()
    assert min(loss() for _ in range(20)) < first
"""


def net(*hidden, out=None, rate=1e-3, loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(4)
    out = out or layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), *(hidden or [layers.Dense(32, "relu")]), out])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def flown(log_dir, model, x=X, y=Y, validation=(X_VAL, Y_VAL), **how):
    scram_plugin.preflight(model, (x, y), validation=validation, log_dir=log_dir, seconds=30, **how)


def two_inputs(used):
    keras.utils.set_random_seed(4)
    image, noise = keras.Input((8, 8), name="image"), keras.Input((4,), name="noise")
    flat = layers.Flatten()(image)
    hidden = layers.Dense(32, "relu")(layers.Concatenate()([flat, noise]) if used else flat)
    model = keras.Model([image, noise], layers.Dense(10, "softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Detached(keras.layers.Layer):
    """Lets no gradient through."""

    def call(self, x):
        return keras.ops.stop_gradient(x)


class Apart(keras.layers.Layer):
    """The distance of two embeddings, in which their biases cancel."""

    def call(self, both):
        return keras.ops.sum(keras.ops.square(both[0] - both[1]), axis=1, keepdims=True)


def own(log_dir, total):
    with tempfile.TemporaryDirectory() as folder:
        tests = Path(folder, "mine.py")
        tests.write_text(TESTS.format(sum=total))
        flown(log_dir, net(), tests=tests)


NOISE = np.random.default_rng(1).normal(size=(1400, 4)).astype("float32")
NOISE_VAL = np.random.default_rng(2).normal(size=(len(X_VAL), 4)).astype("float32")
PAIRS = ([X_VAL, NOISE_VAL], Y_VAL)
LEAKED = (np.concatenate([X_VAL[:300], X[:60]]), np.concatenate([Y_VAL[:300], Y[:60]]))

PROGRAMS = Programs()
PROGRAMS.pair(
    "cut off",
    lambda p: flown(p, net(layers.Dense(32, "relu"), Detached())),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "an input unused",
    lambda p: flown(p, two_inputs(False), [X, NOISE], Y, PAIRS),
    lambda p: flown(p, two_inputs(True), [X, NOISE], Y, PAIRS),
)
PROGRAMS.pair(
    "softmax over the batch",
    lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Softmax(axis=0))),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "large within",
    lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Rescaling(1e6), layers.Rescaling(1e-6))),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "validation leaked",
    lambda p: flown(p, net(), validation=LEAKED),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "rate too high",
    lambda p: flown(p, net(rate=3.0)),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "a floor",
    lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Rescaling(1e-3))),
    lambda p: flown(p, net()),
)
PROGRAMS.pair(
    "own",
    lambda p: own(p, 2.0),
    lambda p: own(p, 1.0),
)


@PROGRAMS
def a_bias_that_cancels(log_dir):
    keras.utils.set_random_seed(4)
    embed = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(8)])
    pair = [keras.Input((8, 8)), keras.Input((8, 8))]
    model = keras.Model(pair, Apart()([embed(x) for x in pair]))
    model.compile("adam", "mse")
    other = np.roll(np.arange(len(X)), 7)
    flown(log_dir, model, [X, X[other]], (Y[other] != Y).astype("float32"), None)
