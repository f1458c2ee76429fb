"""How far the outputs follow the targets: the correlation of each batch, and what it says of losses of any kind."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

import scram_plugin
from scram_plugin.training.torch.agreement import agreement, fits


@pytest.fixture
def draw():
    return torch.Generator().manual_seed(0)


def correlation(targets, predictions):
    """By NumPy: each column without its mean."""
    t, p = (np.reshape(v, (len(v), -1)) for v in (targets, predictions))
    return np.corrcoef((t - t.mean(0)).ravel(), (p - p.mean(0)).ravel())[0, 1]


@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 4), (6, 5, 4)])
def test_it_is_the_correlation_of_single_numbers(draw, shape):
    targets, predictions = torch.randn(3, *shape, generator=draw), torch.randn(3, *shape, generator=draw)
    found = agreement(targets, predictions)
    expected = [correlation(t.numpy(), p.numpy()) for t, p in zip(targets, predictions, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "outputs"),
    [
        (lambda y: y, lambda p: p),
        (lambda y: y, lambda p: p.reshape(2, 10, 4, 5)),  # a sentence's words, compared in one row
        (lambda y: y.reshape(2, 10, 2, 2), lambda p: p.reshape(2, 10, 2, 2, 5).movedim(-1, 2)),  # pixels
    ],
)
def test_it_is_the_correlation_of_classes(draw, labels, outputs):
    y, p = torch.randint(0, 5, (2, 40), generator=draw), torch.randn(2, 40, 5, generator=draw)
    shown = functional.one_hot(y, 5).numpy()
    centred = (p - p.mean(-1, keepdim=True)).numpy()
    expected = [correlation(t, c) for t, c in zip(shown, centred, strict=True)]
    np.testing.assert_allclose(agreement(labels(y), outputs(p)), expected, atol=1e-5)


def test_a_loss_of_all_pairs_is_measured_like_one_of_each(draw, tmp_path):
    """Targets of shape (batch,) beside outputs of shape (batch, 1); a proof compares it with the repaired program."""
    x = torch.randn(64, 3, generator=draw)
    y = x.sum(1)
    found = []
    for name, wanted in (("pairs", y), ("each", y[:, None])):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path / name, print_findings=False):
            for _ in range(3):
                optimizer.zero_grad()
                functional.mse_loss(model(x), wanted).backward()
                optimizer.step()
        found.append(scram_plugin.read(str(tmp_path / name))["scram"]["scram/batches/y0/agreement"].values)
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert np.isfinite(found[0]).all()


def test_labels_that_are_ignored_do_not_count(draw):
    y, p = torch.randint(0, 5, (1, 40), generator=draw), torch.randn(1, 40, 5, generator=draw)
    masked = y.clone()
    masked[:, 25:] = -100
    np.testing.assert_allclose(agreement(masked, p), agreement(y[:, :25], p[:, :25]), atol=1e-6)


def test_what_does_not_vary_has_no_correlation(draw):
    numbers, ones = torch.rand(1, 20, 1, generator=draw), torch.full((1, 20, 1), 0.9)
    assert math.isnan(agreement(ones, numbers))
    assert math.isnan(agreement(numbers, ones))
    assert math.isnan(agreement(torch.zeros(1, 20, dtype=torch.long), torch.rand(1, 20, 3, generator=draw)))


def test_predictions_that_do_not_fit():
    assert not fits(torch.zeros(8), torch.zeros(8, 3))  # numbers have no classes
    assert not fits(torch.zeros(8, dtype=torch.long), torch.zeros(4, 3))
    assert not fits(torch.zeros(1), torch.zeros(1))  # a single example
    assert not fits(torch.zeros(8, 1), torch.zeros(1, 8))


def focal(outputs, y):
    right = functional.log_softmax(outputs, -1).gather(-1, y[:, None])[:, 0]
    return (-((1 - right.exp()) ** 2) * right).mean()


def smoothed(outputs, y):
    return functional.cross_entropy(outputs, y, label_smoothing=0.1)


def multilabel(outputs, y):
    return functional.binary_cross_entropy_with_logits(outputs, functional.one_hot(y, 4).float())


@pytest.mark.parametrize("cost", [focal, smoothed, multilabel])
@pytest.mark.parametrize("shuffled", [True, False])
def test_labels_of_other_examples_are_found_with_any_loss(tmp_path, cost, shuffled):
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(4096, 8, generator=draw)
    y = (x @ torch.randn(8, 4, generator=draw)).argmax(1)
    if shuffled:
        y = y[torch.randperm(len(y), generator=draw)]
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16, shuffle=True, generator=draw)
    with scram_plugin.watch(model, optimizer, tmp_path, print_findings=False):
        for features, labels in loader:
            optimizer.zero_grad()
            cost(model(features), labels).backward()
            optimizer.step()
    (review,) = scram_plugin.review(str(tmp_path))
    found = [(f.heuristic, f.causes[0].id) for f in review.alone if f.severity != "info"]
    assert found == ([("no-learning", "shuffled-apart")] if shuffled else [])


def test_labels_that_the_loss_does_not_use_are_no_targets(tmp_path):
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(4096, 4, generator=draw) @ torch.randn(4, 16, generator=draw)
    labels = torch.randint(0, 10, (4096,), generator=draw)
    model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Linear(8, 16))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), 16, shuffle=True, generator=draw)
    with scram_plugin.watch(model, optimizer, tmp_path, print_findings=False):
        for features, _ in loader:
            optimizer.zero_grad()
            (model(features) - features).square().sum(1).mean().backward()
            optimizer.step()
    (review,) = scram_plugin.review(str(tmp_path))
    assert "no-learning" not in [f.heuristic for f in review.findings]


def test_as_many_classes_as_the_last_axis_has_places(draw):
    y = torch.randint(0, 6, (1, 5, 6, 6), generator=draw)  # images of 6 by 6 pixels of 6 classes
    perfect = functional.one_hot(y, 6).float().movedim(-1, 2)
    assert agreement(y, perfect).item() == pytest.approx(1.0)


def test_only_a_few_examples_of_large_outputs_are_compared(draw):
    y, p = torch.randint(0, 3, (1, 8, 64, 64), generator=draw), torch.randn(1, 8, 3, 64, 64, generator=draw)
    np.testing.assert_allclose(agreement(y, p), agreement(y[:, :2], p[:, :2]))
