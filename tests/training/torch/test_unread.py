"""Parts of the inputs on which a model does not depend, seen with the first batch of real trainings."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin

GENERATOR = torch.Generator().manual_seed(0)
TABLE = torch.randn(32, 6, generator=GENERATOR)
WORDS = torch.randint(1, 20, (32, 9), generator=GENERATOR)
SERIES = torch.randn(32, 9, 4, generator=GENERATOR)
IMAGES = torch.randn(32, 4, 8, 8, generator=GENERATOR)
Y = torch.arange(32) % 3


class Table(nn.Module):
    """Reads some of the features."""

    def __init__(self, *features):
        super().__init__()
        self.features, self.out = list(features), nn.Linear(len(features), 3)

    def forward(self, x):
        return self.out(x[:, self.features])


class Recurrent(nn.Module):
    """Reads the state at one position, or the mean of all."""

    def __init__(self, position, words=False):
        super().__init__()
        self.position = position
        self.embed = nn.Embedding(20, 4) if words else nn.Identity()
        self.gru, self.out = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        states = self.gru(self.embed(x))[0]
        return self.out(states.mean(1) if self.position is None else states[:, self.position])


class Channels(nn.Module):
    def __init__(self, *channels):
        super().__init__()
        self.channels = list(channels)
        self.convolution, self.out = nn.Conv2d(len(channels), 8, 3), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.convolution(x[:, self.channels]).relu().mean((2, 3)))


class Noisy(Table):
    def forward(self, x):
        return super().forward(x) + torch.randn(len(x), 1)


def unread(model, x, log_dir):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, Y), batch_size=16)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False) as watch:
        for part, target in loader:
            F.cross_entropy(model(part), target).backward()
            optimizer.step()
    return watch.facts["loop"].get("unread", [])


@pytest.mark.parametrize(
    ("model", "x", "places"),
    [
        (Table(0, 1, 2, 3, 4, 5), TABLE, None),
        (Table(0, 1, 3, 4, 5), TABLE, [2]),
        (Table(1, 5), TABLE, [0, 2, 3, 4]),
        (Channels(0, 1, 2, 3), IMAGES, None),
        (Channels(0, 1, 2, 2), IMAGES, [3]),
        (Recurrent(-1), SERIES, None),
        (Recurrent(None), SERIES, None),
        (Recurrent(0), SERIES, "first"),
        (Recurrent(0, words=True), WORDS, "first"),
        (Recurrent(-1, words=True), WORDS, None),
        (Noisy(0, 1), TABLE, None),  # what it reads is not known
    ],
)
def test_what_is_not_read_is_found(model, x, places, tmp_path):
    found = unread(model, x, tmp_path)
    if places is None:
        assert found == []
    elif places == "first":
        assert [(part["axis"], part.get("first")) for part in found] == [(1, True)]
    else:
        assert [part["places"] for part in found] == [places]


@pytest.mark.parametrize(
    ("model", "title"), [(Table(0, 1, 3, 4, 5), "feature 2"), (Recurrent(0, words=True), "first position")]
)
def test_the_review_tells_it(model, title, tmp_path):
    assert unread(model, WORDS if isinstance(model, Recurrent) else TABLE, tmp_path)
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    (told,) = [f for f in review.findings if f.heuristic == "ignored-input"]
    assert told.severity == "warning"
    assert title in told.title


def test_nothing_of_the_training_changes(tmp_path):
    weights = []
    for log_dir in (None, tmp_path):
        torch.manual_seed(0)
        model = Recurrent(0)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        watch = scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False) if log_dir else None
        for part, target in zip(SERIES.split(8), Y.split(8), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(part), target).backward()
            optimizer.step()
        if watch is not None:
            watch.close()
        weights.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
