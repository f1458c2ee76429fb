"""Trainings with PyTorch that have one fault, and their healthy twins."""

import contextlib
import tempfile

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs

X, Y = torch.tensor(IMAGES), torch.tensor(LABELS).long()
EVEN = (Y % 2 == 0).float().unsqueeze(1)
PATIENTS = load_diabetes()
VALUES = torch.tensor(PATIENTS.data / PATIENTS.data.std(), dtype=torch.float32)
TARGETS = torch.tensor((PATIENTS.target - PATIENTS.target.mean()) / PATIENTS.target.std(), dtype=torch.float32)


def digits(*last, hidden=32, classes=10):
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, classes), *last)


def regression():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))


def fit(path, model, x=X, y=Y, loss=F.cross_entropy, optimizer=None, rate=1e-3, epochs=4, clear=True, shuffle=True, every=10):
    """A training of some epochs; validation on the last fifth."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), rate)
    split = len(x) * 4 // 5
    training = DataLoader(TensorDataset(x[:split], y[:split]), 32, shuffle=shuffle)
    with scram_plugin.watch(model, optimizer, log_dir=path, every=every, print_findings=False) as scram:
        for _ in range(epochs):
            model.train()
            for inputs, targets in training:
                if clear:
                    optimizer.zero_grad()
                loss(model(inputs), targets).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                scram.log(val_loss=loss(model(x[split:]), y[split:]))


def failed(path, model):
    with contextlib.suppress(RuntimeError):
        fit(path, model, y=EVEN, loss=F.binary_cross_entropy)


def set_weights(model, function):
    function(model[1].weight)
    return model


def frozen():
    model = digits()
    model[3].requires_grad_(False)
    return model


class Functional(nn.Module):
    """The same net with functions in place of modules."""

    def __init__(self, activate):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second, self.out = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.activate = activate

    def forward(self, x):
        return self.out(self.activate(self.second(self.activate(self.first(x.flatten(1))))))


def decayed(decay):
    model = digits()
    return model, torch.optim.Adam(model.parameters(), 1e-3, weight_decay=decay)


def with_decay(path, decay):
    model, optimizer = decayed(decay)
    return fit(path, model, optimizer=optimizer, epochs=12)


PROGRAMS = Programs()
PROGRAMS.pair(
    "gradients kept",
    lambda p: fit(p, digits(), clear=False),
    lambda p: fit(p, digits()),
)
PROGRAMS.pair(
    "targets stretched",
    lambda p: fit(p, regression(), VALUES, TARGETS, F.mse_loss),
    lambda p: fit(p, regression(), VALUES, TARGETS.unsqueeze(1), F.mse_loss),
)
PROGRAMS.pair(
    "probabilities without logarithms",
    lambda p: fit(p, digits(nn.Softmax(dim=1)), loss=F.nll_loss),
    lambda p: fit(p, digits(nn.LogSoftmax(dim=1)), loss=F.nll_loss),
)
PROGRAMS.pair(
    "outputs as they are into NLLLoss",
    lambda p: fit(p, digits(), loss=F.nll_loss),
    lambda p: fit(p, digits(), loss=lambda o, t: F.nll_loss(F.log_softmax(o, dim=1), t)),
)
PROGRAMS.pair(
    "a program that fails in its loss",
    lambda p: failed(p, digits(classes=1)),
    lambda p: fit(p, digits(nn.Sigmoid(), classes=1), y=EVEN, loss=F.binary_cross_entropy),
)
PROGRAMS.pair(
    "a rate with which it falls to guessing",
    lambda p: fit(p, digits(), 16 * X, rate=0.3, epochs=12, every=50),
    lambda p: fit(p, digits(), epochs=12, every=50),
)
PROGRAMS.pair(
    "softmax twice",
    lambda p: fit(p, digits(nn.Softmax(dim=1))),
    lambda p: fit(p, digits()),
)


class Listed(nn.Module):
    """Layers in a list, or in a ModuleList."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(5)
        self.hidden, self.out = kind([nn.Linear(64, 32), nn.Linear(32, 32)]), nn.Linear(32, 10)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.out(x)


def fit_with_new_head(path, before):
    """The last layer is replaced, before or after the optimizer is made."""
    model = digits(classes=1000)
    if before:
        model[3] = nn.Linear(32, 10)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    if not before:
        model[3] = nn.Linear(32, 10)
    fit(path, model, optimizer=optimizer)


PROGRAMS.pair(
    "layers in a plain list",
    lambda p: fit(p, Listed(list)),
    lambda p: fit(p, Listed(nn.ModuleList)),
)
PROGRAMS.pair(
    "a head replaced after the optimizer",
    lambda p: fit_with_new_head(p, before=False),
    lambda p: fit_with_new_head(p, before=True),
)
PROGRAMS.pair(
    "relu on the logits",
    lambda p: fit(p, digits(nn.ReLU())),
    lambda p: fit(p, digits()),
)
PROGRAMS.pair(
    "large weights",
    lambda p: fit(p, set_weights(digits(), lambda w: nn.init.normal_(w, std=4.0))),
    lambda p: fit(p, set_weights(digits(), lambda w: nn.init.kaiming_normal_(w))),
)
PROGRAMS.pair(
    "no activations",
    lambda p: fit(p, Functional(lambda x: x)),
    lambda p: fit(p, Functional(F.gelu)),
)
PROGRAMS.pair(
    "the last layer frozen",
    lambda p: fit(p, frozen()),
    lambda p: fit(p, digits()),
)
PROGRAMS.pair(
    "a strong weight decay",
    lambda p: with_decay(p, 2.0),
    lambda p: with_decay(p, 1e-4),
)
PROGRAMS.pair(
    "sorted data",
    lambda p: fit(p, digits(), X[torch.argsort(Y)], Y[torch.argsort(Y)], shuffle=False, epochs=1),
    lambda p: fit(p, digits(), shuffle=False, epochs=1),
)


@PROGRAMS
def first_steps_of_rmsprop(path):
    model = digits()
    fit(path, model, optimizer=torch.optim.RMSprop(model.parameters(), 0.008), epochs=1, every=50)


@PROGRAMS
def low_rate_for_what_has_been_trained(path):
    model = digits(hidden=64)
    with tempfile.TemporaryDirectory() as first:
        fit(first, model, epochs=10, rate=3e-3)
    fit(path, model, rate=1e-6)
