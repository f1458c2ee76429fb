"""The kinds of training on which SCRAM must not change a bit: name -> program, small enough to train in seconds."""

import contextlib
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DIGITS = load_digits()
IMAGES, LABELS = torch.tensor(DIGITS.images / 16.0, dtype=torch.float32), torch.tensor(DIGITS.target)


def seed(number):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))


def convolution():
    return nn.Sequential(
        *(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.1), nn.Linear(72, 10)),
    )


class Residual(nn.Module):
    """With functions where others have modules, a parameter of its own, and a random choice of NumPy's."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.scale = nn.Parameter(torch.ones(32))

    def forward(self, x):
        x = F.relu(self.first(x.flatten(1)), inplace=True)
        if np.random.random() < 0.5:
            x = x + F.gelu(self.second(x)) * self.scale
        return self.out(F.dropout(x, 0.2, self.training))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.out = (
            nn.Embedding(17, 8),
            nn.LSTM(8, 16, 2, batch_first=True, dropout=0.2),
            nn.Linear(16, 10),
        )

    def forward(self, x):
        states, _ = self.lstm(self.embed((x.flatten(1) * 16).long()[:, ::4]))
        return self.out(states[:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.embed, self.encoder, self.out = nn.Linear(8, 16), nn.TransformerEncoder(layer, 2), nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.encoder(self.embed(x)).mean(dim=1))


def plain_step(model, optimizer, x, y, number):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def accumulated(model, optimizer, x, y, number):
    loss = nn.CrossEntropyLoss()(model(x), y) / 4
    loss.backward()
    if number % 4 == 3:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return loss


def autocast(model, optimizer, x, y, number):
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


# whether the graph tells the shape of what an operation gives: that of PyTorch 2.1 does not
SHAPES = hasattr((torch.ones(1, requires_grad=True) * 1).grad_fn, "_input_metadata")
needs_shapes = pytest.mark.skipif(not SHAPES, reason="the graph of this version of PyTorch does not tell shapes")
# before PyTorch 2.3 there is none on the CPU
SCALER = torch.amp.GradScaler("cpu", init_scale=1024.0) if hasattr(torch.amp, "GradScaler") else None


def scaled(model, optimizer, x, y, number):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    SCALER.scale(loss).backward()
    SCALER.step(optimizer)
    SCALER.update()
    return loss


def closure(model, optimizer, x, y, number):
    def again():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return optimizer.step(again)


def adam(model):
    return torch.optim.Adam(model.parameters(), 1e-3)


def momentum(model):
    return torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)


def lbfgs(model):
    return torch.optim.LBFGS(model.parameters(), max_iter=4)


KINDS = {
    "dense": (dense, adam, plain_step),
    "convolution": (convolution, momentum, plain_step),
    "residual": (Residual, adam, plain_step),
    "recurrent": (Recurrent, adam, plain_step),
    "transformer": (Transformer, momentum, plain_step),
    "accumulated": (dense, adam, accumulated),
    "autocast": (convolution, adam, autocast),
    **({"scaled": (dense, momentum, scaled)} if SCALER is not None else {}),
    "closure": (dense, lbfgs, closure),
}


def train(kind, watch=None, epochs=2, prepare=None):
    """(loss of each step, parameters and buffers at the end, random numbers after it) of a fresh training from a fixed seed.

    `watch(model, optimizer)` gives a context; `prepare(model)` is called before it, to compile the model.
    """
    seed(7)
    make, optimize, step = KINDS[kind]
    model = make()
    called = prepare(model) if prepare is not None else model
    optimizer = optimize(model)
    data = TensorDataset(IMAGES[:800], LABELS[:800])
    training, validation = DataLoader(data, 32, shuffle=True), DataLoader(TensorDataset(IMAGES[800:1000], LABELS[800:1000]), 50)
    losses = []
    with watch(called, optimizer) if watch is not None else contextlib.nullcontext() as scram:
        for _ in range(epochs):
            model.train()
            for number, (x, y) in enumerate(training):
                losses.append(step(called, optimizer, x, y, number).item())
            model.eval()
            with torch.no_grad():
                loss = sum(F.cross_entropy(called(x), y).item() for x, y in validation) / len(validation)
            if scram is not None:
                scram.log(val_loss=loss)
    left = random.random(), float(np.random.random()), float(torch.rand(()))
    return losses, {name: value.clone() for name, value in model.state_dict().items()}, left


# The start of a program that trains with Ultralytics: eight pictures of a square for each data set, and `data.yaml`.
SQUARES = """\
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from ultralytics import YOLO, settings

settings.update({"tensorboard": True})
top = Path(sys.argv[1])
rng = np.random.default_rng(0)
for part in ("train", "val"):
    (top / part / "images").mkdir(parents=True)
    (top / part / "labels").mkdir()
    for i in range(8):
        picture = np.zeros((64, 64, 3), np.uint8)
        x, y = rng.integers(8, 40, 2)
        picture[y : y + 16, x : x + 16] = 255
        Image.fromarray(picture).save(top / part / "images" / f"{i}.png")
        (top / part / "labels" / f"{i}.txt").write_text(f"0 {(x + 8) / 64} {(y + 8) / 64} 0.25 0.25\\n")
(top / "data.yaml").write_text(f"path: {top}\\ntrain: train/images\\nval: val/images\\nnames: [square]\\n")
"""
