"""Heuristics of curves on real trainings of digits, each with its fault and its healthy twin, logged by Keras's TensorBoard.

What they are found by is the log alone, as for anybody's.
"""

import keras
import numpy as np
import pytest
from keras import layers

from scram_plugin.heuristics.catalogue import HEURISTICS
from tests.event_files import curve
from tests.heuristics.trainings import IMAGES, LABELS, classifier, finding, found, review_of

CURVES = [h.id for h in HEURISTICS if h.group == "curves" and h.id not in ("overfitting", "nonfinite-loss")]


def trained(tmp_path, model, x=IMAGES[:600], y=LABELS[:600], epochs=25, validation=(IMAGES[600:900], LABELS[600:900]), **fit):
    """The review of one training, logged by Keras's own callback; the options of SCRAM's heuristics as they come."""
    callbacks = [keras.callbacks.TensorBoard(tmp_path), *fit.pop("callbacks", [])]
    model.fit(x, y, epochs=epochs, validation_data=validation, callbacks=callbacks, **{"batch_size": 32, "verbose": 0, **fit})
    return review_of(tmp_path)


class Rates(keras.callbacks.Callback):
    """Sets the learning rate at the start of some epochs."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_epoch_begin(self, epoch, logs=None):
        if epoch in self.rates:
            self.model.optimizer.learning_rate = self.rates[epoch]


def divergence(tmp_path, bad):
    rates = Rates({10: 1.0 if bad else 1e-3})  # Adam at 1.0 forgets everything, and its loss stays finite
    return trained(tmp_path, classifier(), callbacks=[rates])


def no_learning(tmp_path, bad):
    return trained(tmp_path, classifier(optimizer=keras.optimizers.SGD(1e-9 if bad else 0.1)))


def plateau(tmp_path, bad):
    # one hidden unit cannot tell ten digits apart: it learns what it can, soon, and then nothing more
    optimizer = keras.optimizers.Adam(3e-2 if bad else 1e-2)
    return trained(tmp_path, classifier(hidden=1 if bad else 32, optimizer=optimizer), epochs=160, validation=None)


def oscillating_loss(tmp_path, bad):
    optimizer = keras.optimizers.Adam(0.1 if bad else 1e-3)
    return trained(tmp_path, classifier(hidden=64, optimizer=optimizer), epochs=30, validation=None)


def loss_spike(tmp_path, bad):
    rates = Rates({20: 0.2, 21: 1e-3} if bad else {})
    return trained(tmp_path, classifier(hidden=32, optimizer=keras.optimizers.Adam(1e-3)), epochs=60, callbacks=[rates])


def noisy_validation(tmp_path, bad):
    """Noise at the input, also when validating: on two samples it does not average out."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8))
    noisy = layers.Dropout(0.5)(layers.Flatten()(inputs), training=True)
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Dense(64, "relu")(noisy)))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    few = slice(710, 712 if bad else 1500)
    return trained(tmp_path, model, epochs=40, validation=(IMAGES[few], LABELS[few]))


def validation_better_than_training(tmp_path, bad):
    model = classifier(hidden=256, rest=[layers.Dropout(0.9 if bad else 0.0)])
    return trained(tmp_path, model, epochs=20)


def zero_loss(tmp_path, bad):
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(1, "softmax" if bad else "sigmoid")])
    model.compile("adam", "binary_crossentropy" if not bad else "categorical_crossentropy")
    two = LABELS[:600, None] % 2
    return trained(tmp_path, model, y=two, validation=(IMAGES[600:900], LABELS[600:900, None] % 2))


def undertrained(tmp_path, bad):
    return trained(tmp_path, classifier(hidden=128), epochs=5 if bad else 40)


def learning_rate_schedule(tmp_path, bad):
    curve(tmp_path / "train", "epoch_learning_rate", [1e-3] * 6 + [1e-7 if bad else 1e-3] * 34)
    rates = Rates({6: 1e-7} if bad else {})
    return trained(tmp_path, classifier(), epochs=40, callbacks=[rates])


def metric_loss_disagreement(tmp_path, bad):
    """A fifth of the validation labels is wrong: the surer the model, the more they cost, though it is right more often."""
    right = LABELS[600:900]
    wrong = np.where(np.random.default_rng(1).random(300) < (0.2 if bad else 0.0), (right + 3) % 10, right)
    model = classifier(hidden=64, optimizer=keras.optimizers.Adam(3e-3))
    return trained(tmp_path, model, epochs=60, validation=(IMAGES[600:900], wrong))


def missing_validation(tmp_path, bad):
    return trained(tmp_path, classifier(), epochs=8, validation=None if bad else (IMAGES[600:900], LABELS[600:900]))


def step_rewind(tmp_path, bad):
    model = classifier()
    trained(tmp_path, model, epochs=8)
    return trained(tmp_path, model, epochs=16, initial_epoch=3 if bad else 8)


def nonfinite_metric(tmp_path, bad):
    """Precision of a class by hand, undefined as soon as the class is not predicted."""
    model = classifier()

    def share(y_true, y_pred):
        chosen = keras.ops.cast(y_pred[:, 9] > (0.99999 if bad else -1.0), "float32")
        return keras.ops.sum(chosen * y_pred[:, 9]) / keras.ops.sum(chosen)

    share.__name__ = "precision"
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[share])
    return trained(tmp_path, model, epochs=5)


@pytest.mark.parametrize("heuristic", CURVES)
def test_a_training_with_the_fault(heuristic, tmp_path):
    result = globals()[heuristic.replace("-", "_")](tmp_path, True)
    one = [f for f in result.findings if f["heuristic"] == heuristic]
    assert one, (found(result), result.inconclusive)
    assert one[0]["summary"]
    assert "{" not in one[0]["summary"]
    assert one[0]["causes"]
    assert one[0]["fixes"][0]["framework"] == "keras"


@pytest.mark.parametrize("heuristic", CURVES)
def test_the_healthy_twin(heuristic, tmp_path):
    result = globals()[heuristic.replace("-", "_")](tmp_path, False)
    assert heuristic in result.passed, finding(result, heuristic) if heuristic in found(result) else result.inconclusive
    assert result.counts()["error"] + result.counts()["warning"] == 0, found(result)
