"""Curves at the edges of what checks take for a fault: made by hand, since no training lies just beside an edge."""

import numpy as np
import pytest

from scram_plugin.heuristics.preflight.batch_size_memory import _size
from tests.event_files import curve
from tests.reviews import finding, found, review_of

NOISE = np.random.default_rng(5).normal(size=200)


@pytest.mark.parametrize(("level", "diverges"), [(10.0, False), (0.5, True)])
def test_a_rise_that_is_small_beside_the_loss_itself_is_no_divergence(level, diverges, tmp_path):
    falls, rises = np.linspace(0.4, 0, 30), np.linspace(0, 0.35, 30)
    curve(tmp_path, "epoch_loss", level + np.concatenate([falls, rises]) + 0.002 * NOISE[:60])
    assert ("divergence" in found(review_of(tmp_path))) == diverges


@pytest.mark.parametrize(("last", "kept"), [(1e-3, True), (1e-5, False)])
def test_a_constant_rate_with_a_loss_that_is_flat_and_noisy(last, kept, tmp_path):
    falls = 2 * np.exp(-np.arange(120) / 8) + 0.5 + 0.06 * NOISE[:120]
    curve(tmp_path, "epoch_loss", falls)
    curve(tmp_path, "epoch_learning_rate", np.where(np.arange(120) < 60, 1e-3, last))
    review = review_of(tmp_path)
    assert ("learning-rate-schedule" in [f.heuristic for f in review.findings]) == kept
    if kept:
        one = finding(review, "learning-rate-schedule")
        assert "no-drop" in [cause.id for cause in one.causes] or "constant" in one.summary


def test_a_plateau_above_a_much_better_level_is_likely_one(tmp_path):
    values = np.concatenate([np.linspace(2.0, 0.5, 20), np.linspace(0.5, 0.7, 5), np.full(60, 0.7)]) + 0.01 * NOISE[:85]
    curve(tmp_path, "epoch_loss", values)
    assert finding(review_of(tmp_path), "plateau").confidence == "likely"


def test_how_many_steps_there_are_is_told(tmp_path):
    for tag, values in {"loss": 2.3 + 0.01 * NOISE[:15], "train_runtime": np.ones(1), "epoch": np.zeros(15)}.items():
        curve(tmp_path, f"train/{tag}", values)
    reasons = {entry.heuristic: entry.reason for entry in review_of(tmp_path).inconclusive}
    assert "there are 15" in reasons["no-learning"]


def test_sizes_of_memory():
    assert [_size(mebibytes) for mebibytes in (12.34, 1023, 1024, 102_400)] == ["12.3 MiB", "1023 MiB", "1.0 GiB", "100.0 GiB"]
