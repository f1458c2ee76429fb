"""Fixes of data and of settings in the forms in which people write them; see `test_edits_of_forms.py`."""

import pytest

from scram_plugin.heuristics import edits
from scram_plugin.heuristics.edits.program import Change, program
from tests.heuristics.edited import changed, edited, facts, layers

STANDARDIZED = "({0} - {1}.mean()) / {1}.std()"
ASKED = """import keras
X, y = load()
model = build()
model.compile("adam", "mse")
model.fit(X, y, epochs=3, validation_split=0.2)
predicted = model.predict(X_test, verbose=0).ravel() / 1000
print(r2_score(y_test, predicted), r2_score(y, model.predict(X)))
"""
COMPARED = """import keras
X_train, X_test, y_train, y_test = train_test_split(X, y)
model.fit(X_train, y_train, epochs=3)
print((model.predict(X_test).round() == y_test).mean())
"""
BLOCKS = """import torch.nn as nn
class Block(nn.Module):
    pass
class Net(nn.Module):
    def __init__(self):
        self.blocks = [Block() for _ in range(4)]
"""
SPLIT = """import torch
from torch.utils.data import TensorDataset, random_split
x, y = torch.tensor(load()), torch.tensor(labels())
train_set, val_set = random_split(TensorDataset(x, y), [80, 20])
"""
CLIPPED = """import torch
opt = torch.optim.Adam(net.parameters())
for x, y in loader:
    opt.zero_grad()
    loss(net(x), y).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
"""
SOFTMAX = """from keras.models import Sequential
from keras.layers import Dense, Softmax
model = Sequential()
model.add(Dense(32))
model.add(Softmax())
model.add(Dense(10))
model.add(Softmax())
model.compile("adam", "mse")
model.fit(X, y)
"""
LOOP = """from keras.layers import Dense, Input
from keras import Model
x = inputs = Input((6,))
for width in widths:
    x = Dense(width, activation="relu")(x)
x = Dense(1)(x)
model = Model(inputs, x)
model.fit(X, y)
"""
TRAINER = """from transformers import {0}
args = {0}(
    output_dir="out",
    {1},
    lr_scheduler_type="cosine",
)
"""


def trainer(line, kind="TrainingArguments"):
    return facts(TRAINER.format(kind, line), framework="torch")


