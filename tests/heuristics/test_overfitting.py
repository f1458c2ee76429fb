"""Overfitting is found where the validation loss rises, and nowhere else."""

import time
import tracemalloc

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.curves import loss_spike
from scram_plugin.heuristics.curves import noise as noise_module
from scram_plugin.heuristics.curves.shape import shape
from scram_plugin.reviews.run import review
from tests.event_files import curve
from tests.paths import REAL_RUNS
from tests.reviews import finding, found, review_of, review_of_recorded
from tests.training_runs import training_run

ID = "overfitting"


def test_a_large_net_on_noisy_labels():
    one = finding(review_of_recorded("keras_curves", "overfits_noisy_labels"), ID)
    assert (one.severity, one.confidence) == ("warning", "likely")
    assert one.causes[0].id == "no-regularization"
    assert "600" in one.causes[0].for_ or "480" in one.causes[0].for_


def test_healthy_twin():
    assert ID in review_of_recorded("keras_curves", "does_not_overfit").passed


def run(tmp_path, training, validation):
    curve(tmp_path / "train", "epoch_loss", training)
    curve(tmp_path / "validation", "epoch_loss", validation)
    return review_of(tmp_path)


def falling(epochs):
    return 0.3 + np.exp(-np.arange(epochs) / 5)


def test_both_rise_is_divergence_not_overfitting(tmp_path):
    up = np.concatenate([falling(10), np.linspace(0.5, 5, 20)])
    assert ID in run(tmp_path, up, up + 0.1).passed


def test_a_few_points_are_inconclusive(tmp_path):
    result = run(tmp_path, [1, 0.5], [1, 0.8])
    (reason,) = [entry.reason for entry in result.inconclusive if entry.heuristic == ID]
    assert "needs at least 7 epochs" in reason
    assert result.headline().kind == "early"


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_a_rise_beyond_the_noise_is_found(noise, tmp_path):
    rng = np.random.default_rng(0)
    rise = np.concatenate([falling(10), falling(10)[-1] + np.linspace(0, 0.4, 20)])
    assert ID in found(run(tmp_path, falling(30), rise + rng.normal(0, noise, 30)))


def test_one_last_point_out_of_line_raises_nothing(tmp_path):
    flat = np.full(24, 0.5) + np.random.default_rng(0).normal(0, 0.004, 24)
    flat[-1] *= 1.25
    result = run(tmp_path, falling(24), flat)
    assert [(f.severity, f.title) for f in result.findings if f.heuristic == ID] == [
        ("info", "The validation loss has stood still since epoch 1")
    ]


def test_medians_of_parts_are_those_of_the_whole(monkeypatch):
    values = np.random.default_rng(0).normal(size=5_000)
    windows = np.lib.stride_tricks.sliding_window_view(values, 21)
    for count, every in ((3, 1), (4, 1), (5, 3), (9, 2)):
        few = values[:100]
        expected = np.median(np.lib.stride_tricks.sliding_window_view(few, count), axis=1)[::every]
        assert np.array_equal(noise_module.sliding_medians(few, count, every), expected)
    monkeypatch.setattr(noise_module, "_AT_ONCE", 1_000)
    assert np.array_equal(noise_module.sliding_medians(values, 21), np.median(windows, axis=1))
    assert np.array_equal(noise_module.sliding_medians(values, 21, 7), np.median(windows, axis=1)[::7])


def test_a_spike_in_two_million_points_is_found_in_little_memory(tmp_path):
    values = 1.0 + np.random.default_rng(0).normal(0, 0.01, 2_000_000)
    values[1_234_567] = 9.0
    wave = values + np.linspace(2, 0, len(values))
    start = time.process_time()
    tracemalloc.start()
    level = loss_spike._level(wave)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6, "all windows at once would be 3 GB"
    assert time.process_time() - start < 3
    assert np.abs(level - np.linspace(3, 1, len(values))).max() < 0.01
    assert int(np.argmax(wave - level)) == 1_234_567


def test_a_million_points_are_judged_in_time(tmp_path):
    start = time.process_time()
    form = shape(np.concatenate([np.linspace(1, 0.1, 500_000), np.linspace(0.1, 0.5, 500_000)]))
    assert time.process_time() - start < 2
    assert form.best == pytest.approx(500_000, abs=form.block)
    assert form.rise == pytest.approx(0.4, abs=0.01)


