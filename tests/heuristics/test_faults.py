"""One fault in a real training, and its healthy twin: the fault is found and named, the twin raises nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.heuristics.trainings import BYTES, IMAGES, LABELS, finding, found_as, is_sound, reviewed

FLAT = IMAGES.reshape(len(IMAGES), -1)
ORDER = np.random.default_rng(0).permutation(len(LABELS))
X, Y = FLAT[ORDER], LABELS[ORDER]
SPARSE = "sparse_categorical_crossentropy"


def model(*hidden, out=None, inputs=64, first=()):
    keras.utils.set_random_seed(4)
    out = layers.Dense(10, "softmax") if out is None else out
    return keras.Sequential([keras.Input((inputs,)), *first, *(hidden or (layers.Dense(32, "relu"),)), out])


def fit(tmp_path, net, x=X, y=Y, loss=SPARSE, optimizer="adam", epochs=4, metrics=None, **how):
    net.compile(optimizer, loss, metrics=metrics)
    return reviewed(tmp_path, net, x, y, epochs=epochs, **how)


def binary(y=None):
    return (LABELS[ORDER] % 2 if y is None else y).astype("float32")


def sigmoid():
    return layers.Dense(1, "sigmoid")


BINARY = "binary_crossentropy"


def logits(kind):
    return getattr(keras.losses, kind)(from_logits=True)


def deep(activation, **how):
    return [layers.Dense(32, activation, **how) for _ in range(8)]


def slowly(x, y, seconds):
    def batches():
        import time

        for i in range(0, len(x) - 31, 32):
            time.sleep(seconds)
            yield x[i : i + 32], y[i : i + 32]

    spec = (tf.TensorSpec((None, 64), tf.float32), tf.TensorSpec((None,), tf.int32))
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


RARE = np.flatnonzero((Y == 0) | ((Y == 1) & (np.arange(len(Y)) % 30 == 0)))
SORTED = np.argsort(Y, kind="stable")
CONSTANT = np.concatenate([X[:, 20:28], np.full((len(X), 2), 0.3, "float32")], axis=1)


class Own(keras.Model):
    def __init__(self, activation):
        super().__init__()
        keras.utils.set_random_seed(4)
        self.hidden, self.out = layers.Dense(32, "relu"), layers.Dense(1, activation)

    def call(self, x):
        return self.out(self.hidden(x))


def stream(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(32)


PRICES = np.round((IMAGES[ORDER].mean(axis=(1, 2)) - IMAGES.mean()) / IMAGES.mean(axis=(1, 2)).std(), 3)
MANY = np.tile(np.arange(len(Y)), 2)
SELDOM = (np.random.default_rng(2).random(len(MANY)) < 0.04).astype("float32")
SEQUENCES = np.random.default_rng(3).normal(size=(800, 60, 4)).astype("float32")


TEXTS = np.where(np.arange(100) < 4, np.random.default_rng(5).integers(1, 200, (800, 100)), 0)


def lagging(momentum):
    kinds = (lambda: layers.Dense(64), lambda: layers.BatchNormalization(momentum=momentum), layers.ReLU)
    return [make() for _ in range(2) for make in kinds]


def reader(mask):
    keras.utils.set_random_seed(4)
    read = layers.Embedding(200, 16, mask_zero=mask)
    return keras.Sequential([keras.Input((100,)), read, layers.LSTM(16), layers.Dense(1, "sigmoid")])


def penalised(rate):
    return [layers.Dense(64, "relu", kernel_regularizer=keras.regularizers.L2(rate)) for _ in range(2)]


def recurrent(activation):
    keras.utils.set_random_seed(4)
    first = layers.SimpleRNN(64, activation, recurrent_initializer="identity", return_sequences=True)
    return keras.Sequential([keras.Input((60, 4)), first, layers.SimpleRNN(64, activation), layers.Dense(1)])


def linear():
    keras.utils.set_random_seed(4)
    return keras.Sequential([keras.Input((64,)), layers.Dense(1)])


def broken(x):
    x = x.copy()
    x[::60, 5] = np.nan
    return x


def frozen(where):
    net = model(layers.Dense(32, "relu", name="a"), layers.Dense(32, "relu", name="b"))
    for name in where:
        net.get_layer(name).trainable = False
    return net


FAULTS = {
    # id: (heuristic, first cause, faulty, twin)
    "labels -1 and 1": (
        "label-range",
        "minus-one",
        lambda p: fit(p, model(out=sigmoid()), y=2 * binary() - 1, loss=BINARY),
        lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
    ),
    "one label": (
        "label-range",
        "one-value",
        lambda p: fit(p, model(out=sigmoid()), y=0 * binary(), loss=BINARY),
        lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
    ),
    "softmax over one unit": (
        "output-activation-mismatch",
        "one-unit-softmax",
        lambda p: fit(p, model(out=layers.Dense(1, "softmax")), y=binary(), loss=BINARY),
        lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
    ),
    "no softmax": (
        "output-activation-mismatch",
        "missing-softmax",
        lambda p: fit(p, model(out=layers.Dense(10))),
        lambda p: fit(p, model(out=layers.Dense(10)), loss=logits("SparseCategoricalCrossentropy")),
    ),
    "no sigmoid": (
        "output-activation-mismatch",
        "missing-sigmoid",
        lambda p: fit(p, model(out=layers.Dense(1)), y=binary(), loss=BINARY),
        lambda p: fit(p, model(out=layers.Dense(1)), y=binary(), loss=logits("BinaryCrossentropy")),
    ),
    "softmax twice": (
        "output-activation-mismatch",
        "twice",
        lambda p: fit(p, model(), loss=logits("SparseCategoricalCrossentropy")),
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10), out=layers.Activation("softmax"))),
    ),
    "sigmoid for classes": (
        "output-activation-mismatch",
        "sigmoid-for-classes",
        lambda p: fit(p, model(out=layers.Dense(10, "sigmoid"))),
        lambda p: fit(p, model(out=layers.Dense(10, "sigmoid")), y=np.eye(10)[Y], loss=BINARY),
    ),
    "categorical loss of one output": (
        "output-activation-mismatch",
        "one-class",
        lambda p: fit(p, model(out=sigmoid()), y=binary()[:, None], loss="categorical_crossentropy"),
        lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
    ),
    "targets out of reach": (
        "output-activation-mismatch",
        "range",
        lambda p: fit(p, model(out=sigmoid()), y=Y.astype("float32"), loss="mse"),
        lambda p: fit(p, model(out=sigmoid()), y=Y / 9.0, loss="mse"),
    ),
    "no activation": (
        "missing-activation",
        "forgotten",
        lambda p: fit(p, model(layers.Dense(32), layers.Dropout(0.1), layers.Dense(32))),
        lambda p: fit(
            p, model(layers.Dense(32), layers.BatchNormalization(), layers.ReLU(), layers.Dense(8), layers.Dense(16, "relu"))
        ),
    ),
    "constant weights": (
        "poor-initialization",
        "same",
        lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="ones"))),
        lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="he_normal"))),
    ),
    "large weights": (
        "poor-initialization",
        "large",
        lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=2.0)))),
        lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.05)))),
    ),
    "all frozen": (
        "frozen-weights",
        "trainable",
        lambda p: fit(p, _all_frozen()),
        lambda p: fit(p, frozen(["a"])),
    ),
    "frozen in the middle": ("frozen-weights", "trainable", lambda p: fit(p, frozen(["b"])), lambda p: fit(p, frozen([]))),
    "rate too high": (
        "unconventional-learning-rate",
        "too-high",
        lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(0.5)),
        lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(0.003)),
    ),
    "rate too low": (
        "unconventional-learning-rate",
        "too-low",
        lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(1e-6)),
        lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(3e-4)),
    ),
    "dropout of 0.9": (
        "high-dropout",
        "rate",
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.9))),
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.4))),
    ),
    "eighty thousand weights to an example": (
        "too-many-parameters",
        "size",
        lambda p: fit(p, model(layers.Dense(2000, "relu"), layers.Dense(2000, "relu")), x=X[:60], y=Y[:60], epochs=12),
        lambda p: fit(p, model(layers.Dense(32, "relu")), x=X[:60], y=Y[:60], epochs=12),
    ),
    "prices in dollars": (
        "unnormalized-targets",
        "scale",
        lambda p: fit(p, model(out=layers.Dense(1)), y=PRICES * 163_000 + 451_000, loss="mse"),
        lambda p: fit(p, model(out=layers.Dense(1)), y=PRICES, loss="mse"),
    ),
    "the end of sorted data": (
        "unshuffled-data",
        "split",
        lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED]),
        lambda p: fit(p, model()),
    ),
    "dropout behind the output": (
        "high-dropout",
        "output",
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10, "softmax"), out=layers.Dropout(0.2))),
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.2))),
    ),
    "labels of others": (
        "no-learning",
        "shuffled-apart",
        lambda p: fit(p, model(layers.Dense(256, "relu")), y=Y[np.random.default_rng(1).permutation(len(Y))], epochs=12),
        lambda p: fit(p, model(layers.Dense(256, "relu")), epochs=12),
    ),
    "a penalty of 1": (
        "strong-regularization",
        "factor",
        lambda p: fit(p, model(*penalised(1.0)), epochs=12),
        lambda p: fit(p, model(*penalised(1e-4)), epochs=12),
    ),
    "a rare class that is never said": (
        "class-imbalance",
        "rare",
        lambda p: fit(
            p, model(out=sigmoid()), x=X[MANY], y=SELDOM, loss=BINARY, optimizer=keras.optimizers.SGD(0.01), epochs=9
        ),
        lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY, epochs=9),
    ),
    "a recurrent net that explodes": (
        "nonfinite-loss",
        "recurrent",
        lambda p: fit(p, recurrent("relu"), x=SEQUENCES, y=SEQUENCES[:, -1, 0], loss="mse", optimizer="sgd"),
        lambda p: fit(p, recurrent("tanh"), x=SEQUENCES, y=SEQUENCES[:, -1, 0], loss="mse", optimizer="sgd", epochs=8),
    ),
    "softmax in two layers": (
        "output-activation-mismatch",
        "twice-layers",
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10, "softmax"), out=layers.Softmax())),
        lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10), out=layers.Softmax())),
    ),
    "a squared error of probabilities": (
        "output-activation-mismatch",
        "squared-error",
        lambda p: fit(p, model(), y=np.eye(10)[Y], loss="mse", optimizer=keras.optimizers.SGD(0.01)),
        lambda p: fit(p, model(), y=np.eye(10)[Y], loss="mse", optimizer="adam"),
    ),
    "several classes at once": (
        "label-range",
        "several",
        lambda p: fit(p, model(), y=np.eye(10)[Y] + np.eye(10)[(Y + 3) % 10], loss="categorical_crossentropy"),
        lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
    ),
    "a sorted stream": (
        "unshuffled-data",
        "stream",
        lambda p: fit(p, model(), x=stream(X[SORTED], Y[SORTED]), y=None, validation_split=0.0, batch_size=None),
        lambda p: fit(p, model(), x=stream(X, Y), y=None, validation_split=0.0, batch_size=None),
    ),
    "a momentum of 0.999": (
        "normalization-lag",
        "momentum",
        lambda p: fit(p, model(*lagging(0.999)), x=X * 16, optimizer=keras.optimizers.Adam(0.003)),
        lambda p: fit(p, model(*lagging(0.9)), x=X * 16, optimizer=keras.optimizers.Adam(0.003)),
    ),
    "a text of padding": (
        "no-learning",
        "padding",
        lambda p: fit(p, reader(mask=False), x=TEXTS, y=TEXTS[:, 0] % 2, loss=BINARY, metrics=["accuracy"], epochs=12),
        lambda p: fit(p, reader(mask=True), x=TEXTS, y=TEXTS[:, 0] % 2, loss=BINARY, metrics=["accuracy"], epochs=12),
    ),
    "a ReLU instead of softmax": (
        "output-activation-mismatch",
        "missing-softmax",
        lambda p: fit(p, model(out=layers.Dense(10, "relu")), y=np.eye(10)[Y], loss="categorical_crossentropy"),
        lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
    ),
    "zeros in front of a ReLU": (
        "poor-initialization",
        "same",
        lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="zeros"))),
        lambda p: fit(p, model(out=layers.Dense(10, "softmax", kernel_initializer="zeros"))),
    ),
    "biases of -10": (
        "dead-relu",
        "start",
        lambda p: fit(p, model(layers.Dense(32, "relu", bias_initializer=keras.initializers.Constant(-10.0)))),
        lambda p: fit(p, model(layers.Dense(256, "relu"))),
    ),
    "eight layers of sigmoid": (
        "vanishing-gradients",
        "activation",
        lambda p: fit(p, model(*deep("sigmoid"))),
        lambda p: fit(p, model(*deep("relu")), epochs=8),
    ),
    "saturated tanh": (
        "saturated-activations",
        "inputs",
        lambda p: fit(
            p, model(layers.Dense(32, "tanh", kernel_initializer="he_normal"), layers.Dense(16, "relu")), x=X * 400 - 200
        ),
        lambda p: fit(p, model(layers.Dense(32, "tanh"), layers.Dense(16, "relu"))),
    ),
    "sorted": (
        "unshuffled-data",
        "off",
        lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED], shuffle=False, validation_split=0.0),
        lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED], validation_split=0.0),
    ),
    "a constant image": (
        "constant-inputs",
        "constant",
        lambda p: fit(p, model(), x=np.zeros_like(X)),
        lambda p: fit(p, model()),
    ),
    "constant features": (
        "constant-inputs",
        "features",
        lambda p: fit(p, model(inputs=10), x=CONSTANT),
        lambda p: fit(p, model(inputs=8), x=X[:, 18:26]),
    ),
    "validation not divided": (
        "input-distribution-shift",
        "preprocessing",
        lambda p: fit(p, model(), validation_split=0.0, validation_data=(X[:300] * 255, Y[:300])),
        lambda p: fit(p, model(), validation_split=0.0, validation_data=(X[:300], Y[:300])),
    ),
    "a rare class": (
        "class-imbalance",
        "rare",
        lambda p: fit(p, model(), x=np.tile(X[RARE], (3, 1)), y=np.tile(Y[RARE], 3)),
        lambda p: fit(p, model()),
    ),
    "a rate that kills": (
        "output-collapse",
        "learning-rate",
        lambda p: fit(p, model(*deep("relu")[:2]), optimizer=keras.optimizers.Adam(0.5), epochs=6),
        lambda p: fit(p, model(), epochs=6),
    ),
    "a slow generator": (
        "slow-input",
        "pipeline",
        lambda p: fit(p, model(), x=slowly(X, Y, 0.02), y=None, validation_split=0.0, batch_size=None, epochs=3),
        lambda p: fit(p, model(), x=slowly(X, Y, 0.0), y=None, validation_split=0.0, batch_size=None, epochs=3),
    ),
    "missing values in a feature": (
        "nonfinite-inputs",
        "missing-values",
        lambda p: fit(p, model(layers.Dense(32, "tanh")), x=broken(X)),
        lambda p: fit(p, model(layers.Dense(32, "tanh"))),
    ),
    "a linear model that runs away": (
        "exploding-gradients",
        "learning-rate",
        lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.1)),
        lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.01)),
    ),
    "steps that write the weights anew": (
        "update-ratio",
        "learning-rate",
        lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.08)),
        lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.01)),
    ),
    "raw bytes and large weights": (
        "initial-loss",
        "inputs",
        lambda p: fit(p, model(), x=BYTES.reshape(len(BYTES), -1)[ORDER]),
        lambda p: fit(p, model()),
    ),
}


def _all_frozen():
    net = model()
    net.trainable = False
    return net


@pytest.mark.parametrize("case", FAULTS)
def test_the_fault_is_found(case, tmp_path):
    one = found_as(FAULTS[case], tmp_path)
    cause = one["causes"][0]["id"]
    assert one["causes"][0]["for"] or cause in ("pipeline", "constant", "features", "learning-rate"), (
        "something of this run speaks for it"
    )


@pytest.mark.parametrize("case", FAULTS)
def test_its_healthy_twin_is_not(case, tmp_path):
    is_sound(FAULTS[case], tmp_path)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_of_a_subclass_outputs_that_are_always_1_are_told(activation, tmp_path):
    result = fit(tmp_path, Own(activation), y=binary(), loss=BINARY)
    causes = [f["causes"][0]["id"] for f in result.findings if f["heuristic"] == "output-activation-mismatch"]
    assert causes == (["one-unit-softmax"] if activation == "softmax" else [])


def test_a_warning_that_explains_an_error_is_an_error(tmp_path):
    result = fit(tmp_path, model(layers.Dense(32, "relu", kernel_initializer="zeros")))
    dead, poor = finding(result, "dead-relu"), finding(result, "poor-initialization")
    assert (dead["severity"], dead["explained_by"]) == ("error", "poor-initialization")
    assert (poor["severity"], poor["explained_by"]) == ("error", None)
    assert result.findings[0] is poor
