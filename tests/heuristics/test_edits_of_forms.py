"""Fixes in the forms in which people write programs: each edit is made whole, and changes nothing else."""

import pytest

from scram_plugin.heuristics import edits
from tests.heuristics.edited import changed, facts, layers

FUNCTIONAL = """import tensorflow as tf
from tensorflow.keras import layers, Model

inputs = layers.Input(shape=(64,))
h = layers.Dense(32, activation="sigmoid")(inputs)
h = layers.Dense(32, activation="sigmoid")(h)
outputs = layers.Dense(10, activation="softmax")(h)
model = Model(inputs, outputs)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x_train, y_train, validation_data=(x_val, y_val))
"""

ADDED = """from keras.models import Sequential
from keras.layers import Dense, Flatten
from keras.optimizers import SGD

def build(width):
    model = Sequential()
    model.add(Flatten(input_shape=(28, 28)))
    model.add(Dense(width, activation='tanh'))
    model.add(Dense(10, activation='softmax'))
    return model

model = build(32)
model.compile(SGD(lr=30.0), 'mse', ['accuracy'])
x, y = load()
model.fit(x, y, epochs=3)
model.evaluate(x_test, y_test)
"""

SUBCLASS = '''import keras
from keras import layers


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(32, activation="relu")
        self.out = layers.Dense(10)

    def call(self, inputs, training=False):
        """From pixels to logits."""
        return self.out(self.first(inputs))


model = Net()
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
history = model.fit(ds, epochs=2)
'''

LOOP = """import torch
from torch import nn, optim
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.drop = nn.Dropout(0.9)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.fc1(x)
        x = torch.sigmoid(x)
        x = self.drop(x)
        return F.softmax(self.fc2(x), dim=1)


model = Net()
opt = optim.SGD(model.parameters(), lr=cfg["lr"], momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    for i in range(0, len(x_train), 32):
        xb, yb = x_train[i:i + 32], y_train[i:i + 32]
        loss = criterion(model(xb), yb)
        loss.backward()
        opt.step()
    model.eval()
    print(criterion(model(x_val), y_val))
"""

PAIRS = """def load():
    a, b, c, d = split()
    return (a, b), (c, d)


train, test = load()
m.fit(*train, validation_data=test)
"""

APPENDED = """from torch import nn
layers = []
layers.append(nn.Linear(2, 2))
layers.append(nn.Dropout(0.9))
layers.append(nn.Linear(2, 2))
net = nn.Sequential(*layers)
"""

TRAINER = """import torch


class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss_of(self.model(x), y).backward()
        self.optimizer.step()

    def validate(self, loader):
        with torch.no_grad():
            for x, y in loader:
                print(self.model(x))

    def run(self, loader, others):
        for epoch in range(3):
            for x, y in loader:
                self.step(x, y)
            self.validate(others)
"""

FUNCTIONS = """import torch


def train(net, loader, opt):
    net.train()
    for x, y in loader:
        opt.zero_grad()
        loss_of(net(x), y).backward()
        opt.step()


@torch.no_grad()
def evaluate(model, loader):
    right = 0
    for x, y in loader:
        right += (model(x).argmax(1) == y).sum()
    return right


network = make()
optimizer = torch.optim.Adam(network.parameters())
for epoch in range(3):
    train(network, training, optimizer)
    evaluate(network, validation)
"""

LIGHTNING = """import lightning as L
import torch
from torch import nn


class Lit(L.LightningModule):
    def __init__(self, lr=3.0):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 10))

    def forward(self, x):
        return self.net(x)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch))


trainer = L.Trainer(max_epochs=3, logger=False)
trainer.fit(Lit(), loader)
"""

