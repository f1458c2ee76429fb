"""Curves at the edges of what checks take for a fault: made by hand, since no training lies just beside an edge."""

from types import SimpleNamespace

import numpy as np
import pytest

from scram_plugin.heuristics.curves import learning_rate_schedule
from scram_plugin.heuristics.curves.shape import shape
from scram_plugin.heuristics.layers import saturated_activations
from scram_plugin.heuristics.measured import Layer
from scram_plugin.heuristics.model import missing_activation
from scram_plugin.heuristics.model.outputs import Output
from scram_plugin.heuristics.preflight.batch_size_memory import _size
from tests.event_files import curve
from tests.reviews import finding, found, review_of
from tests.training_runs import training_run

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


@pytest.mark.parametrize("steps", [15, 16])
def test_how_many_steps_there_are_is_told(steps, tmp_path):
    for tag, values in {"loss": 2.3 + 0.01 * NOISE[:steps], "train_runtime": np.ones(1), "epoch": np.zeros(steps)}.items():
        curve(tmp_path, f"train/{tag}", values)
    reasons = {entry.heuristic: entry.reason for entry in review_of(tmp_path).inconclusive}
    assert f"there are {steps}" in reasons["no-learning"]


@pytest.mark.parametrize(
    ("accuracy", "learned"),
    [([0.46, 0.48, 0.50], False), ([0.44, 0.47, 0.50], True), ([1.5, 1.5, 1.5], False), ([0.95, 0.95, 0.95], True)],
    ids=["a rise of 0.04", "a rise of 0.06", "in percent", "high from the start"],
)
def test_an_accuracy_says_that_it_learned(accuracy, learned, tmp_path):
    curve(tmp_path, "epoch_loss", np.full(30, 0.9) + 0.01 * NOISE[:30])
    curve(tmp_path, "epoch_accuracy", np.repeat(accuracy, 10))
    assert ("no-learning" in found(review_of(tmp_path))) != learned


@pytest.mark.parametrize(
    ("parts", "found"),
    [((0.7, 0.7, 0.7), False), ((0.5, 0.5, 0.5), True), ((0.7, 0.5, 0.7), False)],
    ids=["fell little", "fell far", "was lower in between"],
)
@pytest.mark.parametrize("outliers", [0, 3])
def test_a_flat_loss_at_a_constant_rate_fell_before(parts, found, outliers):
    flat = np.concatenate([np.full(count, part) for count, part in zip((20, 60, 20), parts, strict=True)])
    values = np.concatenate([np.full(20, 1.0), np.linspace(1.0, parts[0], 80), flat + 0.06 * NOISE[:100]])
    values[:outliers] = values[100 : 100 + outliers] = 0.4
    loss = training_run({"train/loss": values}).signal("training loss")
    assert [kind for kind, *_ in learning_rate_schedule._never(loss, np.full(200, 1e-3))] == ["no-drop"] * found


def test_points_of_a_long_curve_stand_in_the_middle_of_their_block():
    positions = shape(np.linspace(2.0, 1.0, 1203)).positions
    assert positions[[0, -1]].tolist() == [5, 1201], "three are left out at the start, and blocks have four"


@pytest.mark.parametrize(("scale", "named"), [(2.5, False), (3.5, True), (None, False)])
def test_weights_above_three_times_the_usual_size_are_named(scale, named):
    glorot = np.sqrt(2 / (100 + 100))
    initializer = {"class": "RandomNormal", "stddev": scale * glorot} if scale else {}
    layer = {"path": "dense", "name": "dense", "class": "Dense", "kernel": [100, 100], "initializer": initializer}
    run = training_run({}, facts={"framework": "keras", "model": {"layers": [layer]}})
    causes = saturated_activations._causes(run, ["dense"], 0.9, 0.9)
    assert ("weights far above the usual size" in causes[0].for_) == named


@pytest.mark.parametrize(
    ("before", "after", "narrow"),
    [([32, 8], [8, 32], True), ([8, 8], [8, 32], False), ([32, 8], [8, 8], False), (None, [8, 8], False)],
)
def test_a_narrow_layer_between_wide_ones_is_linear_on_purpose(before, after, narrow):
    layers = [SimpleNamespace(facts={"kernel": kernel}) for kernel in (before, after)]
    assert missing_activation._bottleneck(*layers) == narrow


@pytest.mark.parametrize(("low", "high", "are"), [(0.1, 0.9, True), (0.1, 5.0, False), (-3.0, 0.9, False)])
def test_outputs_that_are_probabilities(low, high, are):
    run = training_run({}, {"y_pred0/min": [low] * 3, "y_pred0/max": [high] * 3})
    layer = Layer("last", "Activation", None, {})
    assert Output(run, layer, "CategoricalCrossentropy", False, 1).gives_probabilities == are


def test_sizes_of_memory():
    assert [_size(mebibytes) for mebibytes in (12.34, 1023, 1024, 102_400)] == ["12.3 MiB", "1023 MiB", "1.0 GiB", "100.0 GiB"]
