"""Preflights of sound programs of many kinds, as their authors left them (`tests/controls/keras`)."""

import functools

from tests import controls
from tests.recorded.programs import Programs

PROGRAMS = Programs(
    {
        program.stem: functools.partial(controls.fly, program)
        for program in controls.PROGRAMS
        if program.parent.name == "keras" and controls.refusal(program) is None
    }
)
