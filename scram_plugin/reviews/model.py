"""The review of one training run: what was found, what passed, and what could not be checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from scram_plugin.heuristics.heuristic import CONFIDENCES, Finding
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.curve import CurveName
from scram_plugin.logs.kinds import KINDS, Kind
from scram_plugin.logs.measure import Measure
from scram_plugin.logs.settings import Value
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.score import RunScore
from scram_plugin.severity import SEVERITIES

FEW = 4  # passed checks: with fewer, and most others inconclusive, a training is not called fine
KNOWN = "known before"
SETTINGS = "settings"  # the name of the fact that tells those of the log
HeadlineKind = Literal["trouble", "info", "early", "fine", "unknown"]


@dataclass(frozen=True)
class Unclear:
    """A check that had its data and could not decide. `early`: more of the same training will tell; `failed`: by an error."""

    heuristic: str
    group: str
    reason: str
    early: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Unchecked:
    """A check whose data were not logged: why, and what to log, as a sentence or as code."""

    heuristic: str
    group: str
    reason: str
    how: str


@dataclass(frozen=True)
class Aside:
    """A finding that does not count: the user accepts it, or it is `known` from a baseline. `reason` may be empty."""

    finding: Finding
    reason: str
    known: bool = False

    @property
    def why(self) -> str:
        return KNOWN if self.known else "accepted as no problem here"

    @property
    def said(self) -> str:
        """The reason, for readers that do not ask whether the finding is known."""
        return f"known: {self.reason}" if self.known else self.reason


@dataclass(frozen=True)
class Signal:
    """The curve that was taken for a signal."""

    tensorboard_run: str
    tag: str
    axis: str


@dataclass(frozen=True)
class Sketch:
    """A curve in few points, for small drawings."""

    tensorboard_run: str
    tag: str
    steps: list[int]
    values: list[float]


class Headline(NamedTuple):
    """What to know first: kind "trouble", "info", "early", "fine" or "unknown", and a sentence."""

    kind: HeadlineKind
    text: str


HARM = (
    "nonfinite-loss",
    "divergence",
    "no-learning",
    "plateau",
    "overfitting",
    "return-collapse",
)  # what a user sees of a fault


@dataclass(frozen=True)
class Chart:
    """Curves in one picture with their names, the loss of guessing, and a description in words."""

    curves: tuple[CurveName, ...]
    labels: tuple[str, ...]
    log: bool
    guess: float | None
    description: str


@dataclass(frozen=True)
class Overview:
    """The first picture of a training run: charts over one axis, which goes from the first to the last of `steps`."""

    axis: str
    steps: tuple[int, int]
    charts: tuple[Chart, ...]


RANK = {"trouble": 0, "info": 1, "early": 2, "unknown": 3, "fine": 4}  # of the kinds of headlines


@dataclass(frozen=True)
class Review:
    """All outcomes of one training run."""

    name: str
    tensorboard_runs: tuple[str, ...]
    framework: str | None
    notes: tuple[str, ...]
    training: Kind = "supervised"
    without_event_files: tuple[str, ...] = ()  # TensorBoard runs that TensorBoard itself does not show
    findings: tuple[Finding, ...] = ()
    accepted: tuple[Aside, ...] = ()
    passed: tuple[str, ...] = ()
    inconclusive: tuple[Unclear, ...] = ()
    not_checked: tuple[Unchecked, ...] = ()
    signals: Mapping[str, Signal] = field(default_factory=dict)
    measured: Mapping[str, Measure] = field(default_factory=dict)  # heuristic that passed -> what it looked at
    about: tuple[tuple[str, str], ...] = ()  # facts of the run, each with its name
    settings: Mapping[str, Value] = field(default_factory=dict)  # with which it was trained, wherever they were told
    scores: tuple[RunScore, ...] = ()  # how good it became, by the measure that counts first
    program: str = ""  # the file that trained it, where that is known
    overview: Overview | None = None
    sketches: tuple[Sketch, ...] = ()  # the curves of findings
    complete: bool = True  # whether every file could be opened; if not, another look may find more
    gaps: int = 0  # parts of the training that were not recorded, before the recording went on
    stopped: str = ""  # why and where the recording stopped before the training did; empty if it did not
    live: bool = False  # the log has a beginning of the training, and no end

    @property
    def score(self) -> RunScore | None:
        """How good the run became, by the measure that counts for its kind; None if none was logged."""
        return self.scores[0] if self.scores else None

    def score_by(self, signal: str) -> RunScore | None:
        """How good the run became by a signal or a tag; "": by the measure that counts for its kind."""
        if not signal:
            return self.score
        tags = {name: read.tag for name, read in self.signals.items()}
        return next((score for score in self.scores if signal in (score.signal, tags.get(score.signal))), None)

    @property
    def alone(self) -> list[Finding]:
        """The findings that no other one explains."""
        return [finding for finding in self.findings if finding.explained_by is None]

    @property
    def accepted_alone(self) -> list[Aside]:
        """The accepted findings, without their consequences."""
        return [aside for aside in self.accepted if aside.finding.explained_by is None]

    @property
    def all_findings(self) -> list[Finding]:
        """The findings, then those that were put aside."""
        return [*self.findings, *(aside.finding for aside in self.accepted)]

    def with_findings(self, change: Callable[[Finding], Finding]) -> Review:
        """The review with each finding changed, also those that were put aside."""
        return replace(
            self,
            findings=tuple(map(change, self.findings)),
            accepted=tuple(replace(aside, finding=change(aside.finding)) for aside in self.accepted),
        )

    @property
    def silent(self) -> list[Unclear | Unchecked]:
        """The checks without an answer."""
        return [*self.inconclusive, *self.not_checked]

    @property
    def decided(self) -> bool:
        """Whether any check could decide; one that found nothing in a log that breaks off has not."""
        if self.stopped:
            return bool(self.findings or self.accepted)
        return bool(self.findings or self.accepted or self.passed or any(not entry.failed for entry in self.inconclusive))

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to report beyond the headline and the kind of the training."""
        kinds = {kind.sentence for kind in KINDS.values()}
        return not (self.alone or self.accepted or set(self.notes) - kinds)

    def counts(self) -> dict[str, int]:
        """Findings of each severity; those that another finding explains do not count."""
        own = [finding.severity for finding in self.alone]
        return {severity: own.count(severity) for severity in SEVERITIES}

    @property
    def rank(self) -> tuple[int, ...]:
        """Sorts training runs, the worst first: by the kind of the headline, by the gravest finding (its severity, how sure it
        is), by the number of errors and warnings, and by how early the fault shows."""
        counts, kind = self.counts(), RANK[self.headline().kind]
        if not self.alone:
            return (kind,)
        gravest, sure, early = min(
            (SEVERITIES.index(f.severity), CONFIDENCES.index(f.confidence), f.first_step) for f in self.alone
        )
        return kind, gravest, sure, -counts["error"], -counts["warning"], early

    def headline(self) -> Headline:
        counts = self.counts()
        if counts["error"] or counts["warning"]:
            words = [counted(n, word) for word in ("error", "warning") if (n := counts[word])]
            first = self.alone[0]
            harm = [
                f for f in self.findings if f.explained_by == first.heuristic and f.heuristic in HARM and f.severity != "info"
            ]
            seen = f". Consequence: {harm[0].title}" if harm and first.heuristic not in HARM else ""
            return Headline("trouble", f"Trouble: {' and '.join(words)}. {first.title}{seen}.")
        if self.stopped:
            known = "; nothing wrong was seen until then" if self.signals else ""
            return Headline("unknown", f"{self.stopped[0].upper()}{self.stopped[1:]}{known}.")
        if counts["info"]:
            more = f" and {counts['info'] - 1} more" if counts["info"] > 1 else ""
            return Headline("info", f"No trouble found. Worth knowing: {self.alone[0].title}{more}.")
        early = [entry.reason for entry in self.inconclusive if entry.early]
        if len(early) > len(self.passed):
            return Headline("early", f"Too {'early' if self.live else 'few points'} to tell: {early[0]}.")
        if len(self.passed) < min(FEW, len(self.silent)):
            what = "Little" if self.passed else "Nothing"
            if not self.signals and self.notes:  # usually about files that cannot be read
                return Headline("unknown", f"{what} could be checked: {self.notes[0]}")
            # every training has a loss: why it was not found says more than that SCRAM's own statistics are missing
            reasons = Counter(entry.reason for entry in self.silent if entry.group == "curves")
            reasons = reasons or Counter(entry.reason for entry in self.silent)
            return Headline("unknown", f"{what} could be checked: {reasons.most_common(1)[0][0]}.")
        done = f"{counted(len(self.passed), 'check')} passed"
        unsure = f", {len(self.inconclusive)} inconclusive" if self.inconclusive else ""
        told = Counter(aside.why for aside in self.accepted_alone)
        apart = "".join(f", {n} {why}" for why, n in told.items())
        if self.gaps:
            text = f"Nothing {'new' if KNOWN in told else 'wrong'} in what was recorded, which has {counted(self.gaps, 'gap')}"
            return Headline("unknown", f"{text}: {done}{unsure}{apart}.")
        return Headline("fine", f"Nothing {'new' if KNOWN in told else 'wrong'} found: {done}{unsure}{apart}.")

    def outcomes(self, order: Sequence[str]) -> str:
        """A letter for each heuristic of `order`: E, W or I for its gravest finding (small, where another finding explains it),
        "+" passed, "a" accepted, "?" inconclusive, "-" not checked."""
        letters = dict.fromkeys(self.passed, "+")
        letters |= {aside.finding.heuristic: "a" for aside in self.accepted}
        letters |= {entry.heuristic: "?" for entry in self.inconclusive}
        letters |= {entry.heuristic: "-" for entry in self.not_checked}
        for finding in reversed(self.findings):  # the gravest last
            letter = finding.severity[0]
            letters[finding.heuristic] = letter.upper() if finding.explained_by is None else letter
        return "".join(letters.get(heuristic, "-") for heuristic in order)

    def within(self, logdir: str) -> Review:
        """The review with names that begin with the log directory's, to tell apart those of several."""

        def named(name: str) -> str:
            return named_within(logdir, name)

        def moved_all(curves: Sequence[CurveName]) -> tuple[CurveName, ...]:
            return tuple(CurveName(named(curve.tensorboard_run), curve.tag) for curve in curves)

        def moved_chart(chart: Chart) -> Chart:
            return replace(chart, curves=moved_all(chart.curves))

        def moved(finding: Finding) -> Finding:
            shown = replace(finding.picture, curves=moved_all(finding.picture.curves))
            fixes = tuple(
                fix if fix.proof is None else replace(fix, proof=replace(fix.proof, runs=tuple(map(named, fix.proof.runs))))
                for fix in finding.fixes
            )
            return replace(finding, curves=moved_all(finding.curves), picture=shown, fixes=fixes)

        return replace(
            self.with_findings(moved),
            name=named(self.name),
            tensorboard_runs=tuple(map(named, self.tensorboard_runs)),
            without_event_files=tuple(map(named, self.without_event_files)),
            signals={name: replace(s, tensorboard_run=named(s.tensorboard_run)) for name, s in self.signals.items()},
            measured={
                heuristic: replace(m, curve=None if m.curve is None else moved_all([m.curve])[0])
                for heuristic, m in self.measured.items()
            },
            overview=None
            if self.overview is None
            else replace(self.overview, charts=tuple(map(moved_chart, self.overview.charts))),
            sketches=tuple(replace(sketch, tensorboard_run=named(sketch.tensorboard_run)) for sketch in self.sketches),
        )


