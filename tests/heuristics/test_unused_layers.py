"""Layers of a functional Keras model whose outputs the program never uses, and those that it does."""

import pytest

from scram_plugin.heuristics import edits
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.heuristics.edited import changed, facts
from tests.training_runs import training_run

WIDE = """\
import keras
a = keras.layers.Input((5,))
b = keras.layers.Input((6,))
hidden1 = keras.layers.Dense(30)(b)
hidden2 = keras.layers.Dense(30)(hidden1)
joined = keras.layers.concatenate([a, b])
model = keras.Model([a, b], keras.layers.Dense(1)(joined))
"""
USED = WIDE.replace("[a, b])\nmodel", "[a, hidden2])\nmodel")


def found(text, kind="functional"):
    given = facts(text, framework="keras", model={"kind": kind})
    result = review(training_run({"train/loss": [3, 2, 1]}, {}, given), catalogue(select=["untrained-parameters"]))
    return [(f.severity, f.causes[0].id, f.causes[0].for_) for f in result.findings]


IMPORTED = f"from tensorflow.keras import layers\n{WIDE}".replace("= keras.layers.", "= layers.")


@pytest.mark.parametrize(("text", "line"), [(WIDE, 5), (IMPORTED, 6)])
def test_a_layer_that_nothing_reads(text, line):
    assert found(text) == [("warning", "unused", f"Line {line} gives `hidden2` its value, and no line reads it.")]


@pytest.mark.parametrize(
    "text",
    [
        USED,
        WIDE + "features = keras.Model(b, hidden2)\n",
        WIDE + "def show():\n    return hidden2.shape\n",
        WIDE + "print(locals()['hidden2'])\n",
        WIDE.replace("keras.layers.Dense(30)(hidden1)", "make(30)(hidden1)"),
        USED + "warm = keras.layers.Normalization()(np.zeros((2, 4)))\n",
        WIDE.replace("hidden2", "_"),
        "def old():\n" + "".join(f"    {line}\n" for line in WIDE.splitlines()),
        "",
    ],
)
def test_what_is_read_somewhere_or_is_no_layer(text):
    assert found(text) == []


def test_what_another_file_reads():
    given = facts(WIDE, "from train import hidden2\n", framework="keras", model={"kind": "functional"})
    result = review(training_run({"train/loss": [3, 2, 1]}, {}, given), catalogue(select=["untrained-parameters"]))
    assert list(result.findings) == []


def test_only_a_functional_model_lacks_what_nothing_reads():
    assert found(WIDE, kind="subclass") == []


@pytest.mark.parametrize("passed_by", ["b", "hidden1"])
def test_the_output_is_given_to_the_layer_that_passed_it_by(passed_by):
    known = facts(WIDE.replace("concatenate([a, b])", f"concatenate([a, {passed_by}])"), framework="keras")
    assert changed(known, edits.use_output(known, "hidden2")) == [
        f"- joined = keras.layers.concatenate([a, {passed_by}])",
        "+ joined = keras.layers.concatenate([a, hidden2])",
    ]


@pytest.mark.parametrize(
    "text",
    [
        WIDE.replace("concatenate([a, b])", "concatenate([a, hidden1, b])"),
        WIDE.replace("concatenate([a, b])", "Dense(3)(a)"),
        WIDE.replace("concatenate([a, b])", "Dense(3, 'softmax')(hidden1)"),
        WIDE.replace("concatenate([a, b])", "Dense(3)(a)")
        + "class VAE(keras.Model):\n    pass\nVAE(inputs=[a, b], outputs=joined)\n",
        WIDE.replace(
            "joined = keras.layers.concatenate([a, b])", "b = keras.Input((3,))\njoined = keras.layers.concatenate([a, b])"
        ),
        WIDE.replace("concatenate([a, b])", "Dense(3)(a)") + "print([a, b])\ndef f(b):\n    return keras.layers.add([a, b])\n",
    ],
    ids=["two places", "no place", "another branch", "a model's own class", "made anew", "elsewhere"],
)
def test_nothing_is_changed_where_that_is_not_sure(text):
    assert edits.use_output(facts(text, framework="keras"), "hidden2") is None
