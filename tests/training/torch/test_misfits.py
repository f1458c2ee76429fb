"""Real trainings in which a loss that the program writes does not fit its labels, or a hidden layer has softmax; and twins."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from scram_plugin.training.torch.misfits import several_classes, takes_probabilities
from tests.sizes import few
from tests.training.torch.models import IMAGES, LABELS, seed
from tests.training.torch.test_watch import facts, reviewed, train, watch

X, ODD = IMAGES[:640].flatten(1), (LABELS[:640] % 2).float()
Y = LABELS[:640]
SEEDS = few((0, 1), lambda seed: seed == 0)


def batches(y):
    return DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True)


def net(units=1, hidden=None, number=0):
    seed(number)
    return nn.Sequential(nn.Linear(64, 32), hidden or nn.ReLU(), nn.Linear(32, units))


def first(path):
    found = [(f.heuristic, f.causes[0].id, f.severity) for f in reviewed(path).alone if f.severity != "info"]
    return found[0] if found else None


def hinge(o, y):
    return torch.clamp(1 - y * o.squeeze(1), min=0).mean()


def hinge_by_relu(o, y):
    return F.relu(1 - o.squeeze(1) * y).mean()


def percentage(o, y):
    return (100 * torch.abs((y - o.squeeze(1)) / (y + 1e-7))).mean()


def percentage_of_sizes(o, y):
    return (torch.abs(y - o.squeeze(1)) / torch.abs(y).clamp(min=1e-8)).mean()


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize(
    ("loss", "cause"),
    [(hinge, "hinge"), (hinge_by_relu, "hinge"), (percentage, "percentage"), (percentage_of_sizes, "percentage")],
)
def test_a_loss_of_the_program_that_does_not_fit_zeros(loss, cause, number, tmp_path):
    train(tmp_path, net(number=number), loss, batches(ODD), epochs=2)
    assert first(tmp_path) == ("label-range", cause, "error")


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (hinge, 2 * ODD - 1),
        (hinge_by_relu, 2 * ODD - 1),
        (percentage, 20 + ODD),
        (percentage_of_sizes, 20 + ODD),
        (lambda o, y: F.relu(o.squeeze(1) - y).mean(), ODD),
        (lambda o, y: F.binary_cross_entropy_with_logits(o.squeeze(1), y), ODD),
        (lambda o, y: (F.relu(1 - o.squeeze(1)) * y + F.relu(1 + o.squeeze(1)) * (1 - y)).mean(), ODD),
    ],
)
def test_one_that_fits(loss, y, number, tmp_path):
    train(tmp_path, net(number=number), loss, batches(y), epochs=2)
    assert facts(tmp_path)["loop"]["hinge"] is False
    assert facts(tmp_path)["loop"]["divided"] == 0
    assert "label-range" not in {f.heuristic for f in reviewed(tmp_path).findings}


@pytest.mark.parametrize("number", SEEDS)
def test_one_class_left_is_an_error_once_the_loss_says_perfect(number, tmp_path):
    train(tmp_path, net(10, number=number), F.cross_entropy, batches(0 * Y), epochs=8, rate=1e-2)
    assert first(tmp_path) == ("label-range", "one-value", "error")


class Shared(nn.Module):
    """One activation, called after each layer."""

    def __init__(self, act):
        super().__init__()
        self.a, self.b, self.c, self.act = nn.Linear(64, 48), nn.Linear(48, 48), nn.Linear(48, 10), act

    def forward(self, x):
        return self.c(self.act(self.b(self.act(self.a(x)))))


class Everywhere(Shared):
    """The activation is called after the last layer, too."""

    def forward(self, x):
        return self.act(super().forward(x))


@pytest.mark.parametrize(("kind", "told"), [(Everywhere, True), (Shared, False)])
def test_one_activation_after_each_layer_and_after_the_last_one(kind, told, tmp_path):
    torch.manual_seed(0)
    target = torch.randn(32, 10)
    train(tmp_path, kind(nn.ReLU()), lambda o, y: F.mse_loss(o, target[: len(y)]), batches(Y), epochs=3)
    assert (first(tmp_path) == ("output-activation-mismatch", "range", "error")) == told


class ByFunction(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.a, self.b, self.function = nn.Linear(64, 48), nn.Linear(48, 10), function

    def forward(self, x):
        return self.b(self.function(self.a(x)))


HIDDEN = {
    "a module": (lambda: net(10, nn.Softmax(dim=1)), "softmax"),
    "a module for all layers": (lambda: Shared(nn.Softmax(dim=-1)), "softmax"),
    "a function": (lambda: ByFunction(lambda h: F.softmax(h, dim=1)), "softmax"),
    "an exponential": (lambda: ByFunction(torch.exp), "exponential"),
}


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("name", HIDDEN)
def test_softmax_or_an_exponential_in_a_hidden_layer(name, number, tmp_path):
    made, cause = HIDDEN[name]
    seed(number)
    train(tmp_path, made(), F.cross_entropy, batches(Y), epochs=4)
    assert first(tmp_path)[:2] == ("hidden-activation", cause)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 10))

    def forward(self, x):
        x = x.view(-1, 8, 8)
        return self.out((torch.softmax(self.query(x) @ self.key(x).transpose(1, 2), -1) @ self.value(x)).mean(1))


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(64, 4), nn.Softmax(dim=1))
        self.experts = nn.ModuleList(nn.Linear(64, 10) for _ in range(4))

    def forward(self, x):
        return sum(share.unsqueeze(1) * expert(x) for share, expert in zip(self.gate(x).T, self.experts, strict=True))


class Topics(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8), nn.Softmax(dim=1))
        self.decoder = nn.Linear(8, 10)

    def forward(self, x):
        return self.decoder(self.encoder(x))


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("made", [Attention, Mixture, Topics, lambda: Shared(nn.ReLU()), lambda: net(10)])
def test_softmax_that_is_meant_is_not(made, number, tmp_path):
    seed(number)
    train(tmp_path, made(), F.cross_entropy, batches(Y), epochs=8, rate=1e-2)
    assert "hidden-activation" not in {f.heuristic for f in reviewed(tmp_path).findings}


def ascended(path, sign, number):
    """A training that maximises the loss, or what is to be large."""
    model = net(10, number=number)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, maximize=True)
    with watch(model, optimizer, path):
        for _ in range(3):
            for x, y in batches(Y):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y) if sign > 0 else F.log_softmax(model(x), 1)[range(len(y)), y].mean()
                loss.backward()
                optimizer.step()


@pytest.mark.parametrize("number", SEEDS)
def test_an_optimizer_that_maximises_the_loss(number, tmp_path):
    ascended(tmp_path / "loss", 1, number)
    assert first(tmp_path / "loss") == ("unconventional-learning-rate", "maximised", "error")
    ascended(tmp_path / "likelihood", -1, number)
    assert "unconventional-learning-rate" not in {f.heuristic for f in reviewed(tmp_path / "likelihood").findings}


SCORES = torch.randn(16, 4, requires_grad=True)
SOFT, CLASSES = torch.randn(16, 4).softmax(1), torch.arange(16) % 4


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda: F.kl_div(SCORES.softmax(1), SOFT, reduction="batchmean"), "kl_div"),
        (lambda: 4 * F.kl_div((SCORES / 2).softmax(1), SOFT, reduction="sum") + SCORES.square().mean(), "kl_div"),
        (lambda: F.kl_div(SCORES.log_softmax(1), SOFT, reduction="batchmean"), ""),
        (lambda: F.nll_loss(SCORES.softmax(1), CLASSES), "NLLLoss"),
        (lambda: F.nll_loss(SCORES.softmax(1).view(-1, 4), CLASSES), "NLLLoss"),
        (lambda: F.nll_loss(SCORES.softmax(1).log(), CLASSES), ""),
        (lambda: F.cross_entropy(SCORES, CLASSES), ""),
        (lambda: F.cross_entropy(SCORES, SOFT), ""),
        (lambda: F.mse_loss(SCORES.softmax(1), SOFT), ""),
        (lambda: (0.5 - SOFT * SCORES.sigmoid()).sum(), ""),
    ],
)
def test_losses_that_take_probabilities_for_logarithms(loss, name):
    assert takes_probabilities(loss()) == name


@pytest.mark.parametrize(
    ("target", "share"),
    [
        (F.one_hot(CLASSES, 4).float(), 0.0),
        (torch.ones(16, 4), 1.0),
        (torch.zeros(16, 4), 0.0),  # padding has no class
        (SOFT, 0.0),
    ],
)
def test_targets_with_several_classes(target, share):
    assert several_classes(F.cross_entropy(SCORES, target)) == share


def test_a_cross_entropy_of_several_labels_is_told(tmp_path):
    several = (torch.rand(len(X), 3) < 0.4).float()
    train(tmp_path, net(3), F.cross_entropy, batches(several), epochs=2)
    assert first(tmp_path) == ("label-range", "several", "error")


def test_probabilities_for_a_loss_of_logarithms_are_told(tmp_path):
    loader = batches(F.one_hot(Y % 3, 3).float() * 0.9 + 0.1 / 3)
    train(tmp_path, net(3), lambda o, y: F.kl_div(F.softmax(o, 1), y, reduction="batchmean"), loader, epochs=2)
    assert first(tmp_path) == ("output-activation-mismatch", "no-logarithm", "error")
