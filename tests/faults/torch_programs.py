"""The same six healthy programs with PyTorch, as text: what faults are inoculated into."""

from functools import partial

from tests.faults.programs import Program

HEAD = """import numpy as np
import torch
from sklearn.datasets import {loader}
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

torch.manual_seed({seed})
data = {loader}()
order = np.random.default_rng({seed}).permutation(len(data.target))
"""

DIGITS = """x = torch.tensor(data.images[order]{channel} / 16.0, dtype=torch.float32)
y = torch.tensor(data.target[order])
x_train, x_val = x[:1400], x[1400:]
y_train, y_val = y[:1400], y[1400:]
"""

TABLE = """x = torch.tensor(data.data[order], dtype=torch.float32)
x = (x - x.mean(dim=0)) / x.std(dim=0)
y = torch.tensor({target}, dtype=torch.float32).unsqueeze(1)
x_train, x_val = x[:{split}], x[{split}:]
y_train, y_val = y[:{split}], y[{split}:]
"""

DENSE = """model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, {width}),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear({width}, {width}),
    nn.ReLU(),
    nn.Linear({width}, 10),
)
"""

CONVOLUTION = """model = nn.Sequential(
    nn.Conv2d(1, {narrow}, 3),
    nn.ReLU(),
    nn.Conv2d({narrow}, {narrow}, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear({narrow} * 4, {width}),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear({width}, 10),
)
"""

RESIDUAL = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, {narrow}, 3, padding=1)
        self.conv2 = nn.Conv2d({narrow}, {narrow}, 3, padding=1)
        self.hidden = nn.Linear({narrow} * 16, {width})
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear({width}, 10)

    def forward(self, x):
        h = torch.relu(self.conv1(x))
        h = h + torch.relu(self.conv2(h))
        h = torch.max_pool2d(h, 2).flatten(1)
        h = torch.relu(self.hidden(h))
        h = self.dropout(h)
        return self.out(h)


model = Net()
"""

RECURRENT = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, {width}, batch_first=True)
        self.hidden = nn.Linear({width}, {width})
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear({width}, 10)

    def forward(self, x):
        states, _ = self.lstm(x)
        h = torch.relu(self.hidden(states[:, -1]))
        h = self.dropout(h)
        return self.out(h)


model = Net()
"""

BINARY = """model = nn.Sequential(
    nn.Linear(30, {narrow}),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear({narrow}, {narrow}),
    nn.ReLU(),
    nn.Linear({narrow}, 1),
    nn.Sigmoid(),
)
"""

REGRESSION = """model = nn.Sequential(
    nn.Linear(10, {narrow}),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear({narrow}, {narrow}),
    nn.ReLU(),
    nn.Linear({narrow}, 1),
)
"""

LOOP = """loss_function = nn.{loss}()
optimizer = torch.optim.{{optimizer}}(model.parameters(), lr={{rate}})
train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size={{batch}}, shuffle=True)
val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=64)

with scram_plugin.watch(model, optimizer, log_dir="logs", print_findings=False) as scram:
    for epoch in range({{epochs}}):
        model.train()
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            loss = loss_function(model(inputs), targets)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            outputs = torch.cat([model(inputs) for inputs, _ in val_loader])
            val_loss = loss_function(outputs, y_val)
        scram.log(val_loss=val_loss{measure})
"""
CLASSES = LOOP.format(loss="CrossEntropyLoss", measure=", val_accuracy=(outputs.argmax(dim=1) == y_val).float().mean()")
TWO = LOOP.format(loss="BCELoss", measure=", val_accuracy=((outputs > 0.5) == (y_val > 0.5)).float().mean()")
SQUARES = LOOP.format(loss="MSELoss", measure="")

CANCER = TABLE.format(target="data.target[order]", split=450)
DIABETES = TABLE.format(target="(data.target[order] - 152.0) / 77.0", split=350)


_program = partial(Program, head=HEAD, foot="")
PROGRAMS = (
    _program("dense", DIGITS.replace("{channel}", "") + DENSE + CLASSES, "load_digits", 14),
    _program("convolution", DIGITS.replace("{channel}", "[:, None]") + CONVOLUTION + CLASSES, "load_digits", 12),
    _program("residual", DIGITS.replace("{channel}", "[:, None]") + RESIDUAL + CLASSES, "load_digits", 12),
    _program("recurrent", DIGITS.replace("{channel}", "") + RECURRENT + CLASSES, "load_digits", 16),
    _program("binary", CANCER + BINARY + TWO, "load_breast_cancer", 12),
    _program("regression", DIABETES + REGRESSION + SQUARES, "load_diabetes", 24, "epoch_loss", False),
)
