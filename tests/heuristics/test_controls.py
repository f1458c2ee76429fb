"""Nothing is raised of sound trainings, of whatever kind they are, before they begin."""

import pytest

from tests import controls
from tests.reviews import review_of_recorded
from tests.training.preflight.test_program import flown

FLOWN = [program for program in controls.PROGRAMS if controls.refusal(program) is None]
REFUSED = [program for program in controls.PROGRAMS if controls.refusal(program) is not None]


@pytest.mark.parametrize("program", FLOWN, ids=controls.name_of)
def test_nothing_is_found(program):
    review = review_of_recorded(f"{program.parent.name}_controls", program.stem)
    found = [(f.heuristic, f.causes[0].id) for f in review.alone if f.severity != "info"]
    assert found == []
    assert review.passed


@pytest.mark.slow
@pytest.mark.parametrize("program", REFUSED, ids=controls.name_of)
def test_what_cannot_be_tested_is_refused(program, tmp_path):
    said, _ = flown(tmp_path, program.read_text(), status=2)
    assert controls.refusal(program) in said
