"""What a few more forward passes with the first batch show, and that nothing remains of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(128, 12, 5, generator=GENERATOR)
Y = (X[:, :, 0].mean(dim=1) > 0).long()


class Recurrent(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.recurrent, self.head = nn.LSTM(5, 16, batch_first=batch_first), nn.Linear(16, 2)
        self.calls, self.seen = 0, []

    def forward(self, x):
        self.calls += 1
        self.seen.append(self.calls)
        print("called", self.calls)
        states, _ = self.recurrent(x)
        return self.head(states[:, -1])


class Convolution(nn.Module):
    def __init__(self, swap):
        super().__init__()
        self.swap, self.convolution, self.head = swap, nn.Conv1d(5, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.convolution(self.swap(x)).relu().mean(dim=2))


def batches(how):
    if how == "loader":
        return DataLoader(TensorDataset(X, Y), 16, shuffle=True)
    return [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 128, 16)]


def loop_of(model, data, log_dir):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False) as watch:
        for x, y in data:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return watch.facts["loop"]


@pytest.mark.parametrize("how", ["loader", "slices"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_recurrent_layer_that_takes_the_batch_for_the_time(how, batch_first, tmp_path):
    model = Recurrent(batch_first)
    mixing = loop_of(model, batches(how), tmp_path)["mixing"]
    assert mixing == 0 if batch_first else mixing > 0.02


def test_nothing_remains_of_a_trial(tmp_path, capsys):
    model, untried = Recurrent(True), Recurrent(True)
    loop_of(model, batches("loader"), tmp_path)
    for x, _ in batches("loader"):
        untried(x)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"called {i + 1}" for i in range(8)] * 2
    assert (model.calls, model.seen) == (untried.calls, untried.seen)


@pytest.mark.parametrize(
    ("swap", "axes"),
    [
        (lambda x: x.transpose(1, 2), []),
        (lambda x: x.reshape(len(x), 5, 12), [{"operation": "view", "from": [16, 12, 5], "to": [16, 5, 12]}]),
    ],
)
def test_a_view_of_inputs_without_a_gradient(swap, axes, tmp_path):
    assert loop_of(Convolution(swap), batches("loader"), tmp_path)["axes"] == axes


class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(5, 16), nn.Linear(16, 2)

    def forward(self, x, edges):
        return self.head(edges @ self.first(x).relu())


def test_a_graph_whose_nodes_are_the_rows_is_not_tried(tmp_path):
    model, nodes, labels = Graph(), torch.randn(16, 5), torch.randint(0, 2, (16,))
    optimizer = torch.optim.Adam(model.parameters())
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        optimizer.zero_grad()
        F.cross_entropy(model(nodes, torch.rand(16, 16)), labels).backward()
        optimizer.step()
    assert "mixing" not in watch.facts["loop"]


class Tagger(nn.Module):
    """One sequence at a time, the time first, as in the oldest tutorials."""

    def __init__(self):
        super().__init__()
        self.recurrent, self.head = nn.LSTM(5, 16), nn.Linear(16, 2)

    def forward(self, x):
        states, _ = self.recurrent(x.unsqueeze(1))
        return self.head(states.squeeze(1))


def test_a_sequence_alone_has_no_examples(tmp_path):
    sentences = [(torch.randn(12, 5), torch.randint(0, 2, (12,))) for _ in range(4)]
    assert "mixing" not in loop_of(Tagger(), sentences, tmp_path)


def test_a_trial_takes_few_examples(tmp_path):
    sizes = []

    class Counting(Convolution):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    loop_of(Counting(lambda x: x.transpose(1, 2)), [(X, Y)], tmp_path)
    assert sizes[0] == 128
    assert set(sizes[1:]) == {32, 16}, "pairs are of half of them"


class Noisy(Convolution):
    def forward(self, x):
        return F.dropout(super().forward(x))  # in evaluation mode, too


def test_a_model_that_draws_random_numbers_is_not_tried(tmp_path):
    assert "mixing" not in loop_of(Noisy(lambda x: x.transpose(1, 2)), batches("loader"), tmp_path)


class Pairs(nn.Module):
    """Compares each example with each other one, as contrastive learning does."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(60, 8)

    def forward(self, x):
        encoded = F.normalize(self.encoder(x.flatten(1)), dim=1)
        return encoded @ encoded.T


def test_pairs_of_examples_are_meant(tmp_path):
    pairs = [(X[i : i + 16], torch.arange(16)) for i in range(0, 128, 16)]
    assert "mixing" not in loop_of(Pairs(), pairs, tmp_path)


def test_a_normalisation_by_the_batch_is_meant(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(60, track_running_stats=False), nn.Linear(60, 2))
    assert "mixing" not in loop_of(model, batches("loader"), tmp_path)


class Listed(nn.Module):
    """Keeps its normalisation in a plain list, where neither the optimizer nor `eval` finds it."""

    def __init__(self):
        super().__init__()
        self.layers, self.head = [nn.Linear(60, 16), nn.BatchNorm1d(16), nn.ReLU()], nn.Linear(16, 2)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def test_layers_that_evaluation_mode_does_not_reach_are_not_tried(tmp_path):
    assert "mixing" not in loop_of(Listed(), batches("loader"), tmp_path)
