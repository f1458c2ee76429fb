"""The programs behind the recorded logs: functions that train for real and log into the directory that they are given.

Modules are named after their framework, ``keras_...`` or ``torch_...``, since one process imports one framework. Each module
has ``PROGRAMS``: name -> program. A name ``.../fault`` has a healthy twin ``.../healthy``.
"""

from collections.abc import Callable
from pathlib import Path

from tests.paths import DATA


class NeedsData(Exception):
    """The program needs the data sets of ../shared, which are not here."""


def need_data() -> None:
    if not DATA.is_dir():
        raise NeedsData


class Programs(dict[str, Callable[[Path], object]]):
    """Programs by name; as a decorator it adds a function under the function's own name."""

    def __call__(self, program: Callable[[Path], object]) -> Callable[[Path], object]:
        self[program.__name__] = program
        return program

    def pair(self, name: str, fault: Callable[[Path], object], healthy: Callable[[Path], object]) -> None:
        """A training with a fault and its healthy twin."""
        self[f"{name}/fault"], self[f"{name}/healthy"] = fault, healthy
