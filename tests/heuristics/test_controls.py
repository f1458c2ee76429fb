"""Nothing is raised of sound trainings, of whatever kind they are, before they begin."""

import pytest

from tests import controls
from tests.training.preflight.test_program import flown


@pytest.mark.parametrize("program", controls.PROGRAMS, ids=controls.name_of)
def test_nothing_is_found(program, tmp_path):
    if not controls.can_run(program):
        pytest.skip("needs the data sets of ../shared")
    refusal = controls.refusal(program)
    said, found = flown(tmp_path, program.read_text(), status=2 if refusal else 0)
    assert [(heuristic, cause) for heuristic, cause, _ in found] == []
    assert (refusal or "") in said
