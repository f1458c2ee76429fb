"""What a heuristic is, and what it can say of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

CONFIDENCES = ("certain", "likely", "possible")  # surest first


@dataclass(frozen=True)
class Option:
    """A threshold or switch. `help` says what it does, its unit, and where the default comes from."""

    name: str
    default: bool | int | float | str
    help: str


@dataclass(frozen=True)
class Cause:
    """A likely cause, named by its heading in the page, with what this run's evidence says for and against it."""

    id: str
    for_: str = ""
    against: str = ""
    edit: Edit | None = None  # the fix, in the user's own lines


@dataclass(frozen=True)
class Finding:
    """One problem found in one training run.

    `evidence` holds the numbers of this run under the names that the page's template uses; `causes` are in order of
    likelihood; `curves` name the series that show the problem, the most telling first.
    """

    severity: str
    confidence: str
    title: str
    evidence: Mapping[str, Any]
    first_step: int
    last_step: int
    axis: str
    curves: list[dict[str, str]]
    causes: list[Cause]
    bad_step: int | None = None  # the point to mark, on the axis of the first curve
    best_step: int | None = None


class Inconclusive(Exception):
    """Raised by a check that has its signals but cannot judge them; the text is the reason, a sentence."""


class TooEarly(Inconclusive):
    """As Inconclusive; more of the same training will tell. The text says how much, for example "it needs 7 epochs"."""


class NotChecked(Exception):
    """Raised by a check whose signals were not logged. `how` says what to log, as a sentence or a line of code."""

    def __init__(self, reason: str, how: str) -> None:
        super().__init__(reason)
        self.how = how


@dataclass(frozen=True)
class Heuristic:
    """One check. `check(run, options)` is pure: it sees the training run and its options, no file and no clock."""

    id: str
    group: str  # "curves", "data", "model", "layers" or "preflight": the evidence it needs
    title_passed: str
    check: Callable[[TrainingRun, Mapping[str, Any]], Iterable[Finding]]
    page: Page
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()  # the signals, in words
    defaults: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defaults", {option.name: option.default for option in self.options})


STRICT = Option("strict", False, "judge by the rule of the 2020 research prototype, to the letter, with no allowance for noise")
