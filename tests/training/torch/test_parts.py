"""Models whose methods or parts are called instead of them, and several optimizers in one loop."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(640, 10, generator=GENERATOR)
Y = X[:, :3].argmax(dim=1)


class ByMethods(nn.Module):
    def __init__(self, extra=False):
        super().__init__()
        self.encoder, self.heads = nn.Sequential(nn.Linear(10, 32), nn.ReLU()), nn.ModuleList([nn.Linear(32, 3)])
        self.extra = [nn.Linear(3, 3)] if extra else []

    def logits(self, x):
        x = self.heads[0](self.encoder(x))
        return self.extra[0](x) if self.extra else x

    def loss(self, x, y):
        return F.cross_entropy(self.logits(x), y)


class WithoutParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(10, 3))

    def loss(self, x, y):
        return F.cross_entropy(x @ self.weight, y)


def trained(model, log_dir, epochs=2):
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, every=5, print_findings=False) as watch:
        for _ in range(epochs):
            for i in range(0, 640, 32):
                optimizer.zero_grad()
                model.loss(X[i : i + 32], Y[i : i + 32]).backward()
                optimizer.step()
    return watch


@pytest.mark.parametrize(("kind", "layers"), [(ByMethods, ["encoder.0", "heads.0"]), (WithoutParts, [])])
def test_a_model_that_is_never_called_is_recorded(kind, layers, tmp_path):
    torch.manual_seed(0)
    watch = trained(kind(), tmp_path)
    assert [layer["path"] for layer in watch.facts["model"]["layers"]] == layers
    losses = scram_plugin.read(str(tmp_path))["scram"]["scram/batches/loss"]
    assert len(losses) == 40
    assert losses.values[-1] < losses.values[0]


def test_what_a_method_uses_and_no_optimizer_has(tmp_path):
    watch = trained(ByMethods(extra=True), tmp_path)
    assert watch.facts["optimizer"]["untrained"]["unregistered"] == 2


def test_methods_change_no_bit(tmp_path):
    torch.manual_seed(0)
    watched = ByMethods()
    torch.manual_seed(0)
    alone = ByMethods()
    trained(watched, tmp_path)
    optimizer = torch.optim.Adam(alone.parameters(), 1e-2)
    for _ in range(2):
        for i in range(0, 640, 32):
            optimizer.zero_grad()
            alone.loss(X[i : i + 32], Y[i : i + 32]).backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), alone.parameters(), strict=True))


def test_a_model_whose_parts_have_hooks_is_saved_and_copied(tmp_path):
    torch.manual_seed(0)
    model = ByMethods()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path / "logs", print_findings=False) as watch:
        for i in range(0, 640, 32):
            optimizer.zero_grad()
            model.loss(X[i : i + 32], Y[i : i + 32]).backward()
            optimizer.step()
            torch.save(model, tmp_path / "model.pt")
            copied = copy.deepcopy(model)
            assert torch.equal(copied.logits(X), model.logits(X))
    assert not watch.broken
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    for kept in (model, copied, loaded):
        assert all(not m._forward_hooks and not m._forward_pre_hooks for m in kept.modules())
    assert b"scram" not in (tmp_path / "model.pt").read_bytes().replace(b"tests.training.torch.test_parts", b"")


def adversarial(log_dir, detached=False, cleared=True):
    """The facts of a generator and a discriminator that are trained in turn, each by its own optimizer."""
    torch.manual_seed(0)
    both = nn.ModuleDict({"generator": nn.Linear(4, 10), "discriminator": nn.Linear(10, 1)})
    generator, discriminator = both["generator"], both["discriminator"]
    ours, theirs = torch.optim.SGD(generator.parameters(), 0.01), torch.optim.SGD(discriminator.parameters(), 0.01)
    with scram_plugin.watch(both, [ours, theirs], log_dir=log_dir, every=5, print_findings=False) as watch:
        for i in range(60):
            fake, real = generator(torch.randn(16, 4)), X[16 * i % 640 :][:16]
            if cleared:
                theirs.zero_grad()
            (F.softplus(-discriminator(real)) + F.softplus(discriminator(fake.detach()))).mean().backward()
            theirs.step()
            ours.zero_grad()
            F.softplus(-discriminator(fake.detach() if detached else fake)).mean().backward()
            ours.step()
    return watch.facts, scram_plugin.read(str(log_dir))["scram"]


def test_two_optimizers_in_turn(tmp_path):
    facts, log = adversarial(tmp_path)
    assert facts["loop"]["idle"] == []
    assert facts["optimizer"]["untrained"]["cut"] == 0
    assert not log["scram/statistics/gradient/kept"].values.any()


def test_an_optimizer_whose_parameters_have_no_gradient(tmp_path):
    facts, _ = adversarial(tmp_path, detached=True)
    assert facts["loop"]["idle"] == ["generator.weight", "generator.bias"]


def test_one_of_two_optimizers_is_never_cleared(tmp_path):
    _, log = adversarial(tmp_path, cleared=False)
    kept = log["scram/statistics/gradient/kept"].values
    assert kept[1:].all()


def test_a_loss_that_never_reaches_the_model(tmp_path):
    """The error is made anew as a leaf: its backward pass ends there."""
    model = torch.nn.Linear(10, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for i in range(60):
            optimizer.zero_grad()
            error = torch.tensor((model(X[16 * i % 640 :][:16]) - 1).tolist(), requires_grad=True)
            error.square().mean().backward()
            optimizer.step()
    assert watch.facts["loop"]["idle"] == ["weight", "bias"]
    (found,) = [f for f in scram_plugin.review(tmp_path)[0].alone if f.severity == "error"]
    assert (found.heuristic, found.causes[0].id) == ("untrained-parameters", "cut-off")