@pytest.mark.parametrize(
    ("known", "edit", "expected"),
    [
        pytest.param(
            facts(ASKED),
            lambda f: edits.change_targets(f, STANDARDIZED),
            [
                "+ mean, spread = y[: int(len(y) * 0.8)].mean(), y[: int(len(y) * 0.8)].std()",
                "- model.fit(X, y, epochs=3, validation_split=0.2)",
                "+ model.fit(X, (y - mean) / spread, epochs=3, validation_split=0.2)",
                "- predicted = model.predict(X_test, verbose=0).ravel() / 1000",
                "+ predicted = (model.predict(X_test, verbose=0) * spread + mean).ravel() / 1000",
                "- print(r2_score(y_test, predicted), r2_score(y, model.predict(X)))",
                "+ print(r2_score(y_test, predicted), r2_score(y, (model.predict(X) * spread + mean)))",
            ],
            id="targets that are scaled, and predictions that keep their unit",
        ),
        pytest.param(
            facts(COMPARED),
            lambda f: edits.change_targets(f, "({0} + 1) / 2"),
            ["+ y_train = (y_train + 1) / 2", "+ y_test = (y_test + 1) / 2"],
            id="labels that predictions are compared with",
        ),
        pytest.param(
            facts(
                "net[0].requires_grad_(False)\nself.net.fc.weight.requires_grad_(False)\nnet.enc[2].requires_grad_(False)\n",
                framework="torch",
            ),
            lambda f: edits.train_layers(f, ["0", "enc.2"]),
            [
                "- net[0].requires_grad_(False)",
                "+ net[0].requires_grad_(True)",
                "- net.enc[2].requires_grad_(False)",
                "+ net.enc[2].requires_grad_(True)",
            ],
            id="several layers that are frozen",
        ),
        pytest.param(
            facts(BLOCKS, framework="torch"),
            edits.register_layers,
            [
                "-         self.blocks = [Block() for _ in range(4)]",
                "+         self.blocks = nn.ModuleList([Block() for _ in range(4)])",
            ],
            id="modules of the program's own in a plain list",
        ),
        pytest.param(
            facts(SPLIT, framework="torch"),
            edits.replace_missing_inputs,
            ["+ x = torch.nan_to_num(x)"],
            id="data that are split at random later",
        ),
        pytest.param(
            facts(CLIPPED, framework="torch"),
            edits.take_steps,
            ["+     opt.step()"],
            id="a step behind the clipping",
        ),
        pytest.param(
            facts(
                "X_train = scaler.transform(X_train)\nX_val = raw()\n"
                "a, b = TensorDataset(to(X_train), y), TensorDataset(to(X_val), z)\n",
                framework="torch",
            ),
            edits.treat_validation_alike,
            ["+ X_val = scaler.transform(X_val)"],
            id="validation inputs that become tensors later",
        ),
        pytest.param(
            facts(
                "m, s = 0.5, 0.2\ntrain_tf = Compose([ToTensor(), Normalize(m, s)])\ntest_tf = Compose([ToTensor()])\n",
                framework="torch",
            ),
            edits.treat_validation_alike,
            ["- test_tf = Compose([ToTensor()])", "+ test_tf = Compose([ToTensor(), Normalize(m, s)])"],
            id="a step that is missing in the transforms of the validation",
        ),
        pytest.param(
            facts("x_train, X_test = load()\nx_train[:] = 0\nX_test[...] = 0.0\nmodel.fit(x_train, y)\n"),
            edits.keep_inputs,
            ["- x_train[:] = 0", "- X_test[...] = 0.0"],
            id="inputs that are overwritten",
        ),
        pytest.param(
            facts("x_train, x_test = load()\nx_train //= 255\nx_test = x_test // 255\nmodel.fit(x_train, y)\n"),
            edits.keep_inputs,
            ["- x_train //= 255", "+ x_train = x_train / 255", "- x_test = x_test // 255", "+ x_test = x_test / 255"],
            id="an integer division",
        ),
        pytest.param(
            facts("x, images = load()\nx = np.zeros_like(x)\nx *= 0\nimages.fill(3)\nmodel.fit(x, y)\n"),
            edits.keep_inputs,
            ["- x = np.zeros_like(x)", "- x *= 0", "- images.fill(3)"],
            id="other ways to overwrite",
        ),
        pytest.param(
            facts(
                "opt = torch.optim.Adam(net.parameters(), lr=1e-3, maximize=True)\n",
                framework="torch",
                optimizer={"class": "Adam"},
            ),
            edits.minimize,
            [
                "- opt = torch.optim.Adam(net.parameters(), lr=1e-3, maximize=True)",
                "+ opt = torch.optim.Adam(net.parameters(), lr=1e-3)",
            ],
            id="an optimizer that maximises",
        ),
        pytest.param(
            facts("X, y = load()\norder = rng.permutation(len(X))\nX = X[order]\nmodel.fit(X, y)\n"),
            edits.order_targets,
            ["+ y = y[order]"],
            id="targets in the old order",
        ),
        pytest.param(
            facts("order = torch.randperm(len(d.target))\nx = torch.tensor(d.data)[order]\ny = torch.tensor(d.target)\n"),
            edits.order_targets,
            ["- y = torch.tensor(d.target)", "+ y = torch.tensor(d.target)[order]"],
            id="targets of a data set in the old order",
        ),
        pytest.param(
            facts(
                "from sklearn.utils import shuffle\nX, side = load()\nX = shuffle(X, random_state=1)\n"
                "a, b, c, d = train_test_split(X, side, test_size=0.2)\n"
            ),
            edits.order_targets,
            ["- X = shuffle(X, random_state=1)", "+ X, side = shuffle(X, side, random_state=1)"],
            id="inputs that are shuffled alone",
        ),
        pytest.param(
            facts(
                LOOP, model=layers(*((f"dense_{i}", "Dense", {"settings": {"units": u}}) for i, u in enumerate((48, 48, 1))))
            ),
            lambda f: edits.set_in_layers(f, ["dense_2"], "activation", '"sigmoid"'),
            ["- x = Dense(1)(x)", '+ x = Dense(1, activation="sigmoid")(x)'],
            id="the layer behind those of a loop",
        ),
        pytest.param(
            facts(
                LOOP.replace("Dense(width", "Activation('relu'").replace("x = Dense(1)(x)", "x = Activation('softmax')(x)"),
                model=layers(
                    *((f"a_{i}", "Activation", {"activation": by}) for i, by in enumerate(("relu", "relu", "softmax")))
                ),
            ),
            lambda f: edits.set_in_layers(f, ["a_2"], "activation", '"sigmoid"'),
            ["- x = Activation('softmax')(x)", '+ x = Activation("sigmoid")(x)'],
            id="an activation that one call alone gives",
        ),
        pytest.param(
            facts(SOFTMAX, model=layers(("softmax", "Softmax", {}), ("softmax_1", "Softmax", {}))),
            lambda f: edits.set_in_layers(f, ["softmax"], "activation", '"relu"'),
            [
                "- from keras.layers import Dense, Softmax",
                "+ from keras.layers import Dense, Softmax, Activation",
                "- model.add(Softmax())",
                '+ model.add(Activation("relu"))',
            ],
            id="a layer that is an activation",
        ),
        pytest.param(
            trainer("learning_rate=2e-8"),
            lambda f: edits.set_learning_rate(f, "AdamW", 1.9e-8, 1e-3),
            ["-     learning_rate=2e-8,", "+     learning_rate=0.001,"],
            id="a rate of a trainer, as its schedule has it",
        ),
        pytest.param(
            trainer("warmup_steps=200000", "Seq2SeqTrainingArguments"),
            lambda f: edits.set_learning_rate(f, "AdamW", 2e-9, 1e-6),
            ["-     warmup_steps=200000,"],
            id="a warm-up that keeps a usual rate low",
        ),
        pytest.param(
            trainer("warmup_steps=10", "Seq2SeqTrainingArguments"),
            lambda f: edits.set_learning_rate(f, "AdamW", 2e-9, 1e-3),
            ["+     learning_rate=0.001,"],
            id="a rate that a trainer was not given",
        ),
    ],
)
def test_an_edit(known, edit, expected):
    assert [line for line in changed(known, edit(known)) if line != "+ "] == expected


