"""Real trainings on digits, with one fault or its healthy twin, and what SCRAM says of them."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits, load_wine

from scram_plugin import SCRAM
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews import review

DIGITS = load_digits()
BYTES, LABELS = (DIGITS.images * 255 / 16).round().astype("float32"), DIGITS.target.astype("int32")
IMAGES = BYTES / 255
WINE = load_wine()


def reviewed(tmp_path, model, x, y, epochs=3, options=None, **fit):
    """The review of one real training with the callback."""
    arguments = {"validation_split": 0.2, "batch_size": 32, "verbose": 0, **fit}
    model.fit(x, y, epochs=epochs, callbacks=[SCRAM(tmp_path, every=10, print_findings=False)], **arguments)
    return review_of(tmp_path, options)


def review_of(path, options=None):
    (run,) = training_runs(read(path))
    return review(run, catalogue(options=options))


def found(result):
    return [f["heuristic"] for f in result.findings if f["explained_by"] is None]


def finding(result, heuristic):
    (one,) = [f for f in result.findings if f["heuristic"] == heuristic]
    return one


def found_as(case, path):
    """The finding of a training that has a fault; `case` is (heuristic, first cause, the training, its healthy twin)."""
    heuristic, cause, faulty, _ = case
    result = faulty(path)
    print([(f["heuristic"], f["explained_by"], f["title"]) for f in result.findings])
    one = finding(result, heuristic)
    print(one["summary"])
    assert one["causes"][0]["id"] == cause
    return one


def is_sound(case, path):
    """Nothing is found in the healthy twin of such a training."""
    heuristic, _, _, twin = case
    result = twin(path)
    print([(f["heuristic"], f["explained_by"], f["title"]) for f in result.findings])
    assert heuristic in result.passed
    others = [f["heuristic"] for f in result.findings if f["severity"] != "info" and f["explained_by"] is None]
    assert set(others) <= {"undertrained"}, "four epochs are few"


def classifier(*first, shape=(8, 8), hidden=32, optimizer="adam", loss="sparse_categorical_crossentropy", units=10, rest=()):
    keras.utils.set_random_seed(11)
    model = keras.Sequential(
        [keras.Input(shape), *first, layers.Flatten(), layers.Dense(hidden, "relu"), *rest, layers.Dense(units, "softmax")]
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def noisy_labels(rate, seed=0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(LABELS)) < rate
    return np.where(wrong, rng.integers(0, 10, len(LABELS)), LABELS)
