"""At which value of each option the answer of a recorded training turns: ``turning_points.tsv``, which a test holds to.

    python -m tests.recorded.turning_points

writes it again, in a few minutes. A change of a rule shows there as a difference, to be read before it is committed; a change
of a default does not. Of all trainings the one stands there that turns nearest to the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from rich.progress import track

from scram_plugin.heuristics.catalogue import HEURISTICS, catalogue
from scram_plugin.heuristics.heuristic import Heuristic, Option
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from tests.recorded import HERE, KEPT, index
from tests.reviews import findings_of

FILE = HERE / "turning_points.tsv"
STRIDE = 1.5  # factor of each move away from the default
REACH = 1e7  # times the default, up and down, at most
CLOSE = 1e-6  # relative: so near a turning point of a number that is not whole is told
MOST_POINTS = 100_000  # a whole number is not moved further: no recorded training has so many


class TurningPoint(NamedTuple):
    """The training gives a finding for values of the option up to `at`, or from there on (for whole numbers: including it)."""

    heuristic: str
    option: str
    log: str
    found: str  # "up to" or "from"
    at: float

    def values(self) -> tuple[float, float]:
        """A value just inside, with a finding, and one just outside."""
        whole = isinstance(self.at, int)
        step = (1 if whole else 2 * CLOSE * self.at) * (1 if self.found == "up to" else -1)
        return (self.at, self.at + step) if whole else (self.at - step, self.at + step)


@cache
def run_of(log: str) -> TrainingRun:
    (run,) = [run for run in training_runs(read(KEPT / log)) if run.is_last]
    return run


def finds(heuristic: Heuristic, run: TrainingRun, options: Mapping[str, Any]) -> bool:
    """Whether the check gives a finding."""
    return bool(findings_of(heuristic, run, options))


def turning_point(heuristic: Heuristic, option: Option, log: str, nearest: float) -> TurningPoint | None:
    """The value nearest to the default at which the answer turns; None if there is none nearer than by this factor."""
    run, default = run_of(log), option.default
    assert isinstance(default, int | float)
    now = finds(heuristic, run, {})
    for up in (True, False):
        same, factor = default, 1.0
        while factor < nearest:
            factor *= STRIDE
            moved = _moved(default, factor if up else 1 / factor)
            if moved == same:
                continue
            if isinstance(moved, int) and not 0 <= moved < MOST_POINTS:
                break
            if finds(heuristic, run, {option.name: moved}) != now:
                inside, outside = _narrowed(heuristic, option, run, same, moved, now)
                found = inside if now else outside
                other = outside if now else inside
                return TurningPoint(heuristic.id, option.name, log, "up to" if found < other else "from", found)
            same = moved
    return None


def _moved(default: float, factor: float) -> float:
    if not isinstance(default, int):
        return default * factor
    far = round(default * factor)
    return far if far != default else default + (1 if factor > 1 else -1)


def _narrowed(
    heuristic: Heuristic, option: Option, run: TrainingRun, same: float, other: float, now: bool
) -> tuple[float, float]:
    """Two neighbouring values: the last one with the answer of the default, and the first one with the other answer."""
    while abs(other - same) > (1 if isinstance(same, int) else CLOSE * abs(same) / 4):
        middle = (same + other) // 2 if isinstance(same, int) else (same + other) / 2
        if middle in (same, other):
            break
        if finds(heuristic, run, {option.name: middle}) == now:
            same = middle
        else:
            other = middle
    return same, other


def factor_of(point: TurningPoint, default: float) -> float:
    """How far a turning point is from the default."""
    low, high = sorted((abs(point.at), abs(default)))
    return high / low if low else math.inf


def nearest(heuristic: Heuristic, option: Option) -> TurningPoint | None:
    best, far = None, REACH
    for log, *_ in index():
        point = turning_point(heuristic, option, log, far)
        if point is not None and factor_of(point, option.default) < far:  # type: ignore[arg-type]
            best, far = point, factor_of(point, option.default)  # type: ignore[arg-type]
    return best


def numeric_options() -> list[tuple[Heuristic, Option]]:
    return [(h, o) for h in HEURISTICS for o in h.options if not isinstance(o.default, bool | str)]


def kept() -> list[TurningPoint]:
    rows = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()[1:]]
    options = catalogue().heuristics
    defaults = {(h.id, o.name): o.default for h in options for o in h.options}
    number = {key: int if isinstance(default, int) else float for key, default in defaults.items()}
    return [TurningPoint(id_, name, log, found, number[id_, name](at)) for id_, name, log, found, at in rows]


def write() -> None:
    lines = ["\t".join(TurningPoint._fields)]
    for heuristic, option in track(numeric_options(), "options", transient=True):
        point = nearest(heuristic, option)
        if point is not None:
            at = str(point.at) if isinstance(point.at, int) else f"{point.at:.9g}"
            lines.append("\t".join([*point[:-1], at]))
        else:
            print(f"{heuristic.id}.{option.name}: no recorded training turns")
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
    print(FILE)