KERAS_NET = layers(("dense", "Dense", {}), ("dense_1", "Dense", {}), ("dense_2", "Dense", {}))
TORCH_NET = {
    "class": "Net",
    "layers": [
        {"path": "fc1", "class": "Linear", "activation": "sigmoid", "activated_by": None, "kernel": [64, 32]},
        {"path": "drop", "class": "Dropout"},
        {"path": "fc2", "class": "Linear", "activation": "softmax", "activated_by": None, "kernel": [32, 10]},
    ],
}
TORCH = {"framework": "torch", "model": TORCH_NET}
SGD_FACTS = {"optimizer": {"class": "SGD"}}


@pytest.mark.parametrize(
    ("known", "edit", "expected"),
    [
        pytest.param(
            facts(FUNCTIONAL, model=KERAS_NET),
            lambda f: edits.set_in_layers(f, ["dense", "dense_1"], "activation", '"relu"'),
            [
                '- h = layers.Dense(32, activation="sigmoid")(inputs)',
                '+ h = layers.Dense(32, activation="relu")(inputs)',
                '- h = layers.Dense(32, activation="sigmoid")(h)',
                '+ h = layers.Dense(32, activation="relu")(h)',
            ],
            id="activations of a functional model",
        ),
        pytest.param(
            facts(FUNCTIONAL),
            lambda f: edits.rescale_inputs(f, "255", False, None),
            [
                '- h = layers.Dense(32, activation="sigmoid")(inputs)',
                '+ h = layers.Dense(32, activation="sigmoid")(layers.Rescaling(1.0 / 255)(inputs))',
            ],
            id="scale of a functional model",
        ),
        pytest.param(
            facts(FUNCTIONAL),
            lambda f: edits.set_learning_rate(f, "Adam", 0.001, 0.01),
            [
                '- model.compile("adam", "sparse_categorical_crossentropy")',
                '+ model.compile(tf.keras.optimizers.Adam(learning_rate=0.01), "sparse_categorical_crossentropy")',
            ],
            id="a rate that an optimizer's name left to its default",
        ),
        pytest.param(
            facts(FUNCTIONAL),
            lambda f: edits.add_callback(f, "EarlyStopping(patience=3)"),
            [
                "- model.fit(x_train, y_train, validation_data=(x_val, y_val))",
                "+ model.fit(x_train, y_train, validation_data=(x_val, y_val), "
                "callbacks=[tf.keras.callbacks.EarlyStopping(patience=3)])",
            ],
            id="a callback where there is none",
        ),
        pytest.param(
            facts(FUNCTIONAL),
            lambda f: edits.add_dropout(f, 0.5),
            ["+ h = layers.Dropout(0.5)(h)", "+ h = layers.Dropout(0.5)(h)"],
            id="dropout in a functional model",
        ),
        pytest.param(
            facts(ADDED),
            lambda f: edits.rescale_inputs(f, "255", False, None),
            [
                "- from keras.layers import Dense, Flatten",
                "+ from keras.layers import Dense, Flatten, Rescaling",
                "-     model.add(Flatten(input_shape=(28, 28)))",
                "+     model.add(Rescaling(1.0 / 255, input_shape=(28, 28)))",
                "+     model.add(Flatten())",
            ],
            id="scale of layers that are added in a function",
        ),
        pytest.param(
            facts(ADDED),
            lambda f: edits.set_learning_rate(f, "SGD", 30.0, 0.01),
            ["- model.compile(SGD(lr=30.0), 'mse', ['accuracy'])", "+ model.compile(SGD(lr=0.01), 'mse', ['accuracy'])"],
            id="the old spelling of the rate",
        ),
        pytest.param(
            facts(ADDED),
            lambda f: edits.set_loss(f, "sparse_categorical_crossentropy"),
            [
                "- model.compile(SGD(lr=30.0), 'mse', ['accuracy'])",
                "+ model.compile(SGD(lr=30.0), \"sparse_categorical_crossentropy\", ['accuracy'])",
            ],
            id="a loss by its position",
        ),
        pytest.param(
            facts(
                ADDED,
                model=layers(
                    ("dense", "Dense", {"settings": {"units": 32}}), ("dense_1", "Dense", {"settings": {"units": 10}})
                ),
            ),
            lambda f: edits.set_in_layers(f, ["dense"], "activation", '"relu"', kernel_initializer='"he_normal"'),
            [
                "-     model.add(Dense(width, activation='tanh'))",
                '+     model.add(Dense(width, activation="relu", kernel_initializer="he_normal"))',
            ],
            id="a width that is an argument of a function",
        ),
        pytest.param(
            facts(ADDED),
            lambda f: edits.normalize_features(f),
            [
                "+ mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-8",
                "+ x = (x - mean) / spread",
                "- model.evaluate(x_test, y_test)",
                "+ model.evaluate((x_test - mean) / spread, y_test)",
            ],
            id="features that are scaled where they are tested, too",
        ),
        pytest.param(
            facts(ADDED, **SGD_FACTS),
            lambda f: edits.clip_gradients(f),
            [
                "- model.compile(SGD(lr=30.0), 'mse', ['accuracy'])",
                "+ model.compile(SGD(lr=30.0, clipnorm=1.0), 'mse', ['accuracy'])",
            ],
            id="clipping in an optimizer that has other arguments",
        ),
        pytest.param(
            facts(ADDED),
            lambda f: edits.change_targets(f, "{0} - 1"),
            ["+ y = y - 1", "- model.evaluate(x_test, y_test)", "+ model.evaluate(x_test, y_test - 1)"],
            id="labels that begin with 1",
        ),
        pytest.param(
            facts(SUBCLASS, model={"class": "Net"}),
            lambda f: edits.rescale_inputs(f, "255", False, None),
            ["+         inputs = inputs / 255"],
            id="scale of a subclassed model whose data are a data set",
        ),
        pytest.param(
            facts(SUBCLASS, model=layers(("first", "Dense", {}), ("out", "Dense", {}))),
            lambda f: edits.set_in_layers(f, ["first"], "activation", '"tanh"'),
            [
                '-         self.first = layers.Dense(32, activation="relu")',
                '+         self.first = layers.Dense(32, activation="tanh")',
            ],
            id="an activation of a subclassed model",
        ),
        pytest.param(
            facts(
                "from model import build\nfrom config import LR\nimport keras\n"
                "m = build()\nm.compile(keras.optimizers.Adam(LR))\nm.fit(x, y)\n",
                "import keras\ndef build():\n    return keras.Sequential([keras.layers.Dense(1)])\n",
                "LR = 3.0  # fast\n",
            ),
            lambda f: edits.set_learning_rate(f, "Adam", 3.0, 0.001),
            ["- LR = 3.0  # fast", "+ LR = 0.001  # fast"],
            id="a rate in a file of settings",
        ),
        pytest.param(
            facts(
                "from model import build\nimport keras\nm = build()\nm.compile(keras.optimizers.Adam())\nm.fit(x, y)\n",
                "import keras\ndef build():\n    return keras.Sequential([\n        keras.layers.Dense(1),\n    ])\n",
            ),
            lambda f: edits.rescale_inputs(f, "100", False, None),
            ["+         keras.layers.Rescaling(1.0 / 100),"],
            id="a model that another file builds",
        ),
        pytest.param(
            facts(
                "from dataclasses import dataclass\nimport torch\n\n"
                "@dataclass\nclass Config:\n    lr: float = 50.0\n    epochs: int = 3\n\n"
                "cfg = Config()\noptimizer = torch.optim.SGD(net.parameters(), lr=cfg.lr)\n",
                framework="torch",
            ),
            lambda f: edits.set_learning_rate(f, "SGD", 50.0, 0.01),
            ["-     lr: float = 50.0", "+     lr: float = 0.01"],
            id="a rate in a dataclass",
        ),
        pytest.param(
            facts(
                "import argparse, torch\np = argparse.ArgumentParser()\n"
                'p.add_argument("--learning-rate", type=float, default=5.0)\n'
                "args = p.parse_args()\nopt = torch.optim.Adam(m.parameters(), args.learning_rate)\n",
                framework="torch",
            ),
            lambda f: edits.set_learning_rate(f, "Adam", 5.0, 0.001),
            [
                '- p.add_argument("--learning-rate", type=float, default=5.0)',
                '+ p.add_argument("--learning-rate", type=float, default=0.001)',
            ],
            id="a rate that is a default of the command line",
        ),
        pytest.param(
            facts('cfg = {"lr": 20.0, "epochs": 3}\n' + LOOP, **TORCH),
            lambda f: edits.set_learning_rate(f, "SGD", 20.0, 0.01),
            ['- cfg = {"lr": 20.0, "epochs": 3}', '+ cfg = {"lr": 0.01, "epochs": 3}'],
            id="a rate in a dictionary",
        ),
        pytest.param(
            facts(LIGHTNING, framework="torch"),
            lambda f: edits.set_learning_rate(f, "Adam", 3.0, 0.001),
            ["-     def __init__(self, lr=3.0):", "+     def __init__(self, lr=0.001):"],
            id="a hyper-parameter of a Lightning module",
        ),
        pytest.param(
            facts(LIGHTNING.replace("Lit()", "Lit(lr=7.0)"), framework="torch"),
            lambda f: edits.set_learning_rate(f, "Adam", 7.0, 0.001),
            ["- trainer.fit(Lit(lr=7.0), loader)", "+ trainer.fit(Lit(lr=0.001), loader)"],
            id="a hyper-parameter that is given to a Lightning module",
        ),
        pytest.param(
            facts(LIGHTNING, framework="torch"),
            lambda f: edits.clip_gradients(f),
            [
                "- trainer = L.Trainer(max_epochs=3, logger=False)",
                "+ trainer = L.Trainer(max_epochs=3, logger=False, gradient_clip_val=1.0)",
            ],
            id="clipping by Lightning's trainer",
        ),
        pytest.param(
            facts(LIGHTNING, framework="torch"),
            lambda f: edits.add_callback(f, "EarlyStopping()"),
            [
                "- trainer = L.Trainer(max_epochs=3, logger=False)",
                "+ trainer = L.Trainer(max_epochs=3, logger=False, "
                'callbacks=[L.callbacks.EarlyStopping(monitor="val_loss", patience=3)])',
            ],
            id="Lightning's early stopping",
        ),
        pytest.param(
            facts(
                "from transformers import TrainingArguments\n"
                "args = TrainingArguments(\n    output_dir='out',\n    learning_rate=0.5,\n)\n",
                framework="torch",
            ),
            lambda f: edits.set_learning_rate(f, "AdamW", 0.5, 5e-5),
            ["-     learning_rate=0.5,", "+     learning_rate=5e-05,"],
            id="the rate of a Hugging Face trainer",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.set_in_layers(f, ["fc1"], "activation", '"relu"'),
            ["-         x = torch.sigmoid(x)", "+         x = torch.relu(x)"],
            id="a functional activation in a line of its own",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.set_in_layers(f, ["fc2"], "activation", None),
            ["-         return F.softmax(self.fc2(x), dim=1)", "+         return self.fc2(x)"],
            id="a softmax that goes",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.set_in_layers(f, ["drop"], "rate", "0.3"),
            ["-         self.drop = nn.Dropout(0.9)", "+         self.drop = nn.Dropout(0.3)"],
            id="the rate of a dropout",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.remove_layer(f, "drop"),
            ["-         x = self.drop(x)"],
            id="a module that is no longer called",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.clear_gradients(f),
            ["+         opt.zero_grad()"],
            id="gradients that are cleared",
        ),
        pytest.param(
            facts(LOOP.replace("        opt.step()\n", "        opt.zero_grad()\n        opt.step()\n"), **TORCH),
            edits.clear_before_backward,
            ["+         opt.zero_grad()", "-         opt.zero_grad()"],
            id="gradients that were cleared before the step",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.clip_gradients(f),
            ["+         nn.utils.clip_grad_norm_(model.parameters(), 1.0)"],
            id="clipping before the step",
        ),
        pytest.param(
            facts(
                LOOP.replace(
                    "        opt.step()\n", "        opt.step()\n        nn.utils.clip_grad_norm_(model.parameters(), 1)\n"
                ),
                **TORCH,
            ),
            lambda f: edits.clip_before_step(f),
            [
                "+         nn.utils.clip_grad_norm_(model.parameters(), 1)",
                "-         nn.utils.clip_grad_norm_(model.parameters(), 1)",
            ],
            id="clipping that came after the step",
        ),
        pytest.param(
            facts("x_train, x_val = load()\n" + LOOP, **TORCH),
            lambda f: edits.normalize_features(f),
            [
                "+ mean, spread = x_train.mean(axis=0), x_train.std(axis=0) + 1e-8",
                "+ x_train = (x_train - mean) / spread",
                "+ x_val = (x_val - mean) / spread",
            ],
            id="features that a loop cuts into batches",
        ),
        pytest.param(
            facts("y_train, y_val = load()\n" + LOOP, **TORCH),
            lambda f: edits.change_targets(f, "{0} - 1"),
            ["+ y_train = y_train - 1", "+ y_val = y_val - 1"],
            id="targets of the training and of the validation",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.set_loss(f, "mean_squared_error"),
            ["- criterion = nn.CrossEntropyLoss()", "+ criterion = nn.MSELoss()"],
            id="another loss",
        ),
        pytest.param(
            facts(
                "from torch.utils.data import DataLoader\ntrain_dl = DataLoader(\n    train_ds,\n    batch_size=32,\n)\n"
                "valid_dl = DataLoader(valid_ds, 32)\n",
                framework="torch",
            ),
            lambda f: edits.shuffle(f),
            ["+     shuffle=True,"],
            id="a loader that shuffles",
        ),
        pytest.param(
            facts("rate = CosineDecay(1e-3, EPOCHS + 1)\nm.compile(Adam(rate))\nm.fit(x, y)\n", fit={"steps": 53}),
            edits.count_in_steps,
            ["- rate = CosineDecay(1e-3, EPOCHS + 1)", "+ rate = CosineDecay(1e-3, (EPOCHS + 1) * 53)"],
            id="a schedule in epochs",
        ),
        pytest.param(
            facts("m.fit(x, y, callbacks=[ReduceLROnPlateau(factor=0.01, min_delta=0.5, patience=1)])\n"),
            edits.lower_rate_later,
            [
                "- m.fit(x, y, callbacks=[ReduceLROnPlateau(factor=0.01, min_delta=0.5, patience=1)])",
                "+ m.fit(x, y, callbacks=[ReduceLROnPlateau(factor=0.3, patience=5)])",
            ],
            id="a rate that is lowered too early",
        ),
        pytest.param(
            facts(
                "import numpy as np\n"
                "x_train = scaler.fit_transform(x_train)\nx_val = raw[80:]\nm.fit(x_train, y, validation_data=(x_val, z))\n"
            ),
            edits.treat_validation_alike,
            ["+ x_val = scaler.transform(x_val)"],
            id="validation data that were not scaled",
        ),
        pytest.param(
            facts("x_train -= mean\nx_val -= mean\nx_train /= std\nm.fit(x_train, y, validation_data=(x_val, z))\n"),
            edits.treat_validation_alike,
            ["+ x_val /= std"],
            id="validation data that were scaled half way",
        ),
        pytest.param(
            facts(PAIRS),
            edits.normalize_features,
            [
                "+     mean, spread = a.mean(axis=0), a.std(axis=0) + 1e-8",
                "+     a = (a - mean) / spread",
                "+     c = (c - mean) / spread",
            ],
            id="pairs that a function returns",
        ),
        pytest.param(
            facts(APPENDED, framework="torch", model={"layers": []}),
            lambda f: edits.remove_layer(f, "1"),
            ["- layers.append(nn.Dropout(0.9))"],
            id="a module that is appended to a list",
        ),
        pytest.param(
            facts(ADDED),
            edits.train_longer,
            ["- model.fit(x, y, epochs=3)", "+ model.fit(x, y, epochs=9)"],
            id="more epochs of fit",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            edits.train_longer,
            ["- for epoch in range(3):", "+ for epoch in range(9):"],
            id="more epochs of a loop",
        ),
        pytest.param(
            facts(FUNCTIONS.replace("range(3)", "range(1, EPOCHS + 1)") + "EPOCHS = 5\n", framework="torch"),
            edits.train_longer,
            ["- EPOCHS = 5", "+ EPOCHS = 15"],
            id="more epochs of a function for each",
        ),
        pytest.param(
            facts(LIGHTNING, framework="torch"),
            edits.train_longer,
            ["- trainer = L.Trainer(max_epochs=3, logger=False)", "+ trainer = L.Trainer(max_epochs=9, logger=False)"],
            id="more epochs of a trainer",
        ),
        pytest.param(
            facts(ADDED),
            edits.hold_out,
            ["- model.fit(x, y, epochs=3)", "+ model.fit(x, y, epochs=3, validation_split=0.2)"],
            id="a part that is held out",
        ),
        pytest.param(
            facts(LOOP, **TORCH),
            lambda f: edits.switch_modes(f, False),
            ["+     model.train()"],
            id="training in training mode",
        ),
        pytest.param(
            facts(LOOP.replace("    model.eval()\n", ""), **TORCH),
            lambda f: edits.switch_modes(f, True),
            ["+     model.train()", "+     model.eval()"],
            id="evaluation in evaluation mode, and back",
        ),
        pytest.param(
            facts(FUNCTIONS, framework="torch"),
            lambda f: edits.switch_modes(f, True),
            ["+     model.eval()"],
            id="evaluation in a function of its own",
        ),
        pytest.param(
            facts(TRAINER, framework="torch"),
            lambda f: edits.switch_modes(f, True),
            ["+             self.model.train()", "+         self.model.eval()"],
            id="a class that trains, with a method for each step",
        ),
        pytest.param(
            facts(LOOP.replace("        opt.step()\n", ""), **TORCH),
            edits.take_steps,
            ["+         opt.step()"],
            id="a step that was forgotten",
        ),
        pytest.param(
            facts(LOOP.replace("        opt.step()\n", "        opt.step()\n        scheduler.step()\n"), **TORCH),
            lambda f: edits.call_scheduler(f, True),
            ["-         scheduler.step()", "+     scheduler.step()"],
            id="a scheduler of epochs",
        ),
        pytest.param(
            facts(LOOP.replace("    model.eval()\n", "    scheduler.step()\n"), **TORCH),
            lambda f: edits.call_scheduler(f, False),
            ["-     scheduler.step()", "+         scheduler.step()"],
            id="a scheduler of steps",
        ),
        pytest.param(
            facts(LOOP.replace("self.fc1 =", "self.rest = [nn.Linear(32, 32)]\n        self.fc1 ="), **TORCH),
            edits.register_layers,
            ["-         self.rest = [nn.Linear(32, 32)]", "+         self.rest = nn.ModuleList([nn.Linear(32, 32)])"],
            id="layers in a plain list",
        ),
        pytest.param(
            facts(LOOP.replace("opt = optim.SGD(model.", "opt = optim.SGD(model.fc2."), **TORCH, **SGD_FACTS),
            edits.train_all_parameters,
            [
                '- opt = optim.SGD(model.fc2.parameters(), lr=cfg["lr"], momentum=0.9)',
                '+ opt = optim.SGD(model.parameters(), lr=cfg["lr"], momentum=0.9)',
            ],
            id="an optimizer of the last layer alone",
        ),
        pytest.param(
            facts(LOOP.replace("x = self.drop(x)", "x = self.drop(x.detach())"), **TORCH),
            edits.keep_graph,
            ["-         x = self.drop(x.detach())", "+         x = self.drop(x)"],
            id="a graph that is cut",
        ),
        pytest.param(
            facts(LOOP.replace("dim=1", "dim=0"), **TORCH),
            edits.softmax_over_classes,
            ["-         return F.softmax(self.fc2(x), dim=0)", "+         return F.softmax(self.fc2(x), dim=-1)"],
            id="a softmax over the examples",
        ),
        pytest.param(
            facts(
                "import numpy as np\n"
                "x_train, x_val = x[:80], x[80:]\ny_train, y_val = y[:80], y[80:]\nm.fit(x_train, y_train)\n"
            ),
            edits.shuffle_before_split,
            ["+ order = np.random.default_rng(0).permutation(len(x))", "+ x, y = x[order], y[order]"],
            id="data that are split in their order",
        ),
        pytest.param(
            facts("m.fit(*train_test_split(x, y, test_size=0.2, shuffle=False))\n"),
            edits.shuffle_before_split,
            [
                "- m.fit(*train_test_split(x, y, test_size=0.2, shuffle=False))",
                "+ m.fit(*train_test_split(x, y, test_size=0.2))",
            ],
            id="a split that was told not to shuffle",
        ),
        pytest.param(
            facts("train = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)\nm.fit(train, epochs=2)\n"),
            edits.shuffle,
            [
                "- train = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)",
                "+ train = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(32)",
            ],
            id="a data set that shuffles",
        ),
    ],
)
def test_an_edit_in_this_form(known, edit, expected):
    assert sorted(changed(known, edit(known))) == sorted(expected)


