"""Fixes as edits of the user's own lines: made as a person would write them, or not at all."""

import ast

import pytest

from scram_plugin.heuristics.edits import add_callback, add_dropout, set_learning_rate
from scram_plugin.heuristics.edits.keras_layers import first_layer
from scram_plugin.heuristics.edits.program import program


def facts(*statements, file="train.py", imports="import keras"):
    line, entries = 1, []
    for role, text in [("import", imports), *statements]:
        entries.append({"role": role, "line": line, "text": text})
        line += text.count("\n") + 1
    return {"source": {"file": file, "statements": entries}}


def insert_first_layer(known, layer, input_name=None):
    name, _, arguments = layer.partition("(")
    of = program(known)
    changes = first_layer(of, name, arguments.rstrip(")"), input_name)
    return of.edit(changes) if changes else None


def applied(known, edit):
    """The program after the edit, which must name the lines as they stand and leave valid Python."""
    lines = "\n".join(s["text"] for s in known["source"]["statements"]).split("\n")
    before = edit.before.split("\n")
    assert lines[edit.line - 1 : edit.line - 1 + len(before)] == before
    lines[edit.line - 1 : edit.line - 1 + len(before)] = edit.after.split("\n")
    text = "\n".join(lines)
    ast.parse(text)
    return text.partition("\n")[2]  # without the import


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "m.compile(optimizer=keras.optimizers.Adam(learning_rate=1e10))",
            "m.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001))",
        ),
        ("m.compile(Adam(1e10), loss='é', metrics=['ü'])", "m.compile(Adam(0.001), loss='é', metrics=['ü'])"),
        (
            "m.compile(\n    loss='é',\n    optimizer=Adam(lr=1e10),\n)",
            "m.compile(\n    loss='é',\n    optimizer=Adam(lr=0.001),\n)",
        ),
        ("m.compile(Adam(RATE))", "m.compile(Adam(0.001))"),
        ("m.compile('adam')", "m.compile(keras.optimizers.Adam(learning_rate=0.001))"),
        ("m.compile(Adam(), 'mse')", "m.compile(Adam(learning_rate=0.001), 'mse')"),
    ],
)
def test_learning_rate(text, expected):
    known = facts(("compile", text))
    assert applied(known, set_learning_rate(known, "Adam", 1e10, 0.001)) == expected


@pytest.mark.parametrize(
    "text", ["m.compile('sgd')", "m.compile(Adam(1e-3))", "m.compile(", "m.compile(Adam(*a))", "m.compile(Adam(schedule()))"]
)
def test_no_edit_where_the_rate_is_not_there(text):
    assert set_learning_rate(facts(("compile", text)), "Adam", 1e10, 0.001) is None


def test_the_statement_with_this_rate_is_taken():
    known = facts(("compile", "a.compile(Adam(0.01))"), ("compile", "b.compile(Adam(1e10))"))
    assert set_learning_rate(known, "Adam", 1e10, 0.001).line == 3


SEQUENTIAL = "model = Sequential([\n    keras.Input(shape=(8,)),\n    layers.Dense(4),\n    layers.Dense(2),\n])"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SEQUENTIAL, SEQUENTIAL.replace("    layers.Dense(4)", "    layers.Rescaling(1.0 / 255),\n    layers.Dense(4)")),
        (
            "m = Sequential([layers.Dense(4, input_shape=(8,))])",
            "m = Sequential([layers.Rescaling(1.0 / 255, input_shape=(8,)), layers.Dense(4)])",
        ),
        (
            "m = keras.Sequential([keras.layers.Dense(4)])",
            "m = keras.Sequential([keras.layers.Rescaling(1.0 / 255), keras.layers.Dense(4)])",
        ),
    ],
)
def test_first_layer_of_a_sequential(text, expected):
    known = facts(("model", text))
    assert applied(known, insert_first_layer(known, "Rescaling(1.0 / 255)")) == expected