@pytest.mark.parametrize(
    "program",
    [
        "x_train = tf.random.shuffle(x_train)\nm.fit(x_train, y_train)",
        "y = load()\norder = rng.permutation(9)\nX = X[order]\ny = np.take(y, order, axis=0)\nm.fit(X, y)",
        "order = rng.permutation(9)\nX, y = d.data[order, :], d.target[order]\nm.fit(X, y)",
        "y = load()\norder = rng.permutation(9)\nfor image in X[order]:\n    plot(image)\nm.fit(X, y)",
        "y = load()\nfor i in range(3):\n    order = torch.randperm(len(X))\n    X = X[order]\nTensorDataset(X, y)",
        "y = d.target\norder = rng.permutation(9)\nX = d.data[order]\nm.fit(X, y)",
        "order = rng.permutation(9)\nk = len(np.unique(d.target))\nX = d.data[order]\nm.fit(X, d.target)",
        "y = 3\ndef mixed(X):\n    order = rng.permutation(9)\n    return X[order]\nm.fit(X, y)",
    ],
)
def test_no_order_where_it_is_not_certain(program):
    assert edits.order_targets(facts(program)) is None


@pytest.mark.parametrize(
    "program",
    [
        "features = 256\nfeatures //= 2\nmodel.add(Dense(features))",
        "features = np.empty((9, 4))\nfeatures[:] = 0\nfeatures[i, t] = 1",
        "X = np.empty((9, 4))\nX.fill(0)\nX[:, 0] = a",
        "def like(x):\n    x = np.zeros_like(x)\n    return x",
    ],
)
def test_sizes_and_beginnings_of_arrays_are_no_lost_inputs(program):
    assert edits.keep_inputs(facts(program)) is None