def test_strict_is_two_epochs_of_falling_validation_accuracy(tmp_path):
    for name, values in (("train", [0.5, 0.6, 0.7, 0.8]), ("validation", [0.5, 0.6, 0.59, 0.58])):
        curve(tmp_path / name, "epoch_loss", [1, 0.9, 0.8, 0.7])
        curve(tmp_path / name, "epoch_accuracy", values)
    one = finding(review_of(tmp_path, {ID: {"strict": True}}), ID)
    assert one.first_step == 1
    assert ID not in found(review_of(tmp_path))


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
@pytest.mark.parametrize(
    ("path", "overfits"),
    [
        ("Mormolykos+trainproof/evidence/fish_lightning_feb2026", True),
        ("filippobartolucci+Italian-Lemmatizer/logs/fit/20230124-145011", True),
        ("hsuanchunlin+Transformer-RNA/logs/gradient_tape/20230218-225214", False),
        ("hsuanchunlin+Transformer-RNA/logs/gradient_tape/20230218-233400", False),
    ],
)
def test_real_trainings_of_other_people(path, overfits):
    assert (ID in found(review_of(REAL_RUNS / path))) is overfits


@pytest.mark.parametrize(
    ("training", "validation", "told"),
    [
        ([1.2, 0.6, 0.3, 0.1, 0.05], [0.9, 0.7, 1.2, 1.6, 2.0], True),
        ([1.2, 0.6, 0.3, 0.1], [0.7, 1.2, 1.6, 2.0], True),
        ([1.2, 0.9, 0.8, 0.75, 0.7], [0.9, 0.7, 1.2, 1.6, 0.9], False),  # a swing
        ([1.2, 0.9, 0.8, 0.75, 0.7], [0.9, 0.8, 0.82, 0.83, 0.9], False),  # a little
        ([1.2, 0.9, 0.9, 0.9, 0.9], [0.9, 0.7, 1.2, 1.6, 2.0], False),  # the training does not go on
        ([1.2, 0.6, 0.3], [0.7, 1.6, 2.0], False),
    ],
)
def test_few_points_that_are_overwhelming(training, validation, told):
    findings = review(training_run({"train/loss": training, "val/loss": validation}), catalogue()).findings
    assert [f.severity for f in findings if f.heuristic == "overfitting"] == (["warning"] if told else [])


@pytest.mark.parametrize(
    ("training", "validation", "told"),
    [
        (1.0, 1.0, []),  # both fall
        (0.8, 0.0, ["info"]),
        (0.1, 0.0, []),  # so does the training
    ],
)
def test_a_validation_loss_that_stands_still(training, validation, told):
    """The shares by which the losses fall from a quarter of the training on."""
    noise = 1 + 0.002 * np.random.default_rng(0).normal(size=(2, 40))
    later = np.clip((np.arange(40) - 10) / 29, 0, 1)
    first = 1 - 0.5 * np.clip(np.arange(40) / 10, 0, 1)
    curves = {"train/loss": first * (1 - training * later * 0.8), "val/loss": first * (1 - validation * later * 0.8)}
    curves = {tag: values * noise[i] for i, (tag, values) in enumerate(curves.items())}
    findings = review(training_run(curves), catalogue()).findings
    assert [f.severity for f in findings if f.heuristic == "overfitting"] == told


@pytest.mark.parametrize(("metric", "told"), [("metrics/mAP50(B)", False), ("metrics/recall(B)", True)])
def test_a_detector_that_learns_after_its_loss_was_lowest(metric, told):
    """As Ultralytics does from random weights: the loss is lowest before one object is found."""
    noise = 0.02 * np.random.default_rng(2).normal(size=(2, 40))
    loss = 2 + np.concatenate([np.linspace(2, 0, 15), np.linspace(0.1, 2, 25)]) + noise[0]
    curves = {
        "train/box_loss": np.linspace(5, 1, 40) + noise[1],
        "val/box_loss": loss,
        metric: np.concatenate([np.zeros(15), np.linspace(0.1, 0.95, 25)]),
    }
    findings = review(training_run(curves), catalogue()).findings
    assert ("overfitting" in [f.heuristic for f in findings]) == told