def test_first_layer_of_a_functional_model():
    known = facts(
        ("model", "inputs = keras.Input((8,))"), ("model", "x = layers.Dense(4)(inputs)"), ("model", "y = layers.Dense(4)(x)")
    )
    text = applied(known, insert_first_layer(known, "Rescaling(1.0 / 255)"))
    assert "x = layers.Dense(4)(layers.Rescaling(1.0 / 255)(inputs))" in text


@pytest.mark.parametrize("text", ["m = Sequential(parts)", "m = Sequential([*parts])", "m = Model(x, y)"])
def test_no_first_layer_where_it_would_break(text):
    assert insert_first_layer(facts(("model", text)), "Rescaling(1.0 / 255)") is None


def test_dropout_behind_each_hidden_dense():
    known = facts(("model", SEQUENTIAL))
    assert applied(known, add_dropout(known, 0.5)) == SEQUENTIAL.replace("Dense(4),\n", "Dense(4),\n    layers.Dropout(0.5),\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m.fit(x, callbacks=[SCRAM()])", "m.fit(x, callbacks=[SCRAM(), keras.callbacks.EarlyStopping()])"),
        (
            "m.fit(\n    callbacks=[\n        SCRAM(),\n    ],\n)",
            "m.fit(\n    callbacks=[\n        SCRAM(), keras.callbacks.EarlyStopping(),\n    ],\n)",
        ),
    ],
)
def test_callback(text, expected):
    known = facts(("fit", text))
    assert applied(known, add_callback(known, "EarlyStopping()")) == expected


@pytest.mark.parametrize(
    ("imports", "prefix"),
    [("import tensorflow as tf", "tf.keras."), ("from tensorflow import keras", "keras."), ("import keras as k", "k.")],
)
def test_keras_is_named_as_the_program_names_it(imports, prefix):
    known = facts(("fit", "m.fit(x, callbacks=[SCRAM()])"), ("model", "m = Sequential([Dense(4), Dense(2)])"), imports=imports)
    assert f"{prefix}callbacks.EarlyStopping()" in add_callback(known, "EarlyStopping()").after
    assert f"{prefix}layers.Rescaling(1)" in insert_first_layer(known, "Rescaling(1)").after


def test_without_an_import_of_keras_one_is_added():
    known = facts(
        ("fit", "m.fit(x, callbacks=[SCRAM()])"), ("model", "m = Sequential([Dense(4), Dense(2)])"), imports="import keras_hub"
    )
    assert "import keras\n" in add_callback(known, "EarlyStopping()").after
    assert "keras.layers.Rescaling(1)" in insert_first_layer(known, "Rescaling(1)").after


def test_of_two_models_the_fitted_one_is_edited():
    known = facts(
        ("model", "baseline = keras.Sequential([keras.layers.Dense(1)])"),
        ("model", "model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])"),
        ("fit", "model.fit(x)"),
    )
    assert insert_first_layer(known, "Rescaling(1)").before.startswith("model =")


def test_of_two_inputs_the_named_one_is_edited():
    known = facts(
        ("model", "a = keras.Input((8,), name='image')"),
        ("model", "b = keras.Input((8,), name='table')"),
        ("model", "x = keras.layers.Dense(4)(a)"),
        ("model", "y = keras.layers.Dense(4)(b)"),
    )
    assert insert_first_layer(known, "Rescaling(1)", "image").before.startswith("x =")
    assert insert_first_layer(known, "Rescaling(1)") is None


def test_a_pretrained_network_in_front_does_not_give_its_prefix():
    known = facts(("model", "m = keras.Sequential([keras.applications.MobileNetV2(), keras.layers.Dense(1)])"))
    assert "keras.layers.Rescaling(1), keras.applications" in insert_first_layer(known, "Rescaling(1)").after


@pytest.mark.parametrize(
    "source", [None, {}, {"file": "x"}, {"file": "x", "statements": [{}, {"role": "model", "line": "?", "text": 1}]}]
)
def test_facts_of_any_shape_are_survived(source):
    assert insert_first_layer({"source": source}, "Rescaling(1)") is None
