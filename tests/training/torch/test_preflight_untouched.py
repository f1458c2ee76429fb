"""After a preflight a training is bit for bit the one that it would have been."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from tests.recorded.digits import IMAGES, LABELS

X, Y = IMAGES[:480], LABELS[:480]


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
