"""Facts of a model that are read from the first step, however the program is written."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

X = torch.randn(64, 6, 8, generator=torch.Generator().manual_seed(0))


def facts_of(model, loss, tmp_path, x=X):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, betas=(0.8, 0.99))
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(3):
            optimizer.zero_grad()
            loss(model(x)).backward()
            optimizer.step()
    return watch.facts


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.last(F.gelu(self.hidden(x))).softmax(dim=-1)


def test_functions_after_layers_with_several_positions(tmp_path):
    tags = torch.randint(0, 5, (64 * 6,))
    found = facts_of(Tagger(), lambda made: F.cross_entropy(made.flatten(0, 1), tags), tmp_path)
    assert {layer["name"]: layer["activation"] for layer in found["model"]["layers"]} == {"hidden": "gelu", "last": "softmax"}


class Masked(nn.Module):
    """Computes its loss itself, over a part of the outputs."""

    def __init__(self, twice):
        super().__init__()
        self.last, self.twice = nn.Linear(8, 5), twice

    def forward(self, x):
        made = self.last(x)
        return made.softmax(dim=-1) if self.twice else made


def test_a_softmax_twice_in_a_loss_of_the_programs_own(tmp_path):
    tags = torch.randint(0, 5, (64,))
    for twice in (False, True):

        def loss(made):
            each = F.cross_entropy(made[:, 0], tags, reduction="none")
            return (each * (tags > 0)).sum() / 50 + made.square().mean() / 100

        facts_of(Masked(twice), loss, tmp_path / str(twice))
        (run,) = scram_plugin.review(str(tmp_path / str(twice)), cache=False)
        found = [f for f in run.alone if f.heuristic == "output-activation-mismatch"]
        assert [f.causes[0].id for f in found] == ["twice"] * twice
        assert all(f.summary and f.causes[0].for_ for f in found)


def test_labels_that_the_loss_ignores(tmp_path):
    tags = torch.randint(-1, 5, (64,))
    found = facts_of(nn.Linear(8, 5), lambda made: F.cross_entropy(made, tags, ignore_index=-1), tmp_path, X[:, 0])
    assert found["loss"]["ignored"] == -1
    (run,) = scram_plugin.review(str(tmp_path), cache=False)
    assert "label-range" in run.passed


def test_how_often_each_word_is_a_target(tmp_path):
    tags = torch.arange(64 * 6) % 4
    tags[:32] = -100
    usual = facts_of(Tagger(), lambda made: F.cross_entropy(made.flatten(0, 1), tags), tmp_path / "usual")
    assert usual["loss"]["counts"] == [88, 88, 88, 88]
    weights = torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0])
    weighted = facts_of(Tagger(), lambda made: F.cross_entropy(made.flatten(0, 1), tags, weights), tmp_path / "weighted")
    assert "counts" not in weighted["loss"]


def test_the_target_has_its_own_shape_where_it_is_broadcast(tmp_path):
    found = facts_of(nn.Linear(8, 1), lambda made: F.mse_loss(made, torch.zeros(64)), tmp_path, X[:, 0])
    assert found["loss"]["shapes"] == {"output": [64, 1], "compared": [64, 64], "target": [64]}
    (run,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [(f.heuristic, f.causes[0].id) for f in run.alone if f.severity == "error"] == [("label-range", "broadcast")]


def test_an_autoencoder_that_returns_its_code_too(tmp_path):
    """Its loader has labels, which no loss reads, and its first output is not the one that is compared."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(8, 1), nn.Linear(1, 8)

        def forward(self, x):
            code = self.encoder(x)
            return code, self.decoder(code)

    torch.manual_seed(0)
    model, loader = Both(), DataLoader(TensorDataset(X[:, 0], torch.arange(64) % 4), batch_size=8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for x, _ in loader:
            optimizer.zero_grad()
            F.mse_loss(model(x)[1], x).backward()
            optimizer.step()
    (run,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f for f in run.alone if f.severity == "error"] == []


def test_betas_have_the_names_that_keras_gives_them(tmp_path):
    found = facts_of(nn.Linear(8, 1), lambda made: made.square().mean(), tmp_path)
    assert (found["optimizer"]["settings"]["beta_1"], found["optimizer"]["settings"]["beta_2"]) == (0.8, 0.99)


class Conv1D(nn.Module):
    """A linear layer whose weight has the inputs first, as in GPT-2."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.02 * torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


def test_a_linear_layer_with_its_inputs_first(tmp_path):
    model = nn.Sequential(Conv1D(8, 12), nn.ReLU(), nn.Linear(12, 1))
    found = facts_of(model, lambda made: made.square().mean(), tmp_path, X[:, 0])
    assert [layer.get("kernel") for layer in found["model"]["layers"] if layer.get("kernel")] == [[8, 12], [12, 1]]


def test_a_normalisation_and_then_a_function(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.norm, self.two = nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)

        def forward(self, x):
            return self.two(F.relu(self.norm(self.one(x))))

    facts_of(Net(), lambda made: F.cross_entropy(made, torch.randint(0, 3, (64,))), tmp_path, X[:, 0])
    (run,) = scram_plugin.review(str(tmp_path), cache=False)
    assert "missing-activation" in run.passed


class OneDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head, self.drop = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3), nn.Dropout(0.1)

    def forward(self, x):
        return self.head(self.drop(self.second(self.drop(self.first(x)))))


def test_one_dropout_after_several_layers(tmp_path):
    facts = facts_of(OneDropout(), lambda y: y.square().mean(), tmp_path)
    sources = {layer["path"]: layer["from"] for layer in facts["model"]["layers"]}
    assert sources == {"first": [], "drop": ["first"], "second": ["drop"], "drop#2": ["second"], "head": ["drop#2"]}


@pytest.mark.parametrize("act", [nn.Identity, nn.ReLU])
def test_an_activation_that_was_replaced_by_an_identity(act, tmp_path):
    """It is used in several places, and joins none of them with another."""
    facts = facts_of(OneActivation(act()), lambda y: y.square().mean(), tmp_path)
    sources = {layer["path"]: layer["from"] for layer in facts["model"]["layers"]}
    assert (sources["second"] == ["first"] and "act" not in sources) == (act is nn.Identity)


class OneActivation(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.first, self.second, self.head, self.act = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3), act

    def forward(self, x):
        return self.head(self.act(self.second(self.act(self.first(x)))))
