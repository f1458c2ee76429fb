"""Losses that a program writes itself, shapes that give all pairs, and targets that an activation cannot reach."""

import contextlib

import pytest
import torch
import torch.nn.functional as F

from scram_plugin.training.torch.differences import class_numbers, exceeded, raw, repeated, shapes, written
from scram_plugin.training.torch.graph import loss_of

WEIGHT = torch.randn(5, 1, requires_grad=True)
SHAPES = hasattr((WEIGHT * 1).grad_fn, "_input_metadata")  # PyTorch 2.1 does not tell shapes
X, Y = torch.randn(8, 5), torch.randn(8)


def predicted():
    return X @ WEIGHT


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda p, y: ((p - y) ** 2).mean(), "MSELoss"),
        (lambda p, y: (y - p).pow(2).mean(), "MSELoss"),
        (lambda p, y: (p - y).abs().mean(), "L1Loss"),
        (lambda p, y: ((p - y) * (p - y)).mean(), None),  # two nodes: not known to be the same difference
    ],
)
def test_a_mean_of_differences_is_known_as_a_loss(loss, name):
    outputs = predicted()
    found = written(loss(outputs, Y.unsqueeze(1)), outputs)
    assert [known.name for known in found] == ([name] if name else [])
    if name:
        assert torch.allclose(found[0].target, Y.unsqueeze(1), atol=1e-6)
        assert torch.equal(found[0].prediction, outputs)


def test_other_losses_are_none():
    outputs = predicted()
    assert written(outputs.mean(), outputs) == []
    assert written(((outputs - outputs.roll(1, 0)) ** 2).mean(), outputs) == []  # both depend on parameters
    assert written((outputs**2).mean(), outputs) == []


@pytest.mark.parametrize("of", ["written", "function"])
@pytest.mark.parametrize(("make", "pairs"), [(lambda p: p, True), (lambda p: p.squeeze(1), False)])
def test_predictions_that_meet_the_targets_of_all_examples(of, make, pairs):
    outputs = make(predicted())
    if of == "written":
        losses = written(((outputs - Y) ** 2).mean(), outputs)
    else:
        with pytest.warns(UserWarning, match="target size") if pairs else contextlib.nullcontext():
            losses = loss_of(F.mse_loss(outputs, Y))
    assert shapes(losses) == ({"output": [8, 1], "compared": [8, 8]} if pairs and SHAPES else {})


def test_maps_that_meet_the_maps_of_all_examples():
    maps = torch.randn(6, 5, 5, requires_grad=True) * 1.0
    pairs = {"output": [6, 5, 5], "compared": [6, 6, 5, 5]} if SHAPES else {}
    assert repeated((maps - torch.randn(6, 1, 5, 5)).square().mean(), maps) == pairs
    assert repeated((maps - torch.randn(6, 5, 5)).square().mean(), maps) == {}
    assert repeated((maps.unsqueeze(1) - torch.randn(6, 3, 5, 5)).square().mean(), maps) == {}
    assert repeated((maps[:, None] - maps[None]).square().mean(), maps) == {}  # all pairs are meant


@pytest.mark.parametrize(("activate", "name"), [(torch.sigmoid, "sigmoid"), (torch.relu, "relu"), (lambda p: p, None)])
def test_the_targets_of_predictions_out_of_an_activation(activate, name):
    outputs = activate(predicted())
    for losses in (loss_of(F.mse_loss(outputs, Y.unsqueeze(1))), written(((outputs - Y.unsqueeze(1)) ** 2).mean(), outputs)):
        found = exceeded(losses, outputs)
        assert [entry["activation"] for entry in found] == ([name] if name else [])
        assert all(entry["least"] == pytest.approx(float(Y.min()), abs=1e-5) for entry in found)


@pytest.mark.parametrize(("activate", "name"), [(torch.relu, "relu"), (lambda p: p, None)])
def test_the_values_of_actions_that_were_chosen(activate, name):
    values = activate(torch.randn(8, 4, requires_grad=True) * 1.0)
    chosen = values.gather(1, torch.arange(8).remainder(4).unsqueeze(1))
    losses = loss_of(F.smooth_l1_loss(chosen, Y.unsqueeze(1)))
    assert [entry["activation"] for entry in exceeded(losses, values)] == ([name] if name else [])
    assert exceeded(losses, torch.randn(8, 4)) == [], "of other outputs"


@pytest.mark.parametrize(
    ("activate", "told"),
    [
        (F.silu, True),
        (F.softplus, True),
        (F.elu, True),
        (F.selu, False),
        (F.hardtanh, False),
        (lambda p: F.threshold(p, -1.0, -1.0), False),
    ],
)
def test_an_activation_with_the_range_of_its_name(activate, told):
    outputs = activate(predicted())
    loss = loss_of(F.mse_loss(outputs, Y.unsqueeze(1)))
    assert bool(exceeded(loss, outputs)) == told
    loss[0].of_outputs = False
    assert exceeded(loss, torch.randn(8, 7)) == [], "features of a layer in between"


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (torch.arange(40) % 4, 4),
        (torch.arange(40) % 2, 0),  # shares, too
        (torch.arange(40) % 4 + 1, 0),  # grades from 1 on
        (torch.arange(40) / 4, 0),
        (torch.tensor([0] * 30 + [1] * 6 + [2] * 3 + [3]), 0),  # as counts are distributed
    ],
)
def test_targets_that_are_class_numbers(target, classes):
    outputs = torch.randn(40, 1, requires_grad=True).squeeze(1) * 1.0
    assert class_numbers(loss_of(F.mse_loss(outputs, target.float()))) == classes


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        (lambda p: F.nll_loss(p, torch.zeros(8, dtype=torch.long)), ["NLLLoss"]),
        (lambda p: F.nll_loss(p.log_softmax(dim=1), torch.zeros(8, dtype=torch.long)), []),
        (lambda p: F.nll_loss(p, torch.zeros(8, dtype=torch.long)) + p.square().mean(), ["NLLLoss"]),
        (lambda p: F.binary_cross_entropy(p.clamp(0, 1), torch.zeros(8, 3)), ["BCELoss"]),
        (lambda p: F.binary_cross_entropy(p.sigmoid().clamp(1e-6, 1 - 1e-6), torch.zeros(8, 3)), []),
    ],
)
def test_losses_of_probabilities_that_get_other_numbers(loss, names):
    outputs = F.linear(X, torch.randn(3, 5, requires_grad=True), torch.randn(3))
    assert raw(loss_of(loss(outputs))) == names


def test_differences_in_a_sum():
    outputs = predicted()
    found = written(((outputs - Y.unsqueeze(1)) ** 2).mean() + 0.1 * WEIGHT.square().sum(), outputs)
    assert [known.name for known in found] == ["MSELoss"]
    assert torch.allclose(found[0].target, Y.unsqueeze(1), atol=1e-6)
