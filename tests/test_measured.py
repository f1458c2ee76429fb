"""What a check that passed looked at stands beside it, and is on the right side of its limit."""

import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.run import review, review_all
from tests.paths import DEMO_LOGS
from tests.recorded import LOGS, index, place

# checks that decide by what the program is or does, of which nothing is counted
NOTHING_TO_MEASURE = {"target-in-inputs", "unpaired-targets", "unused-data", "mixed-axes", "wrong-direction", "half-precision"}
SHARE = 0.85  # of the passed checks: some pass because what they look for does not exist in a model


@pytest.fixture(scope="module")
def reviews():
    """Of all recorded logs, and of the demo's."""
    logs = [*(place(LOGS, row[0]) for row in index()), DEMO_LOGS]
    return [one for path in logs for one in review_all(read(path), catalogue())]


def test_no_passed_check_is_beyond_its_limit(reviews):
    wrong = [
        (one.name, heuristic, measure)
        for one in reviews
        for heuristic, measure in one.measured.items()
        if measure.limit is not None and (measure.value > measure.limit if measure.above else measure.value < measure.limit)
    ]
    assert wrong == []


def test_nearly_all_passed_checks_tell_what_they_looked_at(reviews):
    passed = [(one, heuristic) for one in reviews for heuristic in one.passed if heuristic not in NOTHING_TO_MEASURE]
    told = [heuristic for one, heuristic in passed if heuristic in one.measured]
    assert len(told) > SHARE * len(passed)
    assert {heuristic for _, heuristic in passed} == set(told), "each check tells it in some run"


def test_what_was_measured_is_only_that_of_passed_checks(reviews):
    assert all(set(one.measured) <= set(one.passed) for one in reviews)


def test_the_measure_nearest_to_its_limit_is_told():
    run = training_runs(read(DEMO_LOGS))[0]
    run.measured("far", 1.0, above=100.0)
    run.measured("near", 90.0, above=100.0)
    run.measured("no number", float("nan"), above=1.0)
    run.measured("without a limit", 3.0)
    run.measured("far below", 100.0, below=1.0)
    assert run.measure.what == "near"


def test_a_measure_is_told_in_words_with_its_limit_and_its_curve():
    (run,) = (run for run in training_runs(read(DEMO_LOGS)) if run.name == "fashion_mnist/regularized")
    told = review_as_json(review(run, catalogue()))["measured"]["overfitting"]
    assert told["what"] == "rise of the validation loss since its lowest point"
    assert told["value"] == "0 %"
    assert told["limit"].startswith("above ")
    assert told["limit"].endswith(" %")
    assert told["curve"]["tag"] == "epoch_loss"
