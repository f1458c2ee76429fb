"""Losses that are no plain means over the examples: weighted or smoothed, and learned. Guessing says nothing about them."""

import keras
import numpy as np
import pytest

import scram_plugin
from scram_plugin import SCRAM
from scram_plugin.training.keras.ownership import untrained

RANDOM = np.random.default_rng(0)
RARE = (RANDOM.random(1_280) < 0.05).astype("float32")
X = RANDOM.normal(size=(1_280, 8)).astype("float32") + 1.5 * RARE[:, None]
HOW = {"class": {"class_weight": {0: 0.526, 1: 10.0}}, "examples": {"sample_weight": np.where(RARE > 0, 10.0, 0.526)}}


@pytest.mark.parametrize("how", HOW)
def test_a_rare_class_that_counts_more(how, tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    callbacks = [SCRAM(tmp_path, print_findings=False)]
    model.fit(X, RARE, epochs=12, batch_size=32, verbose=0, callbacks=callbacks, **HOW[how])
    (review,) = scram_plugin.review(tmp_path, cache=False)
    assert "no-learning" not in [f.heuristic for f in review.findings]


def test_smoothed_labels(tmp_path):
    keras.utils.set_random_seed(1)
    labels = (X[:, 0] > 0.5).astype("float32")
    labels[: len(labels) // 8] = 1.0
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", keras.losses.BinaryCrossentropy(label_smoothing=0.5))
    model.fit(X, labels, epochs=12, batch_size=32, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    (review,) = scram_plugin.review(tmp_path, cache=False)
    assert "no-learning" not in [f.heuristic for f in review.findings]


@pytest.mark.parametrize("bias", [True, False])
def test_whether_weights_are_new_is_seen_by_what_begins_with_0(bias):
    """A copy without biases may be the average of a network that is trained."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=bias), keras.layers.Dense(2, use_bias=bias)])
    assert untrained(model.trainable_variables, (), lambda v: v.path)["fresh"] == (4 if bias else 0)
