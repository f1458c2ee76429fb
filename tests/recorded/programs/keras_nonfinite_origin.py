"""Programs of Keras in which something becomes NaN, each at a known batch and in a known place; with XLA and without."""

import keras
import numpy as np
from keras import layers, ops

from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import watched

PROGRAMS = Programs()


def both(program):
    PROGRAMS[f"{program.__name__}/graph"] = lambda p: program(p, False)
    PROGRAMS[f"{program.__name__}/xla"] = lambda p: program(p, True)
    return program


BAD = 37  # the batch, from 0, whose data bring the trouble out; it is no sampled one
FLAT = IMAGES.reshape(len(IMAGES), -1)
ZEROED = FLAT.copy()
ZEROED[32 * BAD + 3] = 0.0


class Ratio(layers.Layer):
    """Divides by the sum of its inputs, which is 0 for an empty image."""

    def call(self, x):
        return x / ops.sum(x, axis=-1, keepdims=True)


class Logarithm(layers.Layer):
    def call(self, x):
        return ops.log(ops.sum(x, axis=-1, keepdims=True))


class Length(layers.Layer):
    """The square root of a sum of squares: finite at 0, its slope is not."""

    def call(self, x):
        return ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True))


def log_loss(y_true, y_pred):
    return -ops.mean(ops.log(y_pred[:, 0] * 0 + ops.mean(ops.cast(y_true, "float32")) + 0 * ops.sum(y_pred)))


def root_loss(y_true, y_pred):
    """Its slope is infinite where the output hits the target."""
    return ops.mean(
        ops.sqrt(ops.abs(ops.cast(y_true, "float32") - 0 * y_pred[:, 0] - ops.cast(y_true, "float32"))) + y_pred[:, 0]
    )


def trained(log_dir, model, x=FLAT, y=LABELS, loss="sparse_categorical_crossentropy", optimizer="adam", jit=False, **how):
    model.compile(optimizer, loss, jit_compile=jit)
    watched(log_dir, model, x, y, epochs=1, shuffle=False, validation_split=0.0, **how)


def sequential(*middle, out=None):
    keras.utils.set_random_seed(5)
    return keras.Sequential([keras.Input((64,)), *middle, out or layers.Dense(10, "softmax")])


@both
def nan_in_one_row(log_dir, jit):
    x = FLAT.copy()
    x[32 * BAD + 3, 7] = np.nan
    trained(log_dir, sequential(layers.Dense(16, "relu")), x, jit=jit)


@both
def nan_target(log_dir, jit):
    y = LABELS.astype("float32")
    y[32 * BAD + 3] = np.nan
    trained(log_dir, sequential(layers.Dense(16, "relu"), out=layers.Dense(1)), y=y, loss="mse", jit=jit)


@both
def division_in_a_layer(log_dir, jit):
    model = sequential(Ratio(name="ratio"), layers.Dense(16, "tanh"))
    trained(log_dir, model, ZEROED, jit=jit)


@both
def logarithm_in_a_layer(log_dir, jit):
    trained(log_dir, sequential(Logarithm(name="logarithm"), layers.Dense(16, "tanh")), ZEROED, jit=jit)


@both
def division_behind_a_hidden_layer(log_dir, jit):
    """Where no unit of the layer before is active, the ratio is 0 / 0."""
    hidden = layers.Dense(16, "relu", use_bias=False, name="hidden")
    trained(log_dir, sequential(hidden, Ratio(name="ratio")), ZEROED, jit=jit)


@both
def root_on_the_way_back(log_dir, jit):
    model = sequential(layers.Dense(16, use_bias=False, name="before"), Length(name="length"), layers.Dense(8, name="behind"))
    trained(log_dir, model, ZEROED, jit=jit)


@both
def log_of_zero_in_the_loss(log_dir, jit):
    y = np.where(np.arange(len(LABELS)) // 32 == BAD, 0.0, 1.0).astype("float32")
    trained(log_dir, sequential(out=layers.Dense(1)), y=y, loss=log_loss, jit=jit)


@both
def slope_of_the_loss(log_dir, jit):
    trained(log_dir, sequential(out=layers.Dense(1, name="only")), loss=root_loss, jit=jit)


@both
def float16_overflow(log_dir, jit):
    x = FLAT.copy()
    x[32 * BAD + 3] = 60_000.0
    model = sequential(layers.Dense(16, "relu", kernel_initializer="ones", dtype="mixed_float16", name="narrow"))
    trained(log_dir, model, x, jit=jit)


@both
def exploding_recurrence(log_dir, jit):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((64, 1)),
            layers.SimpleRNN(8, activation=None, recurrent_initializer=keras.initializers.Constant(8.0), name="recurrent"),
            layers.Dense(10, "softmax"),
        ]
    )
    trained(log_dir, model, FLAT[..., None], jit=jit)


@both
def step_that_overflows(log_dir, jit):
    """Finite gradients, times a rate beyond all bounds."""
    model = sequential(layers.Dense(16, "tanh", name="first"), out=layers.Dense(1, name="last"))
    optimizer = keras.optimizers.SGD(1e38)
    trained(log_dir, model, FLAT * 100, y=LABELS * 100.0, loss="mse", optimizer=optimizer, jit=jit)


@both
def exponential_that_overflows(log_dir, jit):
    x = FLAT.copy()
    x[32 * BAD + 3] = 100.0
    keras.utils.set_random_seed(5)
    inputs = keras.Input((64,))
    grown = layers.Dense(8, activation="exponential", kernel_initializer="ones", name="grown")(inputs * 1.0)
    squashed = layers.Dense(8, "tanh")(layers.Rescaling(1e-3)(grown))
    model = keras.Model(inputs, layers.Dense(10, "softmax")(squashed))
    trained(log_dir, model, x / 2, jit=jit)


PROGRAMS["healthy/dense"] = lambda p: trained(p, sequential(layers.Dense(16, "relu")))
PROGRAMS["healthy/length"] = lambda p: trained(p, sequential(Length(), layers.Dense(16, "tanh")))


@PROGRAMS
def a_large_output_whose_nan_is_hidden(log_dir):
    """Large outputs are not held in memory until the end of the step, but those of somebody's own layers are."""
    wide = [layers.RepeatVector(80), Ratio(name="ratio"), layers.Flatten(), layers.Dense(16, "relu")]
    trained(log_dir, sequential(*wide), ZEROED)


@PROGRAMS
def a_large_output_of_a_layer_of_keras(log_dir):
    x = np.where(np.arange(len(FLAT))[:, None] == 32 * BAD + 3, np.float32(3e38), FLAT)
    wide = [layers.RepeatVector(80), layers.Conv1D(4, 3, name="wide"), layers.Flatten()]
    trained(log_dir, sequential(*wide), x)
