"""What is told as the reason of an infinity in real trainings: what lies before it, was there in time, and is large enough."""

import pytest
import torch
from torch import nn

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.training.torch.models import IMAGES, LABELS, seed

X, DIGITS = IMAGES.flatten(1)[:640], LABELS[:640]
ODD = (DIGITS % 2).float()[:, None]
BORN = ("nonfinite-loss", "nonfinite-origin")


@pytest.fixture(autouse=True)
def seeded():
    seed(1)


class Exponential(nn.Module):
    def forward(self, x):
        return torch.exp(300 * x)


def hidden(count):
    return [module for _ in range(count) for module in (nn.Linear(32, 32), nn.ReLU())]


def drawn(model, scale, count):
    """The model with weights of the first layers drawn at this scale."""
    for layer in [module for module in model if isinstance(module, nn.Linear)][:count]:
        nn.init.normal_(layer.weight, 0, scale)
    return model


def findings(path, model, x, y, loss, optimizer=None):
    optimizer = optimizer or torch.optim.Adam(model.parameters())
    with scram_plugin.watch(model, optimizer, log_dir=path, print_findings=False):
        for at in range(0, len(x), 32):
            optimizer.zero_grad()
            loss(model(x[at : at + 32]), y[at : at + 32]).backward()
            optimizer.step()
    return reviewed(path)


def reviewed(path):
    """heuristic -> finding, and the foremost finding."""
    (run,) = training_runs(scram_plugin.read(path))
    result = review(run, catalogue()).findings
    print([(f.severity, f.heuristic, f.explained_by, f.title) for f in result])
    return {f.heuristic: f for f in reversed(result)}, result[0]


@pytest.mark.parametrize(("scale", "count"), [(1e38, 1), (1e5, 10), (3e38, 1)])
def test_initial_weights_and_a_sigmoid_ten_layers_behind(scale, count, tmp_path):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), *hidden(9), nn.Linear(32, 1), nn.Sigmoid())
    found, foremost = findings(tmp_path, drawn(model, scale, count), X, ODD, nn.BCEWithLogitsLoss())
    assert foremost.heuristic == "poor-initialization"
    assert found["nonfinite-loss"].explained_by == "poor-initialization"
    assert found["nonfinite-loss"].causes[0].id == found["nonfinite-origin"].causes[0].id == "weights"
    outputs = found["output-activation-mismatch"]
    assert (outputs.severity, outputs.explained_by) == ("warning", None), "it stands by itself"


def test_an_exponential_in_the_middle_is_named_as_the_place(tmp_path):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), Exponential(), nn.Linear(32, 10), nn.Softmax(1))
    found, foremost = findings(tmp_path, model, X, DIGITS, nn.CrossEntropyLoss())
    assert foremost.heuristic in BORN
    assert found["nonfinite-origin"].where == ("3",)
    assert found["nonfinite-origin"].causes[0].id == "activation"
    assert found["output-activation-mismatch"].explained_by is None
    assert not [f for f in found.values() if f.explained_by == "output-activation-mismatch"]


def test_a_rate_of_1e10_beside_targets_that_are_class_numbers(tmp_path):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer, loss, y = torch.optim.SGD(model.parameters(), lr=1e10), nn.MSELoss(), DIGITS.float()[:, None]
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for at in range(0, len(X), 32):
            optimizer.zero_grad()
            loss(model(X[at : at + 32]), y[at : at + 32]).backward()
            optimizer.step()
    found, foremost = reviewed(tmp_path)
    assert (foremost.heuristic, foremost.causes[0].id) == ("nonfinite-loss", "learning-rate")
    assert "lr=0.01" in foremost.fixes[0].edit.after
    assert found["nonfinite-origin"].first_step > 0


def test_the_logarithm_of_0_in_the_loss(tmp_path):
    def own(given, truth):
        return -(truth * torch.log(given) + (1 - truth) * torch.log(1 - given)).mean()

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    found, foremost = findings(tmp_path, model, X * 2000, ODD, own)
    assert (foremost.heuristic, foremost.causes[0].id) == ("nonfinite-loss", "custom-loss")
    assert found["nonfinite-origin"].where == ("loss",)


def test_raw_pixels_and_a_saturated_tanh(tmp_path):
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 10))
    x, y = X.repeat(8, 1), DIGITS.repeat(8)
    found, foremost = findings(tmp_path, model, x * 4000, y, nn.CrossEntropyLoss())
    assert foremost.heuristic == "unnormalized-inputs"
    assert found["saturated-activations"].explained_by == "unnormalized-inputs"
    assert not set(BORN) & set(found)
