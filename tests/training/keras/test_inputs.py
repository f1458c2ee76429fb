"""Inputs of Keras models that tell nothing: not connected, always one word, or pictures in another order; and sound twins."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.sparse import csr_matrix

import scram_plugin
from scram_plugin import SCRAM
from scram_plugin.training.keras.model_facts import model_facts

RANDOM = np.random.default_rng(0)
NUMBERS, WORDS = RANDOM.normal(size=(640, 4)).astype("float32"), RANDOM.integers(1, 9, 640)
TARGETS = (NUMBERS.sum(axis=1) + 0.3 * WORDS).astype("float32")


def found(path, model, x, y, epochs=6):
    model.compile(keras.optimizers.Adam(0.003), "mse" if y.dtype == "float32" else "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0, callbacks=[SCRAM(path, every=3, print_findings=False)])
    (review,) = scram_plugin.review(str(path), cache=False)
    return {(f.heuristic, f.causes[0].id): f for f in review.alone if f.severity != "info"}


def of_words(table=9, second=None):
    keras.utils.set_random_seed(0)
    numbers, words = keras.Input((4,), name="numbers"), keras.Input((), dtype="int32", name="words")
    given = layers.Embedding(table, 4)(words if second is None else second(numbers))
    hidden = layers.Dense(16, "relu")(layers.concatenate([numbers, given]))
    return keras.Model([numbers, words], layers.Dense(1)(hidden))


@pytest.mark.parametrize("connected", [True, False])
def test_an_input_that_no_layer_takes(connected, tmp_path):
    rows = None if connected else lambda numbers: keras.ops.cast(numbers[:, 0] > 0, "int32")
    told = found(tmp_path, of_words(second=rows), {"numbers": NUMBERS, "words": WORDS}, TARGETS)
    assert [f.title for f in told.values()] == ([] if connected else ["The outputs do not depend on `words`"])


@pytest.mark.parametrize(("words", "table", "told"), [(0 * WORDS, 12, True), (0 * WORDS, 4, False), (WORDS, 12, False)])
def test_a_word_that_never_changes(words, table, told, tmp_path):
    """Segments of texts have a table of few words, and may all be in the first one."""
    given = found(tmp_path, of_words(table), {"numbers": NUMBERS, "words": words}, TARGETS)
    assert (("constant-inputs", "constant") in given) == told


@pytest.mark.parametrize(("penalty", "told"), [("l1", True), (None, False)])
def test_a_penalty_on_the_words(penalty, told, tmp_path):
    keras.utils.set_random_seed(0)
    texts = RANDOM.integers(1, 200, (1_280, 12))
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(200, 16, embeddings_regularizer=penalty),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2, "softmax"),
        ]
    )
    given = found(tmp_path, model, texts, (texts < 60).sum(axis=1) > 3, epochs=12)
    assert (("strong-regularization", "factor") in given) == told
    if told:
        (finding,) = (f for f in given.values() if f.heuristic == "strong-regularization")
        assert "0.01 in `embedding" in finding.title


@pytest.mark.parametrize("wrong", [True, False])
def test_pictures_whose_channels_were_made_the_last_axis(wrong, tmp_path):
    keras.utils.set_random_seed(0)
    at = np.arange(16)
    middles = RANDOM.uniform(4, 12, (320, 2))
    inside = (at[None, :, None] - middles[:, :1, None]) ** 2 + (at[None, None, :] - middles[:, 1:, None]) ** 2 < 12
    front, behind = RANDOM.random((2, 320, 3, 1, 1))
    first = np.where(inside[:, None], front, behind).astype("float32")
    pictures = first.reshape(320, 16, 16, 3) if wrong else first.transpose(0, 2, 3, 1)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(1)]
    )
    told = found(tmp_path, model, pictures, middles[:, 0].astype("float32") / 16, epochs=3)
    assert (("mixed-axes", "view") in told) == wrong


@pytest.mark.parametrize(
    ("given", "told"), [(0 * NUMBERS + NUMBERS[:1], True), (NUMBERS, False), (NUMBERS[np.arange(640) // 5 % 5], False)]
)
def test_examples_that_are_all_one_and_the_same(given, told, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
    assert (("constant-inputs", "alike") in found(tmp_path, model, given, TARGETS)) == told


def test_sparse_matrices_are_trained_on_and_recorded(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
    found(tmp_path, model, csr_matrix(np.maximum(NUMBERS, 0)), TARGETS, epochs=2)
    assert len(scram_plugin.read(tmp_path)["scram"]["scram/batches/loss"]) == 40


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("trained", [True, False])
def test_whether_a_frozen_layer_is_as_it_was_drawn(bias, trained):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(32, use_bias=bias, trainable=False), layers.Dense(1)])
    if trained:  # by little, of the size of its weights
        (kernel, *_) = model.layers[0].weights
        kernel.assign(kernel + 0.02 * np.sign(kernel))
    assert model_facts(model)["layers"][0]["drawn"] == (not trained)
