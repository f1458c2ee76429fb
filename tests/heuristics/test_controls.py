"""Nothing is raised of sound trainings, of whatever kind they are, before they begin."""

import pytest

from tests import controls
from tests.training.preflight.test_program import flown

PROGRAMS = [program for program in controls.PROGRAMS if controls.refusal(program) is None]


@pytest.mark.parametrize("program", PROGRAMS, ids=controls.name_of)
def test_nothing_is_found(program, tmp_path):
    if not controls.can_run(program):
        pytest.skip("needs the data sets of ../shared")
    _, found = flown(tmp_path, program.read_text())
    assert [(heuristic, cause) for heuristic, cause, _ in found] == []
