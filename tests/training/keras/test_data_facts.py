"""What the callback says of the data as a whole."""

import keras
import numpy as np
import pytest

import scram_plugin
from scram_plugin import SCRAM


@pytest.mark.parametrize("left", [True, False])
def test_a_target_that_was_left_in_the_table(left, tmp_path):
    random = np.random.default_rng(0)
    table = random.normal(size=(200, 4)).astype("float32")
    target = table @ np.float32([1, -2, 3, 0.5]) + random.normal(size=200).astype("float32")
    inputs = np.insert(table, 1, target, axis=1) if left else table
    model = keras.Sequential([keras.Input(inputs.shape[1:]), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(inputs, 2 * target, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    (review,) = scram_plugin.review(tmp_path)
    told = [(f.causes[0].id, f.evidence["feature"]) for f in review.findings if f.heuristic == "target-in-inputs"]
    assert told == ([("column", 1)] if left else [])


@pytest.mark.parametrize("adapted", [True, False])
def test_a_normalisation_that_was_never_adapted(adapted, tmp_path):
    random = np.random.default_rng(0)
    table = random.normal(1000, 100, (320, 4)).astype("float32")
    normalise = keras.layers.Normalization(name="scaling")
    if adapted:
        normalise.adapt(table)
    model = keras.Sequential([keras.Input((4,)), normalise, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(table, random.normal(size=320), epochs=3, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    (review,) = scram_plugin.review(tmp_path)
    told = [(f.causes[0].id, f.causes[0].for_) for f in review.findings if f.heuristic == "unnormalized-inputs"]
    assert told == ([] if adapted else [("not-adapted", "`scaling` has the mean 0 and the variance 1 that it was made with.")])
