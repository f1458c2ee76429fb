"""The conditions on settings that are tried, and how they are said."""

import numpy as np
import pytest

from scram_plugin.sweeps.conditions import MOST_CUTS, conditions, pairs


def words(settings):
    return [(one.words, one.negated, int(one.holds.sum())) for one in conditions(settings)]


def test_numbers_are_cut_between_their_values():
    column = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert words({"learning rate": column}) == [
        ("learning rate ≥ 0.01", "learning rate < 0.01", 4),
        ("learning rate ≥ 0.1", "learning rate < 0.1", 2),
        ("learning rate 0.01", "another learning rate", 2),
    ]


def test_many_values_are_cut_in_parts_of_the_same_size():
    column = [float(x) for x in np.random.default_rng(1).uniform(size=400)]
    cuts = [one.holds.sum() for one in conditions({"dropout": column}) if one.ends == 1]
    assert len(cuts) == MOST_CUTS
    assert np.ptp(np.diff(sorted(cuts))) <= 2


def test_a_range_in_the_middle():
    said = [one[0] for one in words({"layers": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]})]
    assert "layers from 2 to 4" in said
    assert "layers from 1 to 4" not in said, "it is the other side of a cut"


def test_choices():
    three = words({"optimizer": ["adam", "adam", "sgd", "sgd", "lion", "lion", "lion"]})
    assert three[0] == ("optimizer adam", "another optimizer", 2)
    assert len(three) == 3
    assert words({"amsgrad": [True, True, False, False]}) == [("amsgrad off", "amsgrad on", 2)]


def test_a_setting_that_some_runs_lack():
    said = words({"warmup steps": [100, 100, 500, 500, None, None]})
    assert ("warmup steps ≥ 500", "warmup steps < 500", 2) in said
    assert ("warmup steps set", "warmup steps not set", 4) in said


@pytest.mark.parametrize(
    "column",
    [
        ["a", "b", "c", "d"],  # each run has a name
        [1, 1, 1, 1, 1, 1, 2],  # one run alone
        [None] * 6,
        [float("nan")] * 6,
    ],
)
def test_nothing_can_be_said_of_it(column):
    assert words({"setting": column}) == []


def test_seeds_are_names_and_no_numbers():
    assert [one[0] for one in words({"seed": [1, 1, 2, 2, 3, 3]})] == ["seed 1", "seed 2", "seed 3"]


def test_two_that_meet():
    single = conditions({"dropout": [0.1, 0.1, 0.9, 0.9] * 2, "amsgrad": [True, False] * 4})
    met = {one.words: (one.negated, int(one.holds.sum())) for one in pairs(single)}
    assert met["dropout ≥ 0.9 and amsgrad off"] == ("dropout < 0.9 or amsgrad on", 2)
    assert len(met) == 4


def test_names_of_settings_cannot_write_to_the_terminal():
    assert conditions({"a\x1b[2Jb\n": [1, 1, 2, 2]})[0].words == "a [2Jb  ≥ 2"
