"""After a preflight a training is bit for bit the one that it would have been."""

import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import scram_plugin
from tests.paths import ROOT, environment
from tests.recorded.digits import IMAGES, LABELS
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
    """With PyTorch in the same process, as whoever gives Keras a DataLoader has it."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(5)
    data = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 32, shuffle=True)
    return data, {"x": data}


def keras_training(make, data, path):
    """Losses of three epochs, weights, and the next numbers that are drawn."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    model = make()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    given, fitted = data()
    if path is not None:
        scram_plugin.preflight(model, given, validation=(X[:64], Y[:64]), log_dir=path, seconds=6)
    history = model.fit(**fitted, epochs=3, batch_size=32 if "y" in fitted else None, verbose=0).history
    weights = [np.array(v) for v in [*model.variables, *model.optimizer.variables]]
    return history, weights, (random.random(), np.random.rand(), float(keras.random.uniform(())))


def is_untouched(make, data, tmp_path):
    plain, flown = keras_training(make, data, None), keras_training(make, data, tmp_path)
    assert plain[0] == flown[0]
    assert len(plain[1]) == len(flown[1])
    assert all(np.array_equal(a, b) for a, b in zip(plain[1], flown[1], strict=True))
    assert plain[2] == flown[2]
    batch = scram_plugin.read(tmp_path)["scram"].facts["preflight"]["one_batch"]
    # the model was trained in between; how far one gets in six seconds depends on the machine
    assert batch["steps"] > 1
    assert batch["last"] < batch["first"]


KINDS = [(OwnStep, dataset)]
OTHERS = [(make, data) for make in (functional, Subclassed, OwnStep) for data in (arrays, dataset, numbered)]


@pytest.mark.parametrize(
    ("make", "data"), [*KINDS, *(pytest.param(*kind, marks=pytest.mark.slow) for kind in OTHERS if kind not in KINDS)]
)
def test_keras(make, data, tmp_path):
    is_untouched(make, data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("make", [functional, Subclassed, OwnStep])
def test_keras_with_a_data_loader(make, tmp_path):
    code = (
        "import sys, pathlib; from tests.training.keras import test_preflight_untouched as here;"
        f"here.is_untouched(here.{make.__name__}, here.loaded, pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment(), check=True)
