"""Evidence that several checks share: each is one function."""

import math

import numpy as np
import pytest

from scram_plugin.heuristics.curves.checkable import as_told, chance_level, last_value, level, lowest_point, together
from scram_plugin.heuristics.curves.noise import noise
from scram_plugin.heuristics.curves.shape import shape
from scram_plugin.heuristics.guessing import guessing
from scram_plugin.heuristics.measured import levels
from tests.training_runs import training_run

RNG = np.random.default_rng(7)


def curve_of(values, steps=None):
    logged = values if steps is None else (np.array(steps), np.array(values, float))
    return training_run({"train/loss": logged}).signal("training loss")


@pytest.mark.parametrize("classes", [2, 3, 10, 800])
def test_the_loss_of_guessing_says_among_how_many_classes(classes):
    assert chance_level(math.log(classes)) == classes
    assert all(chance_level(math.log(classes) * (1 + apart)) for apart in (0.019, -0.019))


@pytest.mark.parametrize("value", [0.0, 0.3, -1.0, 0.85, 8.0, math.inf])
def test_other_losses_are_not_those_of_guessing(value):
    assert chance_level(value) is None


def test_guessing_by_frequencies_costs_their_entropy():
    facts = {
        "data": {"training": {"counts": [900, 100]}},
        "loss": {"class": "BinaryCrossentropy"},
        "model": {"output_units": 1},
    }
    guess = guessing(training_run({"loss": [1.0]}, facts=facts))
    assert guess.loss == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
    assert guess.shares.tolist() == [0.9, 0.1]
    assert [guess.is_beaten_by(share * guess.loss) for share in (0.96, 0.98)] == [True, False]
    for changed in ({"loss": {"class": "MeanSquaredError"}}, {"loss": {**facts["loss"], "mean": False}}, {"data": {}}):
        assert guessing(training_run({"loss": [1.0]}, facts={**facts, **changed})) is None


@pytest.mark.parametrize("deviation", [0.01, 0.3])
def test_the_noise_of_a_falling_curve_is_that_of_its_points(deviation):
    falls = 2 * np.exp(-np.arange(400) / 100)
    values = falls + deviation * RNG.normal(size=400)
    assert noise(values) == pytest.approx(deviation, rel=0.2)
    values[::40] += 50
    assert noise(values) == pytest.approx(deviation, rel=0.3), "outliers do not count"
    assert noise(values[:3]) == 0.0


def test_the_lowest_point_is_one_that_the_reader_finds():
    values = np.concatenate([np.linspace(2, 0.5, 20), np.linspace(0.5, 1.5, 20)]) + 0.01 * RNG.normal(size=40)
    curve = curve_of(values)
    assert lowest_point(curve, shape(values)) == int(np.argmin(values))
    outlier = values.copy()
    outlier[35] = 0.1  # one bad measurement
    assert abs(lowest_point(curve_of(outlier), shape(outlier)) - 20) <= 2


def test_the_last_value_is_that_of_the_log_unless_it_is_an_outlier():
    values = np.full(30, 1.0) + 0.01 * RNG.normal(size=30)
    assert last_value(curve_of(values), shape(values)) == values[-1]
    values[-1] = 9.0
    assert last_value(curve_of(values), shape(values)) == pytest.approx(1.0, abs=0.05)


def test_a_level_is_a_median_of_three_points_at_least():
    values = np.array([5.0, 1, 1, 1, 2, 2, 9])
    assert (level(values, 0.1), level(values, 0.1, end=True), level(values, 1.0)) == (1.0, 2.0, 2.0)


def test_the_levels_of_the_first_and_the_last_part():
    values = np.arange(100.0)
    assert levels(values, 10) == (4.5, 94.5)
    assert levels(values, 4) == (12.0, 87.0)
    assert levels(values[:5], 10) == (0.0, 4.0)
    assert levels(values[:5], 10, least=3) == (1.0, 3.0)


def test_the_validation_is_compared_up_to_the_end_of_the_training():
    """Unless it goes on by one usual gap, as where it is logged after the epoch."""
    training, validation = curve_of(np.ones(10)), curve_of(np.ones(30))
    assert together(validation, training).steps[-1] == 10
    assert len(together(training, validation)) == 10


def test_values_are_told_as_logged_unless_single_points_show_the_opposite():
    falls = curve_of(np.linspace(2.0, 1.0, 11))
    assert as_told(falls, 0, 10) == (2.0, 1.0, "")
    values = np.linspace(2.0, 1.0, 11)
    values[0] = 0.5
    then, now, about = as_told(curve_of(values), 0, 10)
    assert about == "about "
    assert then == pytest.approx(1.8)
    assert now == pytest.approx(1.1)