def named_within(logdir: str, name: str) -> str:
    """The name of a run among those of several log directories."""
    return logdir if name == "." else f"{logdir.rstrip('/')}/{name}"


def worst_first(reviews: Iterable[Review]) -> list[Review]:
    """As reports list them: those with trouble first, then those with remarks; by name among equals."""

    return sorted(reviews, key=lambda review: (review.rank, review.name))


def totals(reviews: Sequence[Review]) -> str:
    """The number of training runs and of their findings: "6 training runs: 2 errors, 1 warning"."""
    each = [review.counts() for review in reviews]
    counts = {severity: sum(of_run[severity] for of_run in each) for severity in SEVERITIES}
    found = ", ".join(f"{n:,} info" if severity == "info" else counted(n, severity) for severity, n in counts.items() if n)
    nothing = "nothing found" if any(review.decided for review in reviews) else "nothing could be checked"
    apart = Counter(aside.why for review in reviews for aside in review.accepted_alone)
    words = "".join(f", {n:,} {why}" for why, n in apart.items())
    return f"{counted(len(reviews), 'training run')}: {found or nothing}{words}"


def identity(finding: Finding) -> tuple[str, str, str]:
    """What makes a finding the same one in two reviews of a training run: heuristic, severity, and the first curve's tag."""
    return finding.heuristic, finding.severity, finding.curves[0].tag


@dataclass(frozen=True)
class Reviewed:
    """A training run and its review."""

    run: TrainingRun
    review: Review
