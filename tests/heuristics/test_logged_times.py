"""The share of a step's time that is spent waiting for data, as frameworks log it: curves made by hand."""

import json

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked, TooEarly
from scram_plugin.reviews.run import review
from tests.reviews import finding, review_of
from tests.training_runs import training_run

STEPS = np.full(40, 0.5)
TORCHTITAN = ("time_metrics/data_loading(s)", "time_metrics/end_to_end(s)")


def findings(curves):
    heuristic = catalogue()["slow-input"]
    return list(heuristic.check(training_run(curves), heuristic.defaults))


@pytest.mark.parametrize("names", [("data_time", "time"), ("train/data_time", "train/time"), TORCHTITAN], ids="-".join)
@pytest.mark.parametrize(
    ("share", "severity"), [(0.39, None), (0.41, "info"), (0.74, "info"), (0.76, "warning"), (1.1, "warning")]
)
def test_how_grave_a_wait_is(names, share, severity):
    found = findings({names[0]: share * STEPS, names[1]: STEPS})
    assert [one.severity for one in found] == [severity] * (severity is not None)


def test_the_first_points_and_single_ones_do_not_count():
    cold = np.where(np.arange(40) < 4, 30.0, 0.01)
    assert not findings({"data_time": cold, "time": cold + STEPS})
    assert not findings({"data_time": np.where(np.arange(40) % 3, 0.01, 0.9), "time": STEPS})


def test_short_waits_do_not_matter():
    assert not findings({"data_time": STEPS / 200, "time": STEPS / 100})


def test_times_that_do_not_fit_each_other():
    with pytest.raises(Inconclusive, match="data_time is larger than step_time"):
        findings({"data_time": 1000 * STEPS, "step_time": STEPS})
    with pytest.raises(NotChecked):
        findings({"data_time": STEPS, "time": np.cumsum(STEPS)})
    with pytest.raises(NotChecked):
        findings({"data_time": STEPS})
    with pytest.raises(TooEarly):
        findings({"data_time": STEPS[:9], "time": STEPS[:9]})


def test_mmengine_in_its_text_file(tmp_path):
    rows = [{"data_time": 0.4, "time": 0.5, "loss": 2 - 0.01 * i, "iter": 20 * i, "step": 20 * i} for i in range(30)]
    (tmp_path / "scalars.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = finding(review_of(tmp_path), "slow-input")
    assert "80 % of each step" in one.title
    assert "500.0 ms, of which 400.0 ms" in one.summary


def test_the_times_of_an_evaluation_are_not_those_of_the_training():
    steps = np.ones(40)
    curves = {"eval/data_time": 0.9 * steps, "eval/time": steps, "train/data_time": 0.01 * steps, "train/time": steps}
    assert "slow-input" in review(training_run(curves), catalogue()).passed
