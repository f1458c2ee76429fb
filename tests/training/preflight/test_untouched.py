"""After a preflight a training is bit for bit the one that it would have been."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from tests.heuristics.trainings import IMAGES, LABELS
from tests.training.keras.models import OwnStep

X, Y = IMAGES[:480], LABELS[:480]


def functional():
    inputs = keras.Input((8, 8))
    h = layers.Dropout(0.3)(layers.Dense(32, "relu")(layers.Flatten()(inputs)))
    h = layers.BatchNormalization()(h)
    return keras.Model(inputs, layers.Dense(10, "softmax")(layers.GaussianNoise(0.1)(h)))


class Subclassed(keras.Model):
    """Is built by its first batch."""

    def __init__(self):
        super().__init__()
        self.flat, self.hidden, self.drop = layers.Flatten(), layers.Dense(32, "relu"), layers.Dropout(0.3)
        self.out = layers.Dense(10, "softmax")

    def call(self, x, training=False):
        return self.out(self.drop(self.hidden(self.flat(x)), training=training))


def arrays():
    return (X, Y), {"x": X, "y": Y}


def dataset():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(200).map(lambda x, y: (x + tf.random.normal((8, 8)) * 0.01, y))
    data = data.batch(32)
    return data, {"x": data}


class Numbered(keras.utils.PyDataset):
    """Counts its epochs, as one that shuffles does."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def __len__(self):
        return 15

    def __getitem__(self, i):
        rows = np.random.default_rng(self.epochs).permutation(480)[i * 32 : i * 32 + 32]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.epochs += 1


def numbered():
    data = Numbered()
    return data, {"x": data}


def loaded():
    data = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 32, shuffle=True)
    return data, {"x": data}


def keras_training(make, data, path):
    """Losses of three epochs, weights, and the next numbers that are drawn."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    torch.manual_seed(5)
    model = make()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    given, fitted = data()
    if path is not None:
        scram_plugin.preflight(model, given, validation=(X[:64], Y[:64]), log_dir=path, seconds=6)
    history = model.fit(**fitted, epochs=3, batch_size=32 if "y" in fitted else None, verbose=0).history
    weights = [np.array(v) for v in [*model.variables, *model.optimizer.variables]]
    return history, weights, (random.random(), np.random.rand(), float(keras.random.uniform(())))


@pytest.mark.parametrize("data", [arrays, dataset, numbered, loaded])
@pytest.mark.parametrize("make", [functional, Subclassed, OwnStep])
def test_keras(make, data, tmp_path):
    plain, flown = keras_training(make, data, None), keras_training(make, data, tmp_path)
    assert plain[0] == flown[0]
    assert len(plain[1]) == len(flown[1])
    assert all(np.array_equal(a, b) for a, b in zip(plain[1], flown[1], strict=True))
    assert plain[2] == flown[2]
    assert scram_plugin.read(tmp_path)["scram"].facts["preflight"]["one_batch"]["last"] < 1.0


class Counting(nn.Module):
    """Keeps a number of its own besides weights and buffers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3))
        self.out, self.calls = nn.Linear(32, 10), 0

    def forward(self, x):
        self.calls += 1
        return self.out(self.body(x) + 0.01 * torch.randn(1) * np.random.rand())


def torch_training(path, begun, generator):
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    model = Counting()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    order = torch.Generator().manual_seed(7) if generator else None
    loader = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y).long()), 32, shuffle=True, generator=order)
    function, losses = nn.CrossEntropyLoss(), []

    def epoch():
        for x, y in loader:
            optimizer.zero_grad()
            loss = function(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))

    if begun:
        epoch()
    if path is not None:
        scram_plugin.preflight(model, loader, loss=function, optimizer=optimizer, log_dir=path, seconds=6)
    epoch()
    epoch()
    state = [t.clone() for t in (*model.state_dict().values(), *(v for s in optimizer.state.values() for v in s.values()))]
    gradients = [p.grad.clone() for p in model.parameters()]
    return losses, [*state, *gradients], (model.calls, random.random(), np.random.rand(), float(torch.rand(())))


@pytest.mark.parametrize("begun", [False, True], ids=["new", "in its midst"])
@pytest.mark.parametrize("generator", [False, True], ids=["default order", "own order"])
def test_torch(begun, generator, tmp_path):
    plain, flown = torch_training(None, begun, generator), torch_training(tmp_path, begun, generator)
    assert plain[0] == flown[0]
    assert all(torch.equal(a, b) for a, b in zip(plain[1], flown[1], strict=True))
    assert plain[2] == flown[2]
    assert scram_plugin.read(tmp_path)["scram"].facts["preflight"]["one_batch"]["last"] < 1.0
