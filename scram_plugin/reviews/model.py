"""The review of one training run: what was found, what passed, and what could not be checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scram_plugin.heuristics.catalogue import HEURISTICS
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.plain import plain
from scram_plugin.severity import SEVERITIES

FEW = 4  # passed checks: with fewer, and most others inconclusive, a training is not called fine
CURVES = frozenset(heuristic.id for heuristic in HEURISTICS if heuristic.group == "curves")
FAILED = "the check itself failed"


@dataclass
class Review:
    """All outcomes of one training run, as plain values that travel as JSON (see `as_dict`)."""

    name: str
    tensorboard_runs: list[str]
    framework: str | None
    notes: list[str]
    findings: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)  # findings that the user's configuration accepts
    passed: list[str] = field(default_factory=list)
    inconclusive: list[dict[str, Any]] = field(default_factory=list)
    not_checked: list[dict[str, str]] = field(default_factory=list)
    signals: dict[str, dict[str, str]] = field(default_factory=dict)  # the curve that was taken for each signal
    sketches: list[dict[str, Any]] = field(default_factory=list)  # the curves of findings in a few points, for small drawings
    complete: bool = True  # whether every file could be opened; if not, another look may find more
    live: bool = False  # the log has a beginning of the training, and no end

    @property
    def alone(self) -> list[dict[str, Any]]:
        """The findings that no other one explains."""
        return [finding for finding in self.findings if finding["explained_by"] is None]

    @property
    def accepted_alone(self) -> list[dict[str, Any]]:
        """The accepted findings, without their consequences."""
        return [entry for entry in self.accepted if entry["finding"]["explained_by"] is None]

    @property
    def decided(self) -> bool:
        """Whether any check could decide."""
        told = [entry for entry in self.inconclusive if not entry["reason"].startswith(FAILED)]
        return bool(self.findings or self.accepted or self.passed or told)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to report beyond the headline."""
        return not (self.alone or self.notes or self.accepted)

    def counts(self) -> dict[str, int]:
        """Findings of each severity; those that another finding explains do not count."""
        own = [finding["severity"] for finding in self.alone]
        return {severity: own.count(severity) for severity in SEVERITIES}

    def headline(self) -> dict[str, str]:
        """What to know first: kind "trouble", "info", "early", "fine" or "unknown", and a sentence."""
        counts = self.counts()
        if counts["error"] or counts["warning"]:
            words = [counted(n, word) for word in ("error", "warning") if (n := counts[word])]
            return {"kind": "trouble", "text": f"Trouble: {' and '.join(words)}. {self.alone[0]['title']}."}
        if counts["info"]:
            more = f" and {counts['info'] - 1} more" if counts["info"] > 1 else ""
            return {"kind": "info", "text": f"No trouble found. Worth knowing: {self.alone[0]['title']}{more}."}
        early = [entry["reason"] for entry in self.inconclusive if entry["early"]]
        if len(early) > len(self.passed):
            return {"kind": "early", "text": f"Too {'early' if self.live else 'few points'} to tell: {early[0]}."}
        silent = [*self.inconclusive, *self.not_checked]
        if len(self.passed) < min(FEW, len(silent)):
            what = "Little" if self.passed else "Nothing"
            if not self.signals and self.notes:  # usually about files that cannot be read
                return {"kind": "unknown", "text": f"{what} could be checked: {self.notes[0]}"}
            # every training has a loss: why it was not found says more than that SCRAM's own statistics are missing
            reasons = Counter(entry["reason"] for entry in silent if entry["heuristic"] in CURVES) or Counter(
                entry["reason"] for entry in silent
            )
            return {"kind": "unknown", "text": f"{what} could be checked: {reasons.most_common(1)[0][0]}."}
        done = f"{counted(len(self.passed), 'check')} passed"
        unsure = f", {len(self.inconclusive)} inconclusive" if self.inconclusive else ""
        told = Counter(aside(entry)[0] for entry in self.accepted_alone)
        apart = "".join(f", {n} {why}" for why, n in told.items())
        return {"kind": "fine", "text": f"Nothing {'new' if KNOWN in told else 'wrong'} found: {done}{unsure}{apart}."}

    def outcomes(self, order: Sequence[str]) -> str:
        """A letter for each heuristic of `order`: E, W or I for its gravest finding (small, where another finding explains it),
        "+" passed, "a" accepted, "?" inconclusive, "-" not checked."""
        letters = dict.fromkeys(self.passed, "+")
        letters |= {entry["finding"]["heuristic"]: "a" for entry in self.accepted}
        letters |= {entry["heuristic"]: "?" for entry in self.inconclusive}
        letters |= {entry["heuristic"]: "-" for entry in self.not_checked}
        for finding in reversed(self.findings):  # the gravest last
            letter = finding["severity"][0]
            letters[finding["heuristic"]] = letter.upper() if finding["explained_by"] is None else letter
        return "".join(letters.get(heuristic, "-") for heuristic in order)

    def within(self, logdir: str) -> Review:
        """The review with names that begin with the log directory's, to tell apart those of several."""

        def named(name: str) -> str:
            return named_within(logdir, name)

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: named(part) if key == "tensorboard_run" else moved(part) for key, part in value.items()}
            return [moved(part) for part in value] if isinstance(value, list) else value

        names = {"name": named(self.name), "tensorboard_runs": [named(name) for name in self.tensorboard_runs]}
        return Review(**{**moved(vars(self)), **names})

    def as_dict(self) -> dict[str, Any]:
        """The object of one run in the JSON contract. Non-finite numbers are strings."""
        return plain(
            {
                "name": self.name,
                "tensorboard_runs": self.tensorboard_runs,
                "framework": self.framework,
                "notes": self.notes,
                "signals": self.signals,
                "headline": self.headline(),
                "findings": self.findings,
                "accepted": self.accepted,
                "passed": self.passed,
                "inconclusive": self.inconclusive,
                "not_checked": self.not_checked,
            }
        )


