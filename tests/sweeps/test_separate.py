"""Which condition separates the runs with an outcome: exact counts, corrections for what was tried, and what cannot be told."""

import itertools
import math

import numpy as np
import pytest

from scram_plugin.sweeps.conditions import conditions
from scram_plugin.sweeps.separate import ALPHA, separations
from scram_plugin.sweeps.strength import strengths


def exact(runs, positive, size, seen):
    """One side of Fisher's test, by counting."""
    at_least = [
        math.comb(positive, k) * math.comb(runs - positive, size - k)
        for k in range(seen, min(size, positive) + 1)
        if size - k <= runs - positive
    ]
    return sum(at_least) / math.comb(runs, size)


@pytest.mark.parametrize(("runs", "positive", "size"), [(8, 3, 4), (20, 5, 9), (60, 12, 12), (9, 9, 3)])
def test_fisher(runs, positive, size):
    for seen in range(max(0, size + positive - runs), min(size, positive) + 1):
        outcome = np.zeros(runs, bool)
        outcome[:seen] = True
        outcome[size : size + positive - seen] = True
        holds = np.arange(runs) < size
        strong = strengths(holds[None, :], outcome[:, None])[0, 0]
        lower = exact(runs, runs - positive, size, size - seen)
        assert math.exp(-strong) == pytest.approx(min(exact(runs, positive, size, seen), lower), rel=1e-6)


def test_ranks():
    """Near the exact test of all divisions of twelve runs."""
    ranks = np.arange(12.0)
    holds = np.arange(12) >= 7
    strong = strengths(holds[None, :], ranks[:, None])[0, 0]
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, 5)]
    p = 2 * np.mean(np.array(sums) >= ranks[holds].sum())
    assert math.exp(-strong) == pytest.approx(p, rel=1.5)
    assert strengths(~holds[None, :], ranks[:, None])[0, 0] == pytest.approx(strong)


def sweep(runs, seed=0):
    draws = np.random.default_rng(seed)
    return {
        "learning rate": [float(x) for x in 10.0 ** draws.uniform(-4, 0, runs)],
        "batch size": [int(x) for x in draws.choice([32, 64, 128], runs)],
        "dropout": [float(x) for x in draws.uniform(0, 0.8, runs)],
        "optimizer": [str(x) for x in draws.choice(["adam", "sgd"], runs)],
    }


def test_one_cause():
    settings = sweep(52)
    fails = np.array(settings["learning rate"]) >= 0.03
    fails[np.flatnonzero(fails)[0]] = False
    (one,) = separations(conditions(settings), {"divergence": fails})
    assert one.condition.settings == ("learning rate",)
    assert fails[one.inside].mean() > 0.8
    assert fails[one.outside].mean() < 0.05
    assert one.p <= 0.001
    assert not one.twins
    assert one.within is None


def test_nothing_where_there_is_nothing():
    said = 0
    for seed in range(40):
        settings = sweep(40, seed)
        fails = np.random.default_rng([seed, 7]).random(40) < 0.3
        said += bool(separations(conditions(settings), {"divergence": fails}))
    assert said / 40 <= 2 * ALPHA


def test_two_causes_and_two_that_meet():
    settings = sweep(160, 3)
    high, big = np.array(settings["learning rate"]) >= 0.03, np.array(settings["batch size"]) == 128
    (either,) = separations(conditions(settings), {"divergence": high | big})
    assert {name for one in either.all() for name in one.condition.settings} == {"learning rate", "batch size"}
    (both,) = separations(conditions(settings), {"divergence": high & big})
    assert {name for one in both.all() for name in one.condition.settings} == {"learning rate", "batch size"}


def test_of_two_settings_that_go_together_none_is_chosen():
    settings = sweep(40, 4)
    settings["weight decay"] = [rate / 10 for rate in settings["learning rate"]]
    fails = np.array(settings["learning rate"]) >= 0.03
    (one,) = separations(conditions(settings), {"divergence": fails})
    assert {one.condition.settings, *(twin.settings for twin in one.twins)} == {("learning rate",), ("weight decay",)}


def test_a_setting_that_only_follows_is_not_named():
    settings = sweep(300, 5)
    draws = np.random.default_rng(5)
    settings["weight decay"] = [rate * float(np.exp(draws.normal(0, 0.8))) for rate in settings["learning rate"]]
    fails = np.array(settings["learning rate"]) >= 0.03
    (one,) = separations(conditions(settings), {"divergence": fails})
    assert one.condition.settings == ("learning rate",)
    assert not one.twins


def test_a_number_as_outcome():
    settings = sweep(60, 6)
    accuracy = np.where(np.array(settings["optimizer"]) == "sgd", 0.7, 0.8) + np.random.default_rng(6).normal(0, 0.03, 60)
    accuracy[:3] = np.nan
    (one,) = separations(conditions(settings), {"accuracy": accuracy})
    assert one.condition.settings == ("optimizer",)


def test_the_same_runs_have_the_same_answer():
    settings, fails = sweep(30, 8), np.arange(30) % 3 == 0
    first, second = (separations(conditions(settings), {"divergence": fails}) for _ in range(2))
    assert [one.p for one in first] == [one.p for one in second]


@pytest.mark.parametrize("fails", [np.zeros(12, bool), np.ones(12, bool)])
def test_an_outcome_that_does_not_vary(fails):
    assert separations(conditions(sweep(12)), {"divergence": fails}) == []


def test_no_settings():
    assert separations([], {"divergence": np.arange(9) < 4}) == []
