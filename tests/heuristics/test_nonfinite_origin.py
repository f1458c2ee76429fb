"""Programs in which something becomes NaN: the step, and the layer or variable where it began, are named."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.heuristics.trainings import IMAGES, LABELS, finding, found, reviewed

ID = "nonfinite-origin"
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


def trained(tmp_path, model, x=FLAT, y=LABELS, loss="sparse_categorical_crossentropy", optimizer="adam", jit=False, **how):
    model.compile(optimizer, loss, jit_compile=jit)
    return reviewed(tmp_path, model, x, y, epochs=1, shuffle=False, validation_split=0.0, **how)


def sequential(*middle, out=None):
    keras.utils.set_random_seed(5)
    return keras.Sequential([keras.Input((64,)), *middle, out or layers.Dense(10, "softmax")])


def nan_in_one_row(tmp_path, jit):
    x = FLAT.copy()
    x[32 * BAD + 3, 7] = np.nan
    return trained(tmp_path, sequential(layers.Dense(16, "relu")), x, jit=jit), BAD, "inputs"


def nan_target(tmp_path, jit):
    y = LABELS.astype("float32")
    y[32 * BAD + 3] = np.nan
    return (
        trained(tmp_path, sequential(layers.Dense(16, "relu"), out=layers.Dense(1)), y=y, loss="mse", jit=jit),
        BAD,
        "targets",
    )


def division_in_a_layer(tmp_path, jit):
    model = sequential(Ratio(name="ratio"), layers.Dense(16, "tanh"))
    return trained(tmp_path, model, ZEROED, jit=jit), BAD, "ratio"


def logarithm_in_a_layer(tmp_path, jit):
    return (
        trained(tmp_path, sequential(Logarithm(name="logarithm"), layers.Dense(16, "tanh")), ZEROED, jit=jit),
        BAD,
        "logarithm",
    )


def division_behind_a_hidden_layer(tmp_path, jit):
    """Where no unit of the layer before is active, the ratio is 0 / 0."""
    hidden = layers.Dense(16, "relu", use_bias=False, name="hidden")
    return trained(tmp_path, sequential(hidden, Ratio(name="ratio")), ZEROED, jit=jit), BAD, "ratio"


def root_on_the_way_back(tmp_path, jit):
    model = sequential(layers.Dense(16, use_bias=False, name="before"), Length(name="length"), layers.Dense(8, name="behind"))
    return trained(tmp_path, model, ZEROED, jit=jit), BAD, "length"


def log_of_zero_in_the_loss(tmp_path, jit):
    y = np.where(np.arange(len(LABELS)) // 32 == BAD, 0.0, 1.0).astype("float32")
    return trained(tmp_path, sequential(out=layers.Dense(1)), y=y, loss=log_loss, jit=jit), BAD, "the loss"


def slope_of_the_loss(tmp_path, jit):
    return trained(tmp_path, sequential(out=layers.Dense(1, name="only")), loss=root_loss, jit=jit), 0, "the loss"


def float16_overflow(tmp_path, jit):
    x = FLAT.copy()
    x[32 * BAD + 3] = 60_000.0
    model = sequential(layers.Dense(16, "relu", kernel_initializer="ones", dtype="mixed_float16", name="narrow"))
    return trained(tmp_path, model, x, jit=jit), BAD, "narrow"


def exploding_recurrence(tmp_path, jit):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((64, 1)),
            layers.SimpleRNN(8, activation=None, recurrent_initializer=keras.initializers.Constant(8.0), name="recurrent"),
            layers.Dense(10, "softmax"),
        ]
    )
    return trained(tmp_path, model, FLAT[..., None], jit=jit), 0, "recurrent"


def step_that_overflows(tmp_path, jit):
    """Finite gradients, times a rate beyond all bounds."""
    model = sequential(layers.Dense(16, "tanh", name="first"), out=layers.Dense(1, name="last"))
    optimizer = keras.optimizers.SGD(1e38)
    return trained(tmp_path, model, FLAT * 100, y=LABELS * 100.0, loss="mse", optimizer=optimizer, jit=jit), 0, "first"


def exponential_that_overflows(tmp_path, jit):
    x = FLAT.copy()
    x[32 * BAD + 3] = 100.0
    keras.utils.set_random_seed(5)
    inputs = keras.Input((64,))
    grown = layers.Dense(8, activation="exponential", kernel_initializer="ones", name="grown")(inputs * 1.0)
    squashed = layers.Dense(8, "tanh")(layers.Rescaling(1e-3)(grown))
    model = keras.Model(inputs, layers.Dense(10, "softmax")(squashed))
    return trained(tmp_path, model, x / 2, jit=jit), BAD, "grown"


PROGRAMS = [
    nan_in_one_row,
    nan_target,
    division_in_a_layer,
    logarithm_in_a_layer,
    division_behind_a_hidden_layer,
    root_on_the_way_back,
    log_of_zero_in_the_loss,
    slope_of_the_loss,
    float16_overflow,
    exploding_recurrence,
    step_that_overflows,
    exponential_that_overflows,
]


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_step_and_the_place(program, jit, tmp_path):
    result, batch, where = program(tmp_path, jit)
    one = finding(result, ID)
    print(one["title"], "|", one["summary"])
    assert (one["severity"], one["confidence"]) == ("error", "certain")
    assert one["bad_step"] == batch
    assert where in one["title"]


def test_healthy_twins(tmp_path):
    for i, model in enumerate([sequential(layers.Dense(16, "relu")), sequential(Length(), layers.Dense(16, "tanh"))]):
        assert ID in trained(tmp_path / str(i), model).passed


def test_nan_that_a_relu_hides_leaves_dead_weights(tmp_path):
    """On the CPU without XLA the ReLU makes 0 of NaN, and the loss stays finite."""
    result, _, _ = nan_in_one_row(tmp_path, False)
    assert "nonfinite-loss" in result.passed
    assert found(result) == ["nonfinite-inputs"]
    assert "The loss does not show it" in finding(result, ID)["summary"]


def test_a_large_output_whose_nan_is_hidden(tmp_path):
    """Large outputs are not held in memory until the end of the step, but those of somebody's own layers are."""
    wide = [layers.RepeatVector(80), Ratio(name="ratio"), layers.Flatten(), layers.Dense(16, "relu")]
    result = trained(tmp_path, sequential(*wide), ZEROED)
    one = finding(result, ID)
    assert "nonfinite-loss" in result.passed
    assert (one["bad_step"], "ratio" in one["title"]) == (BAD, True)


def test_a_large_output_of_a_layer_of_keras(tmp_path):
    x = np.where(np.arange(len(FLAT))[:, None] == 32 * BAD + 3, np.float32(3e38), FLAT)
    wide = [layers.RepeatVector(80), layers.Conv1D(4, 3, name="wide"), layers.Flatten()]
    one = finding(trained(tmp_path, sequential(*wide), x), ID)
    assert (one["bad_step"], "wide" in one["title"]) == (BAD, True)