def named_within(logdir: str, name: str) -> str:
    """The name of a run among those of several log directories."""
    return logdir if name == "." else f"{logdir.rstrip('/')}/{name}"


KNOWN = "known before"


def aside(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Why a finding that was put aside does not count, and the reason that was given ("" for none)."""
    reason = entry["reason"]
    return (KNOWN, reason.removeprefix("known: ")) if entry.get("known") else ("accepted as no problem here", reason)


RANK = {"trouble": 0, "info": 1, "early": 2, "unknown": 3, "fine": 4}  # of the kinds of headlines


def worst_first(reviews: Iterable[Review]) -> list[Review]:
    """As reports list them: those with trouble first, then those with remarks; by name among equals."""

    def place(review: Review) -> tuple[int, int, int, str]:
        counts = review.counts()
        return RANK[review.headline()["kind"]], -counts["error"], -counts["warning"], review.name

    return sorted(reviews, key=place)


def totals(reviews: Sequence[Review]) -> str:
    """The number of training runs and of their findings: "6 training runs: 2 errors, 1 warning"."""
    each = [review.counts() for review in reviews]
    counts = {severity: sum(of_run[severity] for of_run in each) for severity in SEVERITIES}
    found = ", ".join(f"{n:,} info" if severity == "info" else counted(n, severity) for severity, n in counts.items() if n)
    nothing = "nothing found" if any(review.decided for review in reviews) else "nothing could be checked"
    apart = Counter(aside(entry)[0] for review in reviews for entry in review.accepted_alone)
    words = "".join(f", {n:,} {why}" for why, n in apart.items())
    return f"{counted(len(reviews), 'training run')}: {found or nothing}{words}"


def identity(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    """What makes a finding the same one in two reviews of a training run: heuristic, severity, and the first curve's tag."""
    curves = finding["curves"]
    return finding["heuristic"], finding["severity"], curves[0]["tag"] if curves else ""


@dataclass(frozen=True)
class Reviewed:
    """A training run and its review."""

    run: TrainingRun
    review: Review
