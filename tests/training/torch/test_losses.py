"""What the graph tells of a loss: whether it compares the outputs of the model, and whether it is a mean and nothing beside."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.training.torch.models import IMAGES, LABELS, needs_shapes
from tests.training.torch.test_watch import dense, facts, reviewed, train


def chosen(o, y):
    """As Q-learning takes the value of one action."""
    return F.smooth_l1_loss(o.gather(1, y.unsqueeze(1)).squeeze(1), y.float())


def likeness(o, y):
    """As contrastive learning compares examples with one another."""
    half = len(o) // 2
    z = F.normalize(o, dim=1)
    return F.cross_entropy(z[:half] @ z[half:].t() / 0.1, torch.arange(half))


@pytest.mark.parametrize(
    ("loss", "known"),
    [
        (F.cross_entropy, True),
        (lambda o, y: F.cross_entropy(o / 2.0, y), True),
        (lambda o, y: F.cross_entropy(o[y > 3], y[y > 3]), True),
        (lambda o, y: F.cross_entropy(o.view(-1, 5, 2).transpose(1, 2).reshape(-1, 10), y), True),
        (chosen, False),
        (lambda o, y: F.mse_loss(o[torch.arange(len(y)), y], y.float()), False),
        (likeness, False),
        (lambda o, y: F.cross_entropy(torch.softmax(o, 1) @ torch.eye(10), y), False),
    ],
)
def test_a_loss_of_what_is_computed_of_outputs_is_not_judged_by_them(loss, known, tmp_path):
    train(tmp_path, dense(), loss)
    assert (facts(tmp_path)["loss"]["class"] is not None) == known
    assert not [f for f in reviewed(tmp_path).alone if f.severity == "error"]


@pytest.mark.parametrize(
    ("loss", "mean"),
    [
        (lambda o, y, m: F.cross_entropy(o, y), True),
        (lambda o, y, m: F.cross_entropy(o, y) / 4, True),
        pytest.param(lambda o, y, m: F.cross_entropy(o, y, reduction="none").mean(), True, marks=needs_shapes),
        (lambda o, y, m: F.cross_entropy(o, y, reduction="sum"), False),
        (lambda o, y, m: F.cross_entropy(o, y, reduction="sum") / len(y), False),
        (lambda o, y, m: F.cross_entropy(o, y) + 0.1 * m[1].weight.square().sum(), False),
        (lambda o, y, m: (F.cross_entropy(o, y, reduction="none") * y).mean(), False),
    ],
)
def test_a_loss_that_is_a_mean_and_nothing_beside_is_known_as_that(loss, mean, tmp_path):
    model = dense()
    train(tmp_path, model, lambda o, y: loss(o, y, model))
    assert facts(tmp_path)["loss"]["mean"] == mean


def test_the_first_loss_of_a_sum_is_not_that_of_guessing(tmp_path):
    """As a variational autoencoder sums over pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64))
    pixels = (IMAGES.flatten(1) - IMAGES.min()) / (IMAGES.max() - IMAGES.min())
    data = [(pixels[i : i + 32].view(-1, 8, 8), pixels[i : i + 32]) for i in range(0, 320, 32)]
    train(tmp_path, model, lambda o, y: F.binary_cross_entropy_with_logits(o, y, reduction="sum") / len(y), data)
    review = reviewed(tmp_path)
    assert "initial-loss" in [entry.heuristic for entry in review.not_checked]


def test_a_step_that_calls_the_model_several_times_is_not_judged_by_the_last_call(tmp_path):
    """As a net that is fitted to an equation, at its edges and within; here all data are one batch, too."""
    inside, edge = IMAGES[:64], IMAGES[:64] * 0
    model = dense()
    train(tmp_path, model, lambda o, y: (o - model(edge).detach()).square().mean(), [(inside, None)] * 30)
    assert facts(tmp_path)["model"]["calls"] == 2
    review = reviewed(tmp_path)
    assert [f.heuristic for f in review.alone if f.severity != "info"] == []


def test_all_data_in_one_batch_are_no_batch_given_again_and_again(tmp_path):
    train(tmp_path, dense(), data=[(IMAGES[:300], LABELS[:300])] * 60)
    assert [f.heuristic for f in reviewed(tmp_path).alone if f.severity != "info"] == []
