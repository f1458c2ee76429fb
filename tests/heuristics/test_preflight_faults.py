"""Preflights of real models that have a fault, and of their healthy twins, with Keras and with PyTorch."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from scram_plugin.training.preflight.probes import overlap
from scram_plugin.training.preflight.subject import Batch
from tests.heuristics.trainings import IMAGES, LABELS, found_as, is_sound, review_of

X, Y = IMAGES[:1400], LABELS[:1400]
X_VAL, Y_VAL = IMAGES[1400:], LABELS[1400:]
TESTS = """
import numpy as np

def test_probabilities_add_up(model, batch):
    x, y = batch
    assert np.allclose(np.sum(model(x), axis=1), {sum}, atol=1e-4), "they add up to something else"

def test_it_learns(loss, optimizer):
    first = loss()
    assert min(loss() for _ in range(20)) < first
"""


def net(*hidden, out=None, rate=1e-3, loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(4)
    out = out or layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), *(hidden or [layers.Dense(32, "relu")]), out])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def flown(path, model, x=X, y=Y, validation=(X_VAL, Y_VAL), **how):
    scram_plugin.preflight(model, (x, y), validation=validation, log_dir=path, seconds=8, **how)
    return review_of(path)


def two_inputs(used):
    keras.utils.set_random_seed(4)
    image, noise = keras.Input((8, 8), name="image"), keras.Input((4,), name="noise")
    flat = layers.Flatten()(image)
    hidden = layers.Dense(32, "relu")(layers.Concatenate()([flat, noise]) if used else flat)
    model = keras.Model([image, noise], layers.Dense(10, "softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Detached(keras.layers.Layer):
    """Lets no gradient through."""

    def call(self, x):
        return keras.ops.stop_gradient(x)


class Rows(nn.Module):
    """An LSTM over the rows of an image."""

    def __init__(self, batch_first):
        super().__init__()
        torch.manual_seed(4)
        self.lstm, self.out = nn.LSTM(8, 32, batch_first=batch_first), nn.Linear(32, 10)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


class Unused(nn.Module):
    """A layer that is made, and called or not."""

    def __init__(self, called):
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second, self.out = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.called = called

    def forward(self, x):
        h = torch.relu(self.first(x.flatten(1)))
        return self.out(torch.relu(self.second(h)) if self.called else h)


def torch_flown(path, model, rate=1e-3, channels=False, **how):
    x, x_val = (torch.tensor(images).unsqueeze(1) if channels else torch.tensor(images) for images in (X, X_VAL))
    loader = DataLoader(TensorDataset(x, torch.tensor(Y).long()), 32, shuffle=True)
    validation = DataLoader(TensorDataset(x_val, torch.tensor(Y_VAL).long()), 64)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "validation": validation, "seconds": 8, **how}
    scram_plugin.preflight(model, loader, log_dir=path, **options)
    return review_of(path)


def dense():
    torch.manual_seed(4)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def own(path, total):
    (path / "mine.py").write_text(TESTS.format(sum=total))
    return flown(path / "logs", net(), tests=path / "mine.py")


NOISE = np.random.default_rng(1).normal(size=(1400, 4)).astype("float32")
NOISE_VAL = np.random.default_rng(2).normal(size=(len(X_VAL), 4)).astype("float32")
PAIRS = ([X_VAL, NOISE_VAL], Y_VAL)
LEAKED = (np.concatenate([X_VAL[:300], X[:60]]), np.concatenate([Y_VAL[:300], Y[:60]]))
LARGE = keras.initializers.Constant(40.0)

# name -> (heuristic, first cause, the preflight of a faulty model, that of its healthy twin)
FAULTS = {
    "cut off": (
        "no-gradient",
        "cut",
        lambda p: flown(p, net(layers.Dense(32, "relu"), Detached())),
        lambda p: flown(p, net()),
    ),
    "not called": (
        "no-gradient",
        "unused",
        lambda p: torch_flown(p, Unused(False)),
        lambda p: torch_flown(p, Unused(True)),
    ),
    "an input unused": (
        "ignored-input",
        "unused",
        lambda p: flown(p, two_inputs(False), [X, NOISE], Y, PAIRS),
        lambda p: flown(p, two_inputs(True), [X, NOISE], Y, PAIRS),
    ),
    "time first": (
        "mixed-samples",
        "batch-first",
        lambda p: torch_flown(p, Rows(False)),
        lambda p: torch_flown(p, Rows(True)),
    ),
    "softmax over the batch": (
        "mixed-samples",
        "reshape",
        lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Softmax(axis=0))),
        lambda p: flown(p, net()),
    ),
    "large within": (
        "half-precision",
        "inside",
        lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Rescaling(1e6), layers.Rescaling(1e-6))),
        lambda p: flown(p, net()),
    ),
    "too large a batch": (
        "batch-size-memory",
        "batch",
        lambda p: torch_flown(p, images(), channels=True, memory=2),
        lambda p: torch_flown(p, images(), channels=True, memory="4G"),
    ),
    "validation leaked": (
        "validation-overlap",
        "doubles",
        lambda p: flown(p, net(), validation=LEAKED),
        lambda p: flown(p, net()),
    ),
    "rate too low": (
        "learning-rate-range",
        "low",
        lambda p: torch_flown(p, dense(), rate=2e-6),
        lambda p: torch_flown(p, dense()),
    ),
    "rate too high": (
        "learning-rate-range",
        "high",
        lambda p: flown(p, net(rate=3.0)),
        lambda p: flown(p, net()),
    ),
    "a floor": (
        "one-batch",
        "loss",
        lambda p: flown(p, net(layers.Dense(32, "relu"), layers.Rescaling(1e-3))),
        lambda p: flown(p, net()),
    ),
    "own": ("own-tests", "model", lambda p: own(p, 2.0), lambda p: own(p, 1.0)),
}


def images():
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10)
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    found_as(FAULTS[name], tmp_path)


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_is_not(name, tmp_path):
    is_sound(FAULTS[name], tmp_path)


class Apart(keras.layers.Layer):
    """The distance of two embeddings, in which their biases cancel."""

    def call(self, both):
        return keras.ops.sum(keras.ops.square(both[0] - both[1]), axis=1, keepdims=True)


def test_a_bias_that_cancels_is_no_variable_that_is_cut_off(tmp_path):
    keras.utils.set_random_seed(4)
    embed = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(8)])
    pair = [keras.Input((8, 8)), keras.Input((8, 8))]
    model = keras.Model(pair, Apart()([embed(x) for x in pair]))
    model.compile("adam", "mse")
    other = np.roll(np.arange(len(X)), 7)
    review = flown(tmp_path, model, [X, X[other]], (Y[other] != Y).astype("float32"), None)
    assert "no-gradient" in review.passed


def test_what_is_not_used_is_told_whatever_else_is_wrong(tmp_path):
    review = torch_flown(tmp_path, nn.Sequential(Unused(False), nn.Softmax(dim=1)))
    found = {f["heuristic"]: f for f in review.alone}
    assert found["output-activation-mismatch"]["causes"][0]["id"] == "twice"
    assert "`0.second`" in found["no-gradient"]["summary"]


def test_an_accuracy_of_the_training_data_is_no_validation_that_leaked():
    def batches(*parts):
        return [Batch(np.arange(first, last, dtype="float32"), None) for first, last in parts]

    training = batches((0, 32), (32, 64), (64, 96))
    assert overlap(training, batches((0, 96), (96, 128)), 5.0) == {"training": 96, "validation": 32, "both": 0}
    # but a part of them that stands together is
    assert overlap(training, batches((64, 96), (96, 128)), 5.0) == {"training": 96, "validation": 64, "both": 32}
    assert overlap(training, batches((0, 96)), 5.0) == {"training": 96, "validation": 96, "both": 96}


def test_a_model_that_learns_slowly_has_a_range_too(tmp_path):
    torch.manual_seed(4)
    convolutions = (nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(1024, 10))
    sgd = torch.optim.SGD(model.parameters(), 0.05)
    review = torch_flown(tmp_path, model, channels=True, optimizer=sgd)
    assert "learning-rate-range" in review.passed
