"""What a heuristic is, and what it can say of a training run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal

from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.curve import CurveName
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import SEVERITIES, Severity

Confidence = Literal["certain", "likely", "possible"]
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")  # surest first
NO_CURVE = "curves is a list with at least one curve that shows the problem; curve.source() names one"
NO_CAUSE = "causes is a list with at least one Cause(...), the likeliest first"
# what findings have in common that others bring about
FAMILIES = {
    "curve-shape": "what a curve does, which means nothing where the loss is NaN",
    "standstill": "the training does not get on",
    "unrest": "the loss is unsteady, or grows",
    "blow-up": "what was learned is lost",
    "signal-flow": "outputs, gradients or updates of layers vanish or explode",
    "non-finite": "NaN or infinity",
    "preflight-test": "the model fails a test of a preflight",
}
NEVER_EXCLUDED = ("learning-rate",)  # a usual rate can still be too high for a model
LAST = 1_000_000  # heuristics of the user's own come last, and in the order in which they are named
CALIBRATED = "recorded trainings: `make bench-limits` prints how far it can move"  # source of an `Option`
FILLED_IN = ("heuristic", "summary", "fixes", "explained_by", "picture")  # fields of a finding that no check gives
GROUPS = ("data", "model", "curves", "layers", "preflight")  # by the evidence that a check needs
INPUTS, TARGETS, OUTPUTS, LOSS, OPTIMIZER = "inputs", "targets", "outputs", "loss", "optimizer"  # of `where`, beside layers


@dataclass(frozen=True)
class Option:
    """A threshold or switch. `help` says what it does, and its unit; `source` where the default comes from: a paper, the
    default of a framework, or the command of this repository that prints how far it can move before an answer is wrong."""

    name: str
    default: bool | int | float | str
    help: str
    source: str = ""


@dataclass(frozen=True)
class Cause:
    """A likely cause, named by its heading in the page, with what this run's evidence says for and against it.

    `title` is that of the page; the review fills it in.
    """

    id: str
    for_: str = ""
    against: str = ""
    edit: Edit | None = None  # the fix, in the user's own lines
    title: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError, with what would be right, for a cause that cannot be shown."""
        for name in ("id", "for_", "against", "title"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} of a cause is text, not {getattr(self, name)!r}")
        if self.edit is not None and not isinstance(self.edit, Edit):
            raise ValueError(f"edit is an Edit(file, line, before, after) or None, not {self.edit!r}")


def by_evidence(causes: Iterable[Cause]) -> list[Cause]:
    """Causes with evidence for them first, those with evidence against them last; otherwise in the given order."""
    return sorted(causes, key=lambda cause: (not cause.for_, bool(cause.against) and cause.id not in NEVER_EXCLUDED))


@dataclass(frozen=True)
class FixProof:
    """What came of trying a fix: two short runs of the program, without it and with it (see `fixing/verdict.py`).

    `before` and `after` are levels of `measure`; `runs` the training runs that were compared.
    """

    verdict: str  # "better", "same", "worse", "breaks" or "unknown"
    sentence: str
    measure: str = ""
    before: float | None = None
    after: float | None = None
    seeds: int = 0
    batches: int = 0
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fix:
    """How to fix a cause: what the page says, with code for one framework, and perhaps as an edit of the user's own lines."""

    cause: str
    title: str
    text: str
    framework: str
    code: str
    edit: Edit | None = None
    proof: FixProof | None = None


@dataclass(frozen=True)
class Picture:
    """How the curves of a finding are shown, in the tab and in every report: those that share an axis, the first one first.

    `part` are the steps to show at first (None: all), `log` whether on a logarithmic axis, `description` what the picture
    shows for those who cannot see it.
    """

    curves: tuple[CurveName, ...] = ()
    labels: tuple[str, ...] = ()
    part: tuple[int, int] | None = None
    log: bool = False
    description: str = ""


