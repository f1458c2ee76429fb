"""`make bench-faults` runs its programs in processes that it forks: they end there as they do when Python runs them."""

import pytest

from tests.benchmarks.faults import told, written
from tests.benchmarks.faults_run import train, troubles
from tests.faults.forms import PROGRAMS
from tests.faults.kinds import inoculated
from tests.faults.torch_kinds import KINDS

PLAIN = next(p for p in PROGRAMS if p.name == "digits_plain")


@pytest.fixture
def with_fault(tmp_path):
    def made(kind):
        ((_, files),) = inoculated(KINDS, PLAIN, 202, [kind])
        written(tmp_path, files)
        return train(tmp_path)

    return made


@pytest.mark.slow
def test_a_healthy_program_says_how_good_it_is(tmp_path):
    written(tmp_path, PLAIN.files(202))
    trained = train(tmp_path)
    assert trained.result > 0.9
    assert (trained.last, troubles(trained.review)) == ("", [])


def test_a_program_that_ends_with_an_error_is_judged_by_what_it_logged(with_fault):
    trained = with_fault("classes counted from 1")
    assert trained.result is None
    assert trained.last.startswith("IndexError")
    assert told(troubles(trained.review)[0]) == "label-range/from-one"
