"""A feature that is the target itself, in tables and in windows of series."""

import numpy as np
import pytest
import torch

import scram_plugin
from scram_plugin.training.leaks import leak

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(64, 5))
TARGET = TABLE @ [1.0, -2.0, 0.5, 0.0, 3.0] + 0.1 * RANDOM.normal(size=64)
WALK = np.cumsum(RANDOM.normal(size=300))
SINE = np.sin(2 * np.pi * np.arange(300) / 10)


def windows(series, length, ahead):
    starts = np.arange(len(series) - length - ahead)
    return np.stack([series[s : s + length] for s in starts]), series[starts + length - 1 + ahead]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("changed", [lambda y: y, lambda y: 3 * y - 7, lambda y: y[:, None]])
def test_a_column_that_was_left_in_the_table(changed, kind):
    table = np.insert(TABLE, 2, TARGET, axis=1).astype(kind)
    assert leak(table, changed(TARGET).astype(kind)) == [2, 6]
    assert leak(TABLE.astype(kind), changed(TARGET).astype(kind)) == []


def test_a_label_that_was_left_in_the_table():
    labels = (TARGET > 0).astype(np.int64)
    assert leak(np.column_stack([TABLE, labels]), labels) == [5, 6]
    assert leak(TABLE, labels) == []


@pytest.mark.parametrize("shape", [lambda x: x, lambda x: x[:, :, None], lambda x: x[:, None, :]])
def test_a_window_that_reaches_up_to_the_target(shape):
    x, y = windows(WALK, 20, 0)
    assert leak(shape(x), y) == [19, 20]
    x, y = windows(WALK, 20, 1)
    assert leak(shape(x), y) == []


@pytest.mark.parametrize("shape", [lambda x: x, lambda x: x[:, :, None]])
def test_an_exact_period_of_a_series_is_no_leak(shape):
    x, y = windows(SINE, 20, 1)
    assert leak(shape(x), y) == []


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (TABLE[:, :1], 2 * TABLE[:, 0] + 1),  # a line, as exercises fit it
        (TABLE[:10], TABLE[:10, 0]),  # too few examples
        (np.round(TABLE).astype(np.int64), np.round(TABLE[:, 0])),  # whole numbers may be words
        (TABLE, TABLE[:, :2]),  # several numbers each
        (TABLE, np.ones(64)),
        (np.where(TABLE > 2, np.nan, TABLE), TARGET),
    ],
)
def test_what_is_no_leak(x, y):
    assert leak(x, y) == []


@pytest.mark.parametrize("further", [0, 1])  # losses
@pytest.mark.parametrize("ahead", [0, 1])
def test_the_recorder_tells_of_it(ahead, further, tmp_path):
    x, y = (torch.tensor(part, dtype=torch.float32) for part in windows(WALK, 20, ahead))
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watching:
        for at in torch.arange(len(x)).split(32):
            optimizer.zero_grad()
            made = model(x[at]).squeeze(1)
            loss = torch.nn.functional.mse_loss(made, y[at]) + further * torch.nn.functional.l1_loss(made, torch.zeros(len(at)))
            loss.backward()
            optimizer.step()
    assert watching.facts["loop"]["leak"] == ([] if ahead else [19, 20])
    (review,) = scram_plugin.review(tmp_path)
    told = [f.causes[0].id for f in review.findings if f.heuristic == "target-in-inputs"]
    assert told == ([] if ahead else ["window"])
