"""How far each limit of a check can move before an answer is wrong.

    python -m tests.benchmarks.limits [--only overfitting] [--simulated 20]

Moves one option or one constant of a module at a time, up and down, and checks the recorded trainings of `tests/recorded`
and simulated ones again. Prints for each limit its value and the range in which

- no healthy training gets a warning or an error that it does not get today, and
- no faulty training loses one that it gets today,

each with the number of trainings that turn at the end of the range. "any" means that nothing changed on the whole ladder:
no training comes near this limit. These ranges are the source of the limits that say "by bench-limits".

Each check answers for itself: what explains what, and what is accepted, is not applied.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.curves import shape
from scram_plugin.heuristics.heuristic import Heuristic
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from tests.benchmarks.simulated import FAULTS, faulty, healthy
from tests.recorded import KEPT, index
from tests.reviews import findings_of

LADDER = (1.1, 1.5, 2.0, 4.0, 10.0)  # factors by which a limit is moved, in this order, until an answer is wrong
ROOM = "scram_plugin.heuristics."
HEALTHY = ("keras_controls", "torch_controls", "torch_language_models")  # recorded programs without a fault


@dataclass(frozen=True)
class Limit:
    """An option of a check, or a number of a module (with its place, if it is one of a tuple)."""

    module: str
    name: str
    value: float
    place: int | None = None
    option: bool = False

    def __str__(self) -> str:
        where = "" if self.place is None else f"[{self.place}]"
        return f"{self.module.removeprefix(ROOM)}.{self.name}{where}"

    def moved(self, factor: float) -> float | int:
        """The value times this factor; a whole number stays one, and changes by one at least."""
        if not isinstance(self.value, int):
            return self.value * factor
        far = round(self.value * factor)
        return far if far != self.value else self.value + (1 if factor > 1 else -1)


def limits(rules: list[Heuristic]) -> Iterator[Limit]:
    """All numeric options of the built-in checks, and all numbers in capitals of the modules in which they stand."""
    for rule in rules:
        for option in rule.options:
            if isinstance(option.default, int | float) and not isinstance(option.default, bool):
                yield Limit(rule.check.__module__, option.name, option.default, option=True)
    for name, module in sorted(sys.modules.items()):
        if not name.startswith(ROOM) or module is None:
            continue
        for constant in assigned(name):
            value = vars(module)[constant]
            values = value if isinstance(value, tuple) else (value,)
            if not constant.startswith("_") and values and all(map(_is_number, values)):
                for i, each in enumerate(values):
                    yield Limit(name, constant, each, i if isinstance(value, tuple) else None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _statements(module: str) -> list[ast.stmt]:
    file = sys.modules[module].__file__
    return ast.parse(Path(file).read_text(encoding="utf-8")).body if file else []


def assigned(module: str) -> list[str]:
    """The names in capitals that a module assigns."""
    targets = [target for line in _statements(module) if isinstance(line, ast.Assign) for target in line.targets]
    names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [name for name in names if name.isupper()]


@cache
def reads(module: str) -> frozenset[tuple[str, str]]:
    """What a module imports from others of this room, directly or not: (module, name)."""
    found: set[tuple[str, str]] = set()
    seen, waiting = {module}, [module]
    while waiting:
        for line in _statements(waiting.pop()):
            if isinstance(line, ast.ImportFrom) and line.module and line.module.startswith(ROOM):
                found |= {(line.module, alias.name) for alias in line.names}
                if line.module not in seen and line.module in sys.modules:
                    seen.add(line.module)
                    waiting.append(line.module)
    return frozenset(found)


def uses(rule: Heuristic, limit: Limit) -> bool:
    """Whether a limit may change what a rule finds: it stands in the rule's module, or in one that the rule reads."""
    own = rule.check.__module__
    others = reads(own)
    shared = {module for module, _ in others} - {f"{ROOM}limits"}  # of this one only the names that are read count
    return limit.module == own or limit.module in shared or (limit.module, limit.name) in others


