"""What is told as the reason of an infinity in real trainings: what lies before it, was there in time, and is large enough."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import scram_plugin
from scram_plugin import SCRAM
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.training.keras.models import IMAGES, LABELS

X, ODD = IMAGES.reshape(len(IMAGES), -1)[:640], (LABELS[:640] % 2).astype("float32")
DIGITS = LABELS[:640]
LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)
CLASSES_OF_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BORN = ("nonfinite-loss", "nonfinite-origin")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def watched(path):
    return {"batch_size": 32, "verbose": 0, "callbacks": [SCRAM(path, print_findings=False)]}


def findings(path):
    """heuristic -> finding, and the foremost finding."""
    (run,) = training_runs(scram_plugin.read(path))
    result = review(run, catalogue()).findings
    print([(f.severity, f.heuristic, f.explained_by, f.title) for f in result])
    return {f.heuristic: f for f in reversed(result)}, result[0]


def test_weights_of_the_first_layer_and_a_sigmoid_ten_layers_behind(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=1e38)),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", LOGITS)
    model.fit(X, ODD, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost is found["poor-initialization"]
    assert "stddev" in foremost.fixes[0].edit.before
    assert "stddev" not in foremost.fixes[0].edit.after
    assert found["nonfinite-origin"].explained_by == "poor-initialization"
    assert found["nonfinite-origin"].causes[0].id == "weights"
    assert found["nonfinite-origin"].fixes[0].edit == foremost.fixes[0].edit
    outputs = found["output-activation-mismatch"]
    assert (outputs.severity, outputs.explained_by) == ("warning", None), "it stands by itself"
    assert not [f for f in found.values() if f.explained_by == outputs.heuristic]


def test_ten_matrices_of_which_none_alone_is_too_large(tmp_path):
    large = keras.initializers.RandomNormal(stddev=1e5)
    model = keras.Sequential([keras.Input((64,)), *[layers.Dense(32, "relu", kernel_initializer=large) for _ in range(10)]])
    model.add(layers.Dense(1, "sigmoid"))
    model.compile("adam", LOGITS)
    model.fit(X, ODD, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost.heuristic == "poor-initialization"
    assert found["nonfinite-origin"].explained_by == "poor-initialization"


def test_exponentials_in_the_middle(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(256, "relu")])
    model.add(layers.Dense(256, "exponential"))
    model.add(layers.Dense(256, "exponential"))
    model.add(layers.Dense(256, "exponential"))
    model.add(layers.Dense(256, "exponential"))
    model.add(layers.Dense(256, "exponential"))
    model.add(layers.Dense(256, "relu"))
    model.add(layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.SGD(0.01), CLASSES_OF_LOGITS)
    model.fit(X, DIGITS, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost.heuristic == "hidden-activation"
    assert '"relu"' in foremost.fixes[0].edit.after
    born = next(found[name] for name in BORN if name in found)
    assert born.explained_by == "hidden-activation"
    assert born.causes[0].id == "activation"
    assert '"relu"' in born.fixes[0].edit.after
    against = {cause.id: cause.against for cause in born.causes}
    assert "usual size" in against["weights"]
    assert "before the optimizer" in against["learning-rate"]
    assert found["output-activation-mismatch"].explained_by is None
    assert not [f for f in found.values() if f.explained_by == "output-activation-mismatch"]


def test_a_rate_of_1e10_beside_a_sigmoid_twice(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu"), layers.Dense(32, "relu")])
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(keras.optimizers.Adam(learning_rate=1e10), LOGITS)
    model.fit(X, ODD, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost.heuristic in (*BORN, "unconventional-learning-rate")
    assert foremost.causes[0].id in ("learning-rate", "too-high")
    assert "1e10" in foremost.fixes[0].edit.before
    assert found["nonfinite-origin"].explained_by != "output-activation-mismatch"
    assert found["nonfinite-origin"].first_step > 0


def test_raw_pixels_and_a_saturated_tanh(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "tanh"), layers.Dense(32, "tanh")])
    model.add(layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X * 4000, DIGITS, epochs=8, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost.heuristic == "unnormalized-inputs"
    assert found["saturated-activations"].explained_by == "unnormalized-inputs"
    assert not set(BORN) & set(found)


def test_the_logarithm_of_0_in_the_loss(tmp_path):
    def own(truth, given):
        return -ops.mean(truth * ops.log(given) + (1 - truth) * ops.log(1 - given))

    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu"), layers.Dense(1, "sigmoid")])
    model.compile("adam", own)
    model.fit(X * 500, ODD, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert (foremost.heuristic, foremost.causes[0].id) == ("nonfinite-loss", "custom-loss")
    assert found["nonfinite-origin"].where == ("loss",)
    assert found["unnormalized-inputs"].explained_by is None
    assert not [cause for cause in foremost.causes if cause.id in ("weights", "activation")]


def test_weights_that_are_infinite_and_a_softmax_twice(tmp_path):
    first = layers.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=3e38))
    model = keras.Sequential([keras.Input((64,)), first, layers.Dense(32, "relu"), layers.Dense(10, "softmax")])
    model.compile("adam", CLASSES_OF_LOGITS)
    model.fit(X, DIGITS, **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert foremost.heuristic == "poor-initialization"
    assert "in the initial values of" in found["nonfinite-origin"].title
    assert found["output-activation-mismatch"].severity == "warning"


def test_steps_that_raw_inputs_make_too_long(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(X * 4000, DIGITS.astype("float32"), **watched(tmp_path))
    found, foremost = findings(tmp_path)
    assert np.isin("nonfinite-loss", list(found))
    assert foremost.heuristic == "unnormalized-inputs"
    assert found["nonfinite-loss"].explained_by == "unnormalized-inputs"
