"""Trainings with Keras that have one fault, and their healthy twins."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tests.recorded.digits import BYTES, IMAGES, LABELS
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import watched

FLAT = IMAGES.reshape(len(IMAGES), -1)
ORDER = np.random.default_rng(0).permutation(len(LABELS))
X, Y = FLAT[ORDER], LABELS[ORDER]
SPARSE = "sparse_categorical_crossentropy"


def model(*hidden, out=None, inputs=64, first=()):
    keras.utils.set_random_seed(4)
    out = layers.Dense(10, "softmax") if out is None else out
    return keras.Sequential([keras.Input((inputs,)), *first, *(hidden or (layers.Dense(32, "relu"),)), out])


def fit(log_dir, net, x=X, y=Y, loss=SPARSE, optimizer="adam", epochs=4, metrics=None, **how):
    net.compile(optimizer, loss, metrics=metrics)
    watched(log_dir, net, x, y, epochs=epochs, **how)


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


def all_frozen():
    net = model()
    net.trainable = False
    return net


def stopped(log_dir, mode):
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", mode=mode, patience=1)
    fit(
        log_dir, model(layers.Dense(8, "relu"), inputs=8), x=X[:480, 18:26], y=Y[:480], epochs=3, callbacks=[stop], source=False
    )


PROGRAMS = Programs()
PROGRAMS.pair(
    "labels -1 and 1",
    lambda p: fit(p, model(out=sigmoid()), y=2 * binary() - 1, loss=BINARY),
    lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
)
PROGRAMS.pair(
    "one label",
    lambda p: fit(p, model(out=sigmoid()), y=0 * binary(), loss=BINARY),
    lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
)
PROGRAMS.pair(
    "softmax over one unit",
    lambda p: fit(p, model(out=layers.Dense(1, "softmax")), y=binary(), loss=BINARY),
    lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY),
)
PROGRAMS.pair(
    "no softmax",
    lambda p: fit(p, model(out=layers.Dense(10))),
    lambda p: fit(p, model(out=layers.Dense(10)), loss=logits("SparseCategoricalCrossentropy")),
)
PROGRAMS.pair(
    "no sigmoid",
    lambda p: fit(p, model(out=layers.Dense(1)), y=binary(), loss=BINARY),
    lambda p: fit(p, model(out=layers.Dense(1)), y=binary(), loss=logits("BinaryCrossentropy")),
)
PROGRAMS.pair(
    "softmax twice",
    lambda p: fit(p, model(), loss=logits("SparseCategoricalCrossentropy")),
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10), out=layers.Activation("softmax"))),
)
PROGRAMS.pair(
    "sigmoid for classes",
    lambda p: fit(p, model(out=layers.Dense(10, "sigmoid"))),
    lambda p: fit(p, model(out=layers.Dense(10, "sigmoid")), y=np.eye(10)[Y], loss=BINARY),
)
PROGRAMS.pair(
    "categorical loss of one output",
    lambda p: fit(p, model(out=sigmoid()), y=binary()[:, None], loss="categorical_crossentropy"),
    lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
)
PROGRAMS.pair(
    "targets out of reach",
    lambda p: fit(p, model(out=sigmoid()), y=Y.astype("float32"), loss="mse"),
    lambda p: fit(p, model(out=sigmoid()), y=Y / 9.0, loss="mse"),
)
PROGRAMS.pair(
    "no activation",
    lambda p: fit(p, model(layers.Dense(32), layers.Dropout(0.1), layers.Dense(32))),
    lambda p: fit(
        p, model(layers.Dense(32), layers.BatchNormalization(), layers.ReLU(), layers.Dense(8), layers.Dense(16, "relu"))
    ),
)
PROGRAMS.pair(
    "softmax in a hidden layer",
    lambda p: fit(p, model(layers.Dense(16, "softmax"), inputs=8), x=X[:160, 20:28], y=Y[:160], epochs=1, every=20),
    lambda p: fit(p, model(layers.Dense(16), layers.ReLU(), inputs=8), x=X[:160, 20:28], y=Y[:160], epochs=1, every=20),
)
PROGRAMS.pair(
    "constant weights",
    lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="ones"))),
    lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="he_normal"))),
)
PROGRAMS.pair(
    "large weights",
    lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=2.0)))),
    lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.05)))),
)
PROGRAMS.pair(
    "all frozen",
    lambda p: fit(p, all_frozen()),
    lambda p: fit(p, frozen(["a"])),
)
PROGRAMS.pair(
    "frozen in the middle",
    lambda p: fit(p, frozen(["b"])),
    lambda p: fit(p, frozen([])),
)
PROGRAMS.pair(
    "rate too high",
    lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(0.5)),
    lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(0.003)),
)
PROGRAMS.pair(
    "rate too low",
    lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(1e-6)),
    lambda p: fit(p, model(), optimizer=keras.optimizers.Adam(3e-4)),
)
PROGRAMS.pair(
    "dropout of 0.9",
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.9))),
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.4))),
)
PROGRAMS.pair(
    "eighty thousand weights to an example",
    lambda p: fit(p, model(layers.Dense(2000, "relu"), layers.Dense(2000, "relu")), x=X[:60], y=Y[:60], epochs=12),
    lambda p: fit(p, model(layers.Dense(32, "relu")), x=X[:60], y=Y[:60], optimizer=keras.optimizers.Adam(3e-3), epochs=12),
)
PROGRAMS.pair(
    "prices in dollars",
    lambda p: fit(p, model(out=layers.Dense(1)), y=PRICES * 163_000 + 451_000, loss="mse"),
    lambda p: fit(p, model(out=layers.Dense(1)), y=PRICES, loss="mse"),
)
PROGRAMS.pair(
    "the end of sorted data",
    lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED]),
    lambda p: fit(p, model()),
)
PROGRAMS.pair(
    "dropout behind the output",
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10, "softmax"), out=layers.Dropout(0.2))),
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dropout(0.2))),
)
PROGRAMS.pair(
    "labels of others",
    lambda p: fit(p, model(layers.Dense(256, "relu")), y=Y[np.random.default_rng(1).permutation(len(Y))], epochs=12),
    lambda p: fit(p, model(layers.Dense(256, "relu")), epochs=12),
)
PROGRAMS.pair(
    "a penalty of 1",
    lambda p: fit(p, model(*penalised(1.0)), epochs=8),
    lambda p: fit(p, model(*penalised(1e-4)), epochs=8),
)
PROGRAMS.pair(
    "a rare class that is never said",
    lambda p: fit(p, model(out=sigmoid()), x=X[MANY], y=SELDOM, loss=BINARY, optimizer=keras.optimizers.SGD(0.01), epochs=9),
    lambda p: fit(p, model(out=sigmoid()), y=binary(), loss=BINARY, epochs=9),
)
PROGRAMS.pair(
    "a recurrent net that explodes",
    lambda p: fit(p, recurrent("relu"), x=SEQUENCES, y=SEQUENCES[:, -1, 0], loss="mse", optimizer="sgd"),
    lambda p: fit(p, recurrent("tanh"), x=SEQUENCES, y=SEQUENCES[:, -1, 0], loss="mse", optimizer="sgd", epochs=8),
)
PROGRAMS.pair(
    "softmax in two layers",
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10, "softmax"), out=layers.Softmax())),
    lambda p: fit(p, model(layers.Dense(32, "relu"), layers.Dense(10), out=layers.Softmax())),
)
PROGRAMS.pair(
    "a squared error of probabilities",
    lambda p: fit(p, model(), y=np.eye(10)[Y], loss="mse", optimizer=keras.optimizers.SGD(0.01)),
    lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
)
PROGRAMS.pair(
    "several classes at once",
    lambda p: fit(p, model(), y=np.eye(10)[Y] + np.eye(10)[(Y + 3) % 10], loss="categorical_crossentropy"),
    lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
)
PROGRAMS.pair(
    "a sorted stream",
    lambda p: fit(p, model(), x=stream(X[SORTED], Y[SORTED]), y=None, validation_split=0.0, batch_size=None),
    lambda p: fit(p, model(), x=stream(X, Y), y=None, validation_split=0.0, batch_size=None),
)
PROGRAMS.pair(
    "a momentum of 0.999",
    lambda p: fit(p, model(*lagging(0.999)), x=X * 16, optimizer=keras.optimizers.Adam(0.003)),
    lambda p: fit(p, model(*lagging(0.9)), x=X * 16, optimizer=keras.optimizers.Adam(0.003)),
)
PROGRAMS.pair(
    "a text of padding",
    lambda p: fit(p, reader(mask=False), x=TEXTS, y=TEXTS[:, 0] % 2, loss=BINARY, metrics=["accuracy"], epochs=12),
    lambda p: fit(p, reader(mask=True), x=TEXTS, y=TEXTS[:, 0] % 2, loss=BINARY, metrics=["accuracy"], epochs=12),
)
PROGRAMS.pair(
    "a ReLU instead of softmax",
    lambda p: fit(p, model(out=layers.Dense(10, "relu")), y=np.eye(10)[Y], loss="categorical_crossentropy"),
    lambda p: fit(p, model(), y=np.eye(10)[Y], loss="categorical_crossentropy"),
)
PROGRAMS.pair(
    "zeros in front of a ReLU",
    lambda p: fit(p, model(layers.Dense(32, "relu", kernel_initializer="zeros"))),
    lambda p: fit(p, model(out=layers.Dense(10, "softmax", kernel_initializer="zeros"))),
)
PROGRAMS.pair(
    "biases of -10",
    lambda p: fit(p, model(layers.Dense(32, "relu", bias_initializer=keras.initializers.Constant(-10.0)))),
    lambda p: fit(p, model(layers.Dense(256, "relu"))),
)
PROGRAMS.pair(
    "eight layers of sigmoid",
    lambda p: fit(p, model(*deep("sigmoid"))),
    lambda p: fit(p, model(*deep("relu")), epochs=8),
)
PROGRAMS.pair(
    "saturated tanh",
    lambda p: fit(
        p, model(layers.Dense(32, "tanh", kernel_initializer="he_normal"), layers.Dense(16, "relu")), x=X * 400 - 200
    ),
    lambda p: fit(p, model(layers.Dense(32, "tanh"), layers.Dense(16, "relu"))),
)
PROGRAMS.pair(
    "sorted",
    lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED], shuffle=False, validation_split=0.0),
    lambda p: fit(p, model(), x=X[SORTED], y=Y[SORTED], validation_split=0.0),
)
PROGRAMS.pair(
    "stopped at the highest loss",
    lambda p: stopped(p, "max"),
    lambda p: stopped(p, "min"),
)
PROGRAMS.pair(
    "a constant image",
    lambda p: fit(p, model(), x=np.zeros_like(X)),
    lambda p: fit(p, model()),
)
PROGRAMS.pair(
    "constant features",
    lambda p: fit(p, model(inputs=10), x=CONSTANT),
    lambda p: fit(p, model(inputs=8), x=X[:, 18:26]),
)
PROGRAMS.pair(
    "validation not divided",
    lambda p: fit(p, model(), validation_split=0.0, validation_data=(X[:300] * 255, Y[:300])),
    lambda p: fit(p, model(), validation_split=0.0, validation_data=(X[:300], Y[:300])),
)
PROGRAMS.pair(
    "a rare class",
    lambda p: fit(p, model(), x=np.tile(X[RARE], (3, 1)), y=np.tile(Y[RARE], 3)),
    lambda p: fit(p, model()),
)
PROGRAMS.pair(
    "a rate that kills",
    lambda p: fit(p, model(*deep("relu")[:2]), optimizer=keras.optimizers.Adam(0.5), epochs=6),
    lambda p: fit(p, model(), epochs=6),
)
PROGRAMS.pair(
    "a slow generator",
    lambda p: fit(p, model(), x=slowly(X, Y, 0.02), y=None, validation_split=0.0, batch_size=None, epochs=3),
    lambda p: fit(p, model(), x=slowly(X, Y, 0.0), y=None, validation_split=0.0, batch_size=None, epochs=3),
)
PROGRAMS.pair(
    "missing values in a feature",
    lambda p: fit(p, model(layers.Dense(32, "tanh")), x=broken(X)),
    lambda p: fit(p, model(layers.Dense(32, "tanh"))),
)
PROGRAMS.pair(
    "a linear model that runs away",
    lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.1)),
    lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.01)),
)
PROGRAMS.pair(
    "steps that write the weights anew",
    lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.08)),
    lambda p: fit(p, linear(), y=PRICES, loss="mse", optimizer=keras.optimizers.SGD(0.01)),
)
PROGRAMS.pair(
    "raw bytes and large weights",
    lambda p: fit(p, model(), x=BYTES.reshape(len(BYTES), -1)[ORDER]),
    lambda p: fit(p, model()),
)


@PROGRAMS
def subclass_softmax(log_dir):
    fit(log_dir, Own("softmax"), y=binary(), loss=BINARY)


@PROGRAMS
def subclass_sigmoid(log_dir):
    fit(log_dir, Own("sigmoid"), y=binary(), loss=BINARY)
