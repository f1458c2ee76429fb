"""Labels with a number for each class, outputs that are no probabilities, and constant weights whose activation is a layer."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.edits.model import layer_calls
from scram_plugin.heuristics.edits.program import program
from scram_plugin.reviews.run import review
from tests.heuristics.edited import facts, layers
from tests.training_runs import training_run

CLASSES, MEASURED, BATCH = 10, 60, 32
CROSS_ENTROPY = {"class": "CategoricalCrossentropy", "from_logits": False}


def judged(id_, statistics, batches=None, **known):
    run = training_run({}, statistics, {"framework": "keras", **known}, batches or {"loss": np.linspace(2.3, 1.0, 200)})
    return review(run, catalogue(select=[id_]))


def shares(order):
    """The shares of the classes in batches of labels in an order."""
    labels = order(np.repeat(np.arange(CLASSES), MEASURED * BATCH // CLASSES + 1)[: MEASURED * BATCH])
    each = np.eye(CLASSES)[labels].reshape(MEASURED, BATCH, CLASSES).mean(axis=1)
    return {f"y0/mean/{i}": each[:, i] for i in range(CLASSES)}


def one_hot(order, loss=CROSS_ENTROPY, shuffle=None, framework="keras"):
    known = {"fit": {"batch_size": BATCH, "shuffle": shuffle}, "loss": loss, "model": {"output_units": CLASSES}}
    batches = {"loss": np.linspace(2.3, 1.0, MEASURED), "y0/mean": np.full(MEASURED, 1 / CLASSES)}
    statistics = {**shares(order), "y0/mean": np.full(MEASURED, 0.1), "y0/std": np.full(MEASURED, 0.3)}
    return judged("unshuffled-data", statistics, batches, **{**known, "framework": framework})


def test_sorted_labels_with_a_number_for_each_class():
    (found,) = one_hot(np.sort).findings
    assert "The mean target of a batch goes from 0 to 1" in found.summary


def test_shuffled_ones():
    for seed in range(40):
        assert one_hot(np.random.default_rng(seed).permutation).passed == ("unshuffled-data",)


def test_a_sampler_that_draws():
    assert not one_hot(np.sort, shuffle=True, framework="torch").findings


def test_targets_of_several_numbers_that_are_no_classes():
    (missing,) = one_hot(np.sort, loss={"class": "MeanSquaredError"}).not_checked
    assert missing.reason == "each target is several numbers, which have no order"


SUBCLASS = """\
import keras
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(32, activation="relu")
        self.last = keras.layers.Dense(3, activation="{activation}")
    def call(self, x):
        return self.last(self.hidden(x))
model = Net()
model.compile("adam", "categorical_crossentropy")
model.fit(x, y)
"""


def outputs(sums, activation="relu"):
    """A subclass of Model whose outputs have these sums, and its program."""
    hidden, last = ({"settings": {"units": units}} for units in (32, 3))
    model = layers(("dense", "Dense", hidden), ("dense_1", "Dense", last))["layers"]
    for layer, given, width in zip(model, ("relu", activation), (32, 3), strict=True):
        layer |= {"activation": given, "kernel": [8, width]}
    known = facts(SUBCLASS.format(activation=activation), model={"kind": "subclass", "layers": model}, loss=CROSS_ENTROPY)
    statistics = {f"y_pred0/mean/{i}": np.asarray(sums) / 3 for i in range(3)}
    statistics |= {"y_pred0/min": np.zeros(len(sums)), "y_pred0/max": np.full(len(sums), 0.9)}
    return judged("output-activation-mismatch", statistics, **known)


def test_outputs_whose_sum_is_not_one():
    (found,) = outputs([0.4, 0.5, 0.6, 0.5]).findings
    assert "add up to 0.5, and probabilities to 1" in found.causes[0].for_
    assert found.fixes[0].edit.after.strip() == 'self.last = keras.layers.Dense(3, activation="softmax")'


@pytest.mark.parametrize("sums", [[1.0] * 4, [1.001, 0.999, 1.002, 1.0], [0.4, 0.4], [0.2, 1.0, 1.0, 1.0]])
def test_outputs_that_may_be_probabilities(sums):
    assert not outputs(sums).findings


def constant(kind, *more):
    """A layer of zeros in a model, and what follows it."""
    entries = [
        {
            "path": "in",
            "name": "in",
            "class": "Dense",
            "kernel": [8, 16],
            "activation": "relu",
            "initializer": {"class": "HeNormal"},
        },
        {"path": "zeros", "name": "zeros", "class": "Dense", "kernel": [16, 16], "activation": "linear"},
        *more,
        {"path": "out", "name": "out", "class": "Dense", "kernel": [16, 3], "activation": "softmax"},
    ]
    for entry in entries:
        entry.setdefault("trainable", True)
    entries[1]["initializer"] = {"class": "Zeros"}
    entries[-1].setdefault("initializer", {"class": "GlorotUniform"})
    return judged("poor-initialization", {}, model={"kind": kind, "layers": entries, "output_units": 3}).findings


def test_zeros_whose_activation_is_a_layer():
    (found,) = constant("sequential", {"path": "act", "name": "act", "class": "Activation", "activation": "relu"})
    assert found.causes[0].id == "same"


def test_zeros_that_may_end_a_residual_branch():
    assert not constant("subclass", {"path": "act", "name": "act", "class": "Activation", "activation": "relu"})


def test_layers_of_one_kind_beside_one_with_a_name():
    text = "inputs = Input((8,))\nx = Dense(32)(inputs)\n" + "x = Dense(16)(x)\n" * 3 + 'out = Dense(1, name="malignant")(x)\n'
    text += "Model(inputs, out).fit(a, b)\n"
    sizes = [("dense", 32), ("dense_1", 16), ("dense_2", 16), ("dense_3", 16), ("malignant", 1)]
    known = facts("from keras import Model\nfrom keras.layers import Dense, Input\n" + text)
    known["model"] = layers(*((name, "Dense", {"settings": {"units": units}}) for name, units in sizes))
    found = layer_calls(program(known), known)
    assert {name: call.node.lineno for name, call in found.items()} == {
        "dense": 4,
        "dense_1": 5,
        "dense_2": 6,
        "dense_3": 7,
        "malignant": 8,
    }
