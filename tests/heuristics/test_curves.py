"""Heuristics of curves on real trainings of digits, each with its fault and its healthy twin, logged by Keras's TensorBoard.

What they are found by is the log alone, as with anybody's log.
"""

import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS
from tests.heuristics import test_policies
from tests.reviews import finding, found, review_of_recorded

ELSEWHERE = {"overfitting", "nonfinite-loss", *(id_ for id_, _ in test_policies.ALL.values())}
CURVES = [h.id for h in HEURISTICS if h.group == "curves" and h.id not in ELSEWHERE]


@pytest.mark.parametrize("heuristic", CURVES)
def test_a_training_with_the_fault(heuristic):
    result = review_of_recorded("keras_curves", heuristic, "fault")
    one = [f for f in result.findings if f.heuristic == heuristic]
    assert one, (found(result), result.inconclusive)
    assert one[0].summary
    assert "{" not in one[0].summary
    assert one[0].causes
    assert one[0].fixes[0].framework == "keras"


@pytest.mark.parametrize("heuristic", CURVES)
def test_the_healthy_twin(heuristic):
    result = review_of_recorded("keras_curves", heuristic, "healthy")
    assert heuristic in result.passed, finding(result, heuristic) if heuristic in found(result) else result.inconclusive
    assert result.counts()["error"] + result.counts()["warning"] == 0, found(result)