@dataclass(frozen=True)
class Finding:
    """One problem found in one training run.

    `evidence` holds the numbers of this run under the names that the page's template uses; `causes` are in order of
    likelihood; `curves` name the series that show the problem, the most telling first.

    The next six say what it can bring about (`consequence.py`); each may be left out. `where` it is: paths of layers, or
    "inputs", "targets", "outputs", "loss", "optimizer". `since`: it had begun by this step at the latest, if that is not
    `bad_step` or `first_step`. `brings`: families and ids of heuristics, fewer than its heuristic `explains`. `times`: how many
    times larger than usual it makes numbers. `at_once`: whether it acts on the values of the same step, `by_updates`: whether
    through updates of the weights.

    The last five are not the check's: the review fills them in, from the page and from the other findings.
    """

    severity: Severity
    confidence: Confidence
    title: str
    evidence: Mapping[str, Any]
    first_step: int
    last_step: int
    axis: str
    curves: Sequence[CurveName]
    causes: Sequence[Cause]
    bad_step: int | None = None  # the point to mark, on the axis of the first curve
    best_step: int | None = None
    where: Sequence[str] = ()
    since: int | None = None
    brings: Sequence[str] | None = None
    times: float | None = None
    at_once: bool = True
    by_updates: bool = True
    heuristic: str = ""  # its id
    summary: str = ""  # the page's template with the evidence
    fixes: tuple[Fix, ...] = ()
    explained_by: str | None = None  # the heuristic of another finding, of which this one is a consequence
    picture: Picture = Picture()

    def __post_init__(self) -> None:
        """Raises ValueError, with what would be right, for a finding that cannot be shown."""
        _one_of("severity", self.severity, SEVERITIES)
        _one_of("confidence", self.confidence, CONFIDENCES)
        for name in ("title", "axis"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name} is text that is not empty, not {getattr(self, name)!r}")
        if not isinstance(self.evidence, Mapping) or not all(isinstance(name, str) for name in self.evidence):
            raise ValueError("evidence is a dictionary: the names that the page's template uses, and their values")
        for name in ("first_step", "last_step", "bad_step", "best_step", "since"):
            step = getattr(self, name)
            if not isinstance(step, Integral) and not (step is None and name in ("bad_step", "best_step", "since")):
                raise ValueError(f"{name} is a whole number, not {step!r}")
        for name in ("at_once", "by_updates"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False, not {getattr(self, name)!r}")
        for name in ("where", "brings"):
            given = getattr(self, name)
            if given is None and name == "brings":
                continue
            if not isinstance(given, list | tuple) or not all(isinstance(entry, str) for entry in given):
                raise ValueError(f"{name} is a list of texts, not {given!r}; one alone needs a comma")
            object.__setattr__(self, name, tuple(given))
        if self.times is not None and not isinstance(self.times, Real):
            raise ValueError(f"times is a number, not {self.times!r}")
        if self.first_step > self.last_step:
            raise ValueError(f"first_step ({self.first_step}) comes after last_step ({self.last_step})")
        object.__setattr__(self, "curves", tuple(map(_curve_name, _some(self.curves, NO_CURVE))))
        causes = tuple(_some(self.causes, NO_CAUSE))
        if not all(isinstance(cause, Cause) for cause in causes):
            raise ValueError(NO_CAUSE)
        object.__setattr__(self, "causes", causes)

    @property
    def latest(self) -> int:
        """The last step at which it can have begun."""
        return next(step for step in (self.since, self.bad_step, self.first_step) if step is not None)

    @property
    def mark(self) -> int | None:
        """The point to look at: the first bad one, or else the best one."""
        return self.bad_step if self.bad_step is not None else self.best_step


def _some(value: object, sentence: str) -> Sequence[Any]:
    """A list or tuple that is not empty. Raises ValueError with this sentence for anything else."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(sentence)
    return value


def _curve_name(curve: object) -> CurveName:
    """A curve's name; a mapping with these keys counts as one. Raises ValueError for anything else."""
    if isinstance(curve, CurveName):
        return curve
    try:
        return CurveName(curve["tensorboard_run"], curve["tag"])  # type: ignore[index]
    except (KeyError, TypeError):
        raise ValueError(f"a curve is named by tensorboard_run and tag, as curve.source() gives it, not by {curve!r}") from None


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")


def absent(*names: str) -> dict[str, None]:
    """Evidence that this kind of finding does not have: lines of the page's template that ask for it are left out."""
    return dict.fromkeys(names)


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
    group: str  # one of GROUPS
    title_passed: str
    check: Callable[[TrainingRun, Mapping[str, Any]], Iterable[Finding]]
    page: Page
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()  # the signals, in words
    order: int = LAST  # its place in reports: in the order in which an expert would ask
    families: tuple[str, ...] = ()  # of FAMILIES
    explains: tuple[str, ...] = ()  # families, and ids of other heuristics, whose findings are consequences of its own
    precedence: int = LAST  # of several that explain a finding the one with the lowest number does
    unexplained: tuple[str, ...] = ()  # causes of findings that are no consequence of anything
    whole_training: bool = False  # it needs more than the short training of a preflight
    defaults: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Raises ValueError, with what would be right, for a heuristic that cannot be applied."""
        if not isinstance(self.id, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"id is words of small letters with hyphens between, like slow-start, not {self.id!r}")
        _one_of("group", self.group, GROUPS)
        if not isinstance(self.title_passed, str) or not self.title_passed:
            raise ValueError(f"title_passed is text that is not empty, not {self.title_passed!r}")
        if not callable(self.check):
            raise ValueError(f"check is a function of a training run and options, not {self.check!r}")
        if not isinstance(self.page, Page):
            raise ValueError(f"page is Page.beside(__file__), not {self.page!r}")
        tuples = {"options": Option, **dict.fromkeys(("needs", "families", "explains", "unexplained"), str)}
        for name, kind in tuples.items():
            if not isinstance(getattr(self, name), tuple) or not all(isinstance(e, kind) for e in getattr(self, name)):
                raise ValueError(f"{name} is a tuple of {kind.__name__}, not {getattr(self, name)!r}; one alone needs a comma")
        for name in ("order", "precedence"):
            if not isinstance(getattr(self, name), Integral):
                raise ValueError(f"{name} is a whole number, not {getattr(self, name)!r}")
        if not isinstance(self.whole_training, bool):
            raise ValueError(f"whole_training is True or False, not {self.whole_training!r}")
        for family in self.families:
            _one_of("a family", family, tuple(FAMILIES))
        for option in self.options:
            if not isinstance(option.default, (bool, int, float, str)):
                raise ValueError(f"the default of {option.name} is true or false, a number or text, not {option.default!r}")
        defaults = {option.name: option.default for option in self.options}
        object.__setattr__(self, "defaults", defaults)
        object.__setattr__(self, "page", self.page.with_numbers(defaults))


STRICT = Option(
    "strict",
    False,
    "judge by the rule of the 2020 research prototype, to the letter, with no allowance for noise",
    "false: `make bench-verdicts` prints how often each rule is wrong",
)