def test_an_edit_of_a_notebook_is_one_of_a_cell():
    cells = ["x, y = load()", "x[:] = 0\n\nLR = 10.0", "model.compile(keras.optimizers.Adam(LR))", "model.fit(x, y)"]
    files = [{"file": f"notebook cell {n}", "text": cell} for n, cell in enumerate(cells, 1)]
    known = {"framework": "keras", "source": {"file": "notebook cell", "line": 1, "files": [files[-1], *files[:-1]]}}
    assert edits.keep_inputs(known) == edits.Edit("notebook cell 2", 1, "x[:] = 0", "")
    rate = edits.set_learning_rate(known, "Adam", 10.0, 1e-3)
    assert (rate.file, rate.line, rate.after.splitlines()[-1]) == ("notebook cell 2", 3, "LR = 0.001")


@pytest.mark.parametrize(
    ("known", "edit"),
    [
        pytest.param(facts(SPLIT, framework="torch"), edits.keep_finite_targets, id="a split into given numbers of examples"),
        pytest.param(
            facts("x = x * 0.5\nmask[:] = 0\nmodel.fit(x, y)\n"), edits.keep_inputs, id="nothing overwrites the inputs"
        ),
        pytest.param(facts("X[:, 3] = 0\nX[idx] = 0\nmodel.fit(X, y)\n"), edits.keep_inputs, id="a part is overwritten"),
        pytest.param(
            facts(
                ASKED.replace(
                    "model.fit(X, y, epochs=3", "both = (X_test, y_test)\nmodel.fit(X, y, validation_data=both"
                ).replace(", validation_split=0.2", "")
            ),
            lambda f: edits.change_targets(f, STANDARDIZED),
            id="targets stand in a variable before they are measured",
        ),
        pytest.param(facts(ASKED), lambda f: edits.change_targets(f, "{0} - 1"), id="outputs of another kind than numbers"),
        pytest.param(
            facts("order = np.argsort(times)\nX = X[order]\ny = X[:, 0]\nmodel.fit(X, y)\n"),
            edits.order_targets,
            id="targets that are made of the ordered inputs",
        ),
        pytest.param(
            facts("order = rng.permutation(len(X))\nX, y = X[order], y[order]\nmodel.fit(X, y)\n"),
            edits.order_targets,
            id="both are in the new order",
        ),
        pytest.param(
            trainer("warmup_steps=10", "SFTConfig"),
            lambda f: edits.set_learning_rate(f, "AdamW", 2e-9, 1e-3),
            id="a trainer whose default rate is not known",
        ),
        pytest.param(
            trainer("learning_rate=2e-3"),
            lambda f: edits.set_learning_rate(f, "AdamW", 1e-7, 1e-3),
            id="no warm-up to leave out",
        ),
    ],
)
def test_no_edit_where_it_is_not_certain(known, edit):
    assert edit(known) is None


def test_a_layer_that_normalises_stands_before_the_layers_of_a_functional_model():
    known = facts(
        "from keras import Model\nfrom keras.layers import Dense, Input\nx_train, x_val = load()\ninputs = Input(shape=(30,))\n"
        'x = Dense(32, activation="relu")(inputs)\noutputs = Dense(1)(x)\nmodel = Model(inputs, outputs)\n'
        "model.fit(x_train, y_train, validation_data=(x_val, y_val))\n"
    )
    (text,) = edited(known, edits.normalize_features(known)).values()
    made, used = text.index("normalization = Normalization()"), text.index("(normalization(inputs))")
    assert text.index("x_train, x_val = load()") < made < text.index("normalization.adapt(x_train)") < used


def test_a_change_that_uses_a_name_before_it_has_a_value_is_none():
    known = program(facts("a = 1\nb = 2\nc = 3\n"))
    source = known.main
    start, end = source.text.index("1"), source.text.index("3")
    in_order = [Change(source, start, start + 1, "(new := 5)"), Change(source, end, end + 1, "new")]
    assert known.edit(in_order) is not None
    assert known.edit([in_order[0]._replace(new="new"), in_order[1]._replace(new="(new := 5)")]) is None