@contextmanager
def at(limit: Limit, value: float) -> Iterator[Mapping[str, Any]]:
    """Moves a limit. Gives the options to check with; a constant is replaced in every module that holds it."""
    if limit.option:
        yield {limit.name: value}
        return
    known = vars(sys.modules[limit.module])[limit.name]
    moved = value if limit.place is None else (*known[: limit.place], value, *known[limit.place + 1 :])
    holders = [
        m for n, m in sys.modules.items() if n.startswith(ROOM) and limit.name in vars(m) and vars(m)[limit.name] is known
    ]
    try:
        for module in holders:
            setattr(module, limit.name, moved)
        shape._known.clear()
        yield {}
    finally:
        for module in holders:
            setattr(module, limit.name, known)
        shape._known.clear()


def alarmed(rule: Heuristic, run: TrainingRun, options: Mapping[str, Any]) -> bool:
    """Whether a rule gives a warning or an error on a training run."""
    return any(finding.severity != "info" for finding in findings_of(rule, run, options))


def wrong(
    rules: list[Heuristic],
    truths: list[tuple[TrainingRun, bool]],
    today: dict[tuple[str, int], bool],
    options: Mapping[str, Any],
) -> tuple[int, int]:
    """(healthy trainings with a new alarm, faulty trainings that lost one)."""
    new, lost = set(), set()
    for rule in rules:
        for i, (run, sound) in enumerate(truths):
            now, before = alarmed(rule, run, options), today[rule.id, i]
            if sound and now and not before:
                new.add(i)
            if not sound and before and not now:
                lost.add(i)
    return len(new), len(lost)


def end(limit: Limit, up: bool, judge: Callable[[Limit, float], tuple[int, int]]) -> tuple[float | None, str]:
    """The last value on the ladder at which no answer is wrong (None: on the whole ladder), and what is wrong behind it."""
    last: float = limit.value
    for factor in LADDER:
        value = limit.moved(factor if up else 1 / factor)
        if value == last:
            continue
        alarms, misses = judge(limit, value)
        if alarms or misses:
            return last, f"{value:g}: " + ", ".join(f"{n} {what}" for n, what in ((alarms, "alarms"), (misses, "misses")) if n)
        last = value
    return None, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only limits whose name contains this")
    parser.add_argument(
        "--simulated", type=int, default=20, help="simulated trainings of each fault; five times as many healthy"
    )
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    truths = [
        (run, row[0].startswith(HEALTHY) or row[0].endswith("/healthy"))
        for row in index()
        for run in training_runs(read(KEPT / row[0]))
    ]
    truths += [(healthy(rng).run, True) for _ in range(5 * asked.simulated)]
    truths += [(faulty(rng, fault).run, False) for fault in FAULTS for _ in range(asked.simulated)]
    rules = list(catalogue().heuristics)
    today = {(rule.id, i): alarmed(rule, run, {}) for rule in rules for i, (run, _) in enumerate(truths)}
    print(f"{len(truths)} trainings, {sum(sound for _, sound in truths)} of them healthy")
    print(f"{'limit':52}{'value':>10}{'from':>11}{'to':>11}  what is wrong beyond")

    def judge(limit: Limit, value: float) -> tuple[int, int]:
        using = [rule for rule in rules if (rule.check.__module__ == limit.module if limit.option else uses(rule, limit))]
        with at(limit, value) as options:
            return wrong(using, truths, today, options)

    chosen = [limit for limit in limits(rules) if asked.only in str(limit)]
    near = 0
    for limit in track(chosen, "limits", transient=True):
        (low, below), (high, above) = (end(limit, up, judge) for up in (False, True))
        near += bool(below or above)
        shown = ["any" if value is None else f"{value:g}" for value in (low, high)]
        print(
            f"{limit!s:52}{limit.value:>10g}{shown[0]:>11}{shown[1]:>11}  {'; '.join(filter(None, (below, above)))}", flush=True
        )
    print(f"{near} of {len(chosen)} limits cannot move by a factor of {LADDER[-1]:g} without a wrong answer")


if __name__ == "__main__":
    main()
