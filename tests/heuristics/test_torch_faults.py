"""Real trainings with PyTorch that have a fault, and their healthy twins."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from tests.heuristics.trainings import IMAGES, LABELS, found_as, is_sound, review_of

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
    """The review of a training of 4 epochs; validation on the last fifth."""
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
    return review_of(path)


def failed(path, model):
    with pytest.raises(RuntimeError):
        fit(path, model, y=EVEN, loss=F.binary_cross_entropy)
    return review_of(path)


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


# name -> (heuristic, cause, training with the fault, healthy twin)
FAULTS = {
    "gradients kept": ("kept-gradients", "forgotten", lambda p: fit(p, digits(), clear=False), lambda p: fit(p, digits())),
    "targets stretched": (
        "label-range",
        "broadcast",
        lambda p: fit(p, regression(), VALUES, TARGETS, F.mse_loss),
        lambda p: fit(p, regression(), VALUES, TARGETS.unsqueeze(1), F.mse_loss),
    ),
    "probabilities without logarithms": (
        "output-activation-mismatch",
        "no-logarithm",
        lambda p: fit(p, digits(nn.Softmax(dim=1)), loss=F.nll_loss),
        lambda p: fit(p, digits(nn.LogSoftmax(dim=1)), loss=F.nll_loss),
    ),
    "outputs as they are into NLLLoss": (
        "output-activation-mismatch",
        "missing-softmax",
        lambda p: fit(p, digits(), loss=F.nll_loss),
        lambda p: fit(p, digits(), loss=lambda o, t: F.nll_loss(F.log_softmax(o, dim=1), t)),
    ),
    "a program that fails in its loss": (
        "output-activation-mismatch",
        "missing-sigmoid",
        lambda p: failed(p, digits(classes=1)),
        lambda p: fit(p, digits(nn.Sigmoid(), classes=1), y=EVEN, loss=F.binary_cross_entropy),
    ),
    "a rate with which it falls to guessing": (
        "unconventional-learning-rate",
        "too-high",
        lambda p: fit(p, digits(), 16 * X, rate=0.3, epochs=12, every=50),
        lambda p: fit(p, digits(), epochs=12, every=50),
    ),
    "softmax twice": (
        "output-activation-mismatch",
        "twice",
        lambda p: fit(p, digits(nn.Softmax(dim=1))),
        lambda p: fit(p, digits()),
    ),
    "large weights": (
        "poor-initialization",
        "large",
        lambda p: fit(p, set_weights(digits(), lambda w: nn.init.normal_(w, std=4.0))),
        lambda p: fit(p, set_weights(digits(), lambda w: nn.init.kaiming_normal_(w))),
    ),
    "no activations": (
        "missing-activation",
        "forgotten",
        lambda p: fit(p, Functional(lambda x: x)),
        lambda p: fit(p, Functional(F.gelu)),
    ),
    "the last layer frozen": ("frozen-weights", "trainable", lambda p: fit(p, frozen()), lambda p: fit(p, digits())),
    "a strong weight decay": (
        "strong-regularization",
        "factor",
        lambda p: with_decay(p, 2.0),
        lambda p: with_decay(p, 1e-4),
    ),
    "sorted data": (
        "unshuffled-data",
        "off",
        lambda p: fit(p, digits(), X[torch.argsort(Y)], Y[torch.argsort(Y)], shuffle=False, epochs=1),
        lambda p: fit(p, digits(), shuffle=False, epochs=1),
    ),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("case", FAULTS)
def test_the_fault_is_found(case, tmp_path):
    one = found_as(FAULTS[case], tmp_path)
    assert one["causes"][0]["for"]
    assert one["fixes"][0]["framework"] == "torch"


@pytest.mark.parametrize("case", FAULTS)
def test_its_healthy_twin_is_not(case, tmp_path):
    is_sound(FAULTS[case], tmp_path)


def test_the_first_steps_of_rmsprop_are_long(tmp_path):
    model = digits()
    result = fit(tmp_path, model, optimizer=torch.optim.RMSprop(model.parameters(), 0.008), epochs=1, every=50)
    assert [f["heuristic"] for f in result.findings] == []


def test_a_low_rate_is_right_for_what_has_been_trained_before(tmp_path):
    model = digits(hidden=64)
    fit(tmp_path / "first", model, epochs=10, rate=3e-3)
    review = fit(tmp_path / "then", model, rate=1e-6)
    assert review.alone == []
    assert "fine-tuning" in {e["heuristic"]: e["reason"] for e in review.inconclusive}["unconventional-learning-rate"]