@pytest.mark.parametrize(
    ("known", "edit"),
    [
        pytest.param(
            facts(FUNCTIONAL.replace('layers.Dense(32, activation="sigmoid")(h)', "block(h)"), model=KERAS_NET),
            lambda f: edits.set_in_layers(f, ["dense", "dense_1"], "activation", '"relu"'),
            id="layers that are made elsewhere",
        ),
        pytest.param(
            facts(ADDED, model=layers(("rnn", "SimpleRNN", {}))),
            lambda f: edits.set_in_layers(f, ["rnn"], "kernel_initializer", None),
            id="a layer that is not in the program",
        ),
        pytest.param(
            facts(
                "import keras\nm = keras.Sequential([keras.layers.Embedding(9, 2)])\nm.fit(x, y)\n",
                model=layers(("e", "Embedding", {})),
            ),
            lambda f: edits.set_in_layers(
                {**f, "source": {**f["source"], "signatures": {"Embedding": ["input_dim", "output_dim"]}}},
                ["e"],
                "kernel_initializer",
                '"he"',
            ),
            id="an argument that the class does not take",
        ),
        pytest.param(
            facts("import keras\ndef train(x, y):\n    m.fit(x, y)\ntrain(a, b)\ntrain(c, d)\n"),
            lambda f: edits.normalize_features(f),
            id="a function that trains on several data sets",
        ),
        pytest.param(
            facts("import torch\nopt = torch.optim.SGD(m.parameters(), lr=schedule(0.1))\n", framework="torch"),
            lambda f: edits.set_learning_rate(f, "SGD", 0.5, 0.01),
            id="a rate that the program computes",
        ),
        pytest.param(
            facts("import keras\nm.fit(x, y)\ndef ask(v):\n    return m.predict(v)\n"),
            lambda f: edits.change_targets(f, "({0} - {1}.mean()) / {1}.std()"),
            id="targets whose unit the program goes on with",
        ),
        pytest.param(
            facts("LR = 0.1\nimport torch\nopt = torch.optim.SGD(m.parameters(), lr=LR)\n", framework="torch"),
            lambda f: edits.set_learning_rate(f, "SGD", 0.5, 0.01),
            id="a rate that is another one than in the log",
        ),
    ],
)
def test_no_edit_where_it_is_not_certain(known, edit):
    assert edit(known) is None
