"""Is the second group of runs better? Intervals that hold the truth as often as they say, and honest words for one run each."""

import numpy as np
import pytest

from scram_plugin.sweeps.better import difference, student
from tests.sweeps.runs import review


def group(values, **more):
    return [review(f"run {i}", best=float(value), **more) for i, value in enumerate(values)]


@pytest.mark.parametrize(("freedom", "expected"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (200, 1.972)])
def test_student(freedom, expected):
    assert student(freedom) == pytest.approx(expected, rel=2e-3), "source: any table"


def test_seeds_that_differ_clearly():
    found = difference(group([0.80, 0.81, 0.79, 0.80]), group([0.90, 0.91, 0.89, 0.90]))
    assert (found.verdict, found.seeds, found.measure) == ("better", (4, 4), "validation accuracy")
    assert found.low < 0.1 < found.high
    assert found.p == pytest.approx(2 / 70)
    assert found.text.startswith(
        "The best validation accuracy is 0.9 against 0.8 (4 runs against 4): a difference of 0.1, from "
    )
    assert found.text.endswith("which is better.")


def test_for_a_loss_less_is_better():
    assert difference(group([0.5, 0.51, 0.49], higher=False), group([0.9, 0.91, 0.89], higher=False)).verdict == "worse"


def test_seeds_that_differ_by_chance():
    found = difference(group([0.80, 0.84, 0.82]), group([0.81, 0.85, 0.83]))
    assert found.verdict == "unsure"
    assert found.text.endswith("which may be chance.")


def test_one_run_each():
    near = difference(group([0.800]), group([0.804]))
    assert (near.verdict, near.p) == ("unsure", None)
    assert near.text.endswith("one run of a group, and a difference of 0.004 is within the noise of these curves.")
    far = difference(group([0.80]), group([0.90]))
    assert far.verdict == "unsure"
    assert "larger than the noise of these curves" in far.text
    assert far.text.endswith("one run does not show what other seeds would give.")


def test_no_measure_in_common():
    assert difference([review("a")], group([0.9])) is None
    assert difference([], group([0.9])) is None


def test_the_same_values():
    assert difference(group([0.5, 0.5, 0.5]), group([0.5, 0.5, 0.5])).verdict == "unsure"


def test_the_interval_holds_the_truth():
    draws, held, wrong = np.random.default_rng(5), 0, 0
    for _ in range(400):
        sizes = draws.integers(3, 7, 2)
        found = difference(group(draws.normal(0.8, 0.02, sizes[0])), group(draws.normal(0.82, 0.01, sizes[1])))
        held += found.low <= 0.02 <= found.high
        same = difference(group(draws.normal(0.8, 0.02, sizes[0])), group(draws.normal(0.8, 0.02, sizes[1])))
        wrong += same.verdict != "unsure"
    assert 0.92 <= held / 400 <= 0.98
    assert wrong / 400 <= 0.08


def test_equal_values_that_differ_by_rounding_are_no_difference():
    assert difference(group([0.9, 0.9]), group([0.9001, 0.9001])).verdict == "unsure", "the noise of the curves is larger"


@pytest.mark.parametrize("size", [1e-90, 1e200])
def test_sizes_of_any_kind(size):
    found = difference(group([0.8 * size, 0.81 * size, 0.79 * size]), group([0.9 * size, 0.91 * size, 0.89 * size]))
    assert found.low < 0.1 * size < found.high
