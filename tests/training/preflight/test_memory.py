"""The memory of a step: predicted from small batches, and measured with the whole one, each in a process of its own."""

import json
import subprocess
import sys

import pytest

from tests.paths import environment

SIZE = 256
BEGIN = """
import json, sys
import numpy as np
from scram_plugin.training.preflight import memory
from scram_plugin.training.preflight.subject import Batch

rng = np.random.default_rng(0)
size = 256
"""
TORCH = """
import torch
from torch import nn

torch.manual_seed(0)
nets = {
    "convolutions": (nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
                     nn.Flatten(), nn.Linear(32 * 1024, 10)), (3, 32, 32)),
    "dense": (nn.Sequential(nn.Flatten(), nn.Linear(3072, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
              nn.Linear(4096, 10)), (3, 32, 32)),
    "attention": (nn.Sequential(nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), 2,
                  enable_nested_tensor=False), nn.Flatten(), nn.Linear(64 * 64, 10)), (64, 64)),
}
net, shape = nets[sys.argv[1]]
optimizer = torch.optim.Adam(net.parameters())
batch = Batch(torch.tensor(rng.normal(size=(size, *shape)), dtype=torch.float32), torch.tensor(rng.integers(0, 10, size)))

def step(batch):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(batch.x), batch.y).backward()
    optimizer.step()

def held():
    kept = [v for state in optimizer.state.values() for v in state.values()]
    return sum(t.numel() * t.element_size() for t in (*net.parameters(), *kept))
"""
KERAS = """
import keras
from keras import layers

keras.utils.set_random_seed(0)
nets = {
    "convolutions": ([layers.Conv2D(32, 3, padding="same", activation="relu"), layers.Conv2D(32, 3, padding="same",
                      activation="relu"), layers.Flatten()], (32, 32, 3)),
    "dense": ([layers.Flatten(), layers.Dense(4096, "relu"), layers.Dense(4096, "relu")], (32, 32, 3)),
    "recurrent": ([layers.LSTM(128, return_sequences=True), layers.LSTM(128)], (64, 64)),
}
hidden, shape = nets[sys.argv[1]]
model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
batch = Batch(rng.normal(size=(size, *shape)).astype("float32"), rng.integers(0, 10, size))

def step(batch):
    model.train_on_batch(batch.x, batch.y)

def held():
    return sum(int(np.prod(v.shape)) * 4 for v in (*model.variables, *model.optimizer.variables))
"""
PREDICT = "print(json.dumps(memory.probe(step, held, batch, size)['peak']))"
MEASURE = "print(json.dumps(memory.peaks(step, held, batch, [size])[size]))"
QUICK = [(TORCH, "convolutions"), (KERAS, "recurrent")]
MODELS = [
    pytest.param(framework, name, marks=() if (framework, name) in QUICK else pytest.mark.slow)
    for framework, names in ((TORCH, ("convolutions", "dense", "attention")), (KERAS, ("convolutions", "dense", "recurrent")))
    for name in names
]


def told(program, name):
    done = subprocess.run([sys.executable, "-c", program, name], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.alone
@pytest.mark.parametrize(("framework", "name"), MODELS, ids=lambda v: v if len(v) < 20 else "torch" if v is TORCH else "keras")
def test_a_prediction_is_within_a_third(framework, name):
    predicted, measured = told(BEGIN + framework + PREDICT, name), told(BEGIN + framework + MEASURE, name)
    print(f"{name}: predicted {predicted:.0f} MiB, measured {measured:.0f} MiB: {predicted / measured - 1:+.0%}")
    assert measured > 20.0
    assert 0.7 < predicted / measured < 1.3
