"""Small programs to try fixes with, and a way to run one as a proof does."""

import json
import subprocess
import sys
from contextlib import contextmanager

from scram_plugin.fixing.measures import ending, load
from scram_plugin.fixing.runs import Limits, Program, Workshop
from tests.paths import environment

DATA = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
x = torch.randn(700, 12)
y = (x @ torch.randn(12, 3)).argmax(dim=1)
train = DataLoader(TensorDataset(x[:500], y[:500]), batch_size=25, shuffle=True)
test = DataLoader(TensorDataset(x[500:], y[500:]), batch_size=100)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))
loss_function = nn.CrossEntropyLoss()
"""
# gradients are never cleared
LOOP = (
    DATA
    + """\
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # größer?

def epoch():
    model.train()
    for inputs, labels in train:
        loss = loss_function(model(inputs), labels)
        loss.backward()
        optimizer.step()

def evaluate():
    model.eval()
    right = 0
    with torch.no_grad():
        for inputs, labels in test:
            right += (model(inputs).argmax(dim=1) == labels).sum().item()
    return right / 200

for i in range(40):
    epoch()
    print("epoch", i, evaluate())
open("result.txt", "w").write("done")
"""
)
KERAS = """\
import keras
import numpy as np

keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)
x = rng.normal(size=(700, 12)).astype("float32")
y = (x @ rng.normal(size=(12, 3))).argmax(axis=1)
model = keras.Sequential([
    keras.Input(shape=(12,)),
    keras.layers.Dense(32, activation="relu"),
    keras.layers.Dense(3, activation="softmax"),
])
model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[:500], y[:500], batch_size=25, epochs=40, validation_data=(x[500:], y[500:]), verbose=0)
model.save("model.keras")
"""
# the loss becomes NaN at once
DIVERGES = (
    KERAS.replace("(12, 3))).argmax(axis=1)", "(12, 1)))")
    .replace('3, activation="softmax"', "1")
    .replace(
        'keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])',
        'keras.optimizers.SGD(1e6), loss="mse")  # viel zu groß',
    )
)


@contextmanager
def ran(folder, text, limits=None, seed=0, patch=None, arguments=(), network=False):
    """A run of a program, as a proof makes it: what it told, and the training runs in its log."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(text, encoding="utf-8")
    with Workshop(Program(folder, "train.py", tuple(arguments), network), folder / "logs") as shop:
        (done,) = shop.wait([shop.start("run", patch, seed, limits or Limits(epochs=2))])
        yield done, load(done.log_dir) if any(done.log_dir.iterdir()) else []


def ended(folder, text, **more):
    with ran(folder, text, **more) as (done, _):
        return done.told, ending(done)


def fix(folder, *arguments, status=0):
    """The answer of `scram fix --format json` in a directory, and what it said on standard error."""
    command = [sys.executable, "-m", "scram_plugin", "fix", "--format", "json", "--yes", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if status < 2 else None, done.stderr


def files(folder):
    """All files below a directory with what is in them, without the log directory."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "logs" not in path.relative_to(folder).parts
    }
