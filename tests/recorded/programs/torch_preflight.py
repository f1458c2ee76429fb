"""Preflights of models of PyTorch that have a fault, and of their healthy twins."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs

X, Y = IMAGES[:1400], LABELS[:1400]
X_VAL, Y_VAL = IMAGES[1400:], LABELS[1400:]


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


def flown(path, model, rate=1e-3, channels=False, **how):
    x, x_val = (torch.tensor(images).unsqueeze(1) if channels else torch.tensor(images) for images in (X, X_VAL))
    loader = DataLoader(TensorDataset(x, torch.tensor(Y).long()), 32, shuffle=True)
    validation = DataLoader(TensorDataset(x_val, torch.tensor(Y_VAL).long()), 64)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "validation": validation, "seconds": 8, **how}
    scram_plugin.preflight(model, loader, log_dir=path, **options)


def dense():
    torch.manual_seed(4)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def images():
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10)
    )


PROGRAMS = Programs()
PROGRAMS.pair(
    "not called",
    lambda p: flown(p, Unused(False)),
    lambda p: flown(p, Unused(True)),
)
PROGRAMS.pair(
    "time first",
    lambda p: flown(p, Rows(False)),
    lambda p: flown(p, Rows(True)),
)
PROGRAMS.pair(
    "too large a batch",
    lambda p: flown(p, images(), channels=True, memory=2),
    lambda p: flown(p, images(), channels=True, memory="4G"),
)
PROGRAMS.pair(
    "rate too low",
    lambda p: flown(p, dense(), rate=2e-6),
    lambda p: flown(p, dense()),
)


@PROGRAMS
def unused_beside_another_fault(path):
    flown(path, nn.Sequential(Unused(False), nn.Softmax(dim=1)))


@PROGRAMS
def a_model_that_learns_slowly(path):
    torch.manual_seed(4)
    convolutions = (nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(1024, 10))
    sgd = torch.optim.SGD(model.parameters(), 0.05)
    flown(path, model, channels=True, optimizer=sgd)
