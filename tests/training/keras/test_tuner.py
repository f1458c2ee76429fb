"""A real search of Keras Tuner, and a plain loop of fits: what can no longer become good is stopped."""

import keras
import keras_tuner
import numpy as np
import pytest

from scram_plugin.tuners.keras import StopHopeless

EPOCHS = 12
RATES = [0.01, 0.012, 0.008, 0.014, 1e-6, 0.011]  # the fifth hardly moves


def model_of(rate):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data():
    draws = np.random.default_rng(0)
    labels = draws.integers(0, 3, 600)
    return (draws.normal(0, 1, (600, 8)) + np.eye(3, 8)[labels] * 4).astype("float32"), labels


@pytest.mark.slow
def test_a_loop_of_fits():
    x, y = data()
    callback = StopHopeless("val_loss", "min")
    epochs = []
    for rate in RATES:
        history = model_of(rate).fit(x, y, epochs=EPOCHS, verbose=0, validation_split=0.2, callbacks=[callback])
        epochs.append(len(history.epoch))
    assert [n < EPOCHS for n in epochs] == [rate == 1e-6 for rate in RATES]
    assert list(callback.stopped) == [4]
    assert "times slower" in callback.stopped[4]


def test_a_search(tmp_path):
    x, y = data()
    callback = StopHopeless("val_accuracy", "max", goal=0.9)

    def build(hp):
        return model_of(hp.Choice("rate", RATES))

    tuner = keras_tuner.GridSearch(build, "val_accuracy", directory=tmp_path, overwrite=True)
    tuner.search(x, y, epochs=EPOCHS, verbose=0, validation_split=0.2, callbacks=[callback])
    assert len(callback.stopped) == 1, "the copies that the tuner makes share what they know"


def test_bad_values_are_refused_at_once():
    with pytest.raises(ValueError, match="give 'max' or 'min'"):
        StopHopeless("val_loss", "auto")
