"""Heuristics x training runs -> reviews."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scram_plugin.heuristics.catalogue import EXPLAINS, HEURISTICS, UNEXPLAINED, Catalogue, line_in
from scram_plugin.heuristics.heuristic import Finding, Heuristic, Inconclusive, NotChecked, TooEarly
from scram_plugin.heuristics.page import PageError
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import SEVERITIES

LIVE_SECONDS = 120.0  # a run is live if its last event is younger than this, or than three of its usual intervals
LONGEST_INTERVAL = 3600.0  # seconds; longer ones do not count
FEW = 4  # passed checks: with fewer, and most others inconclusive, a training is not called fine
CURVES = frozenset(heuristic.id for heuristic in HEURISTICS if heuristic.group == "curves")
# a preflight is too short for these checks; and the data pipeline still fills its buffers in it
WHOLE = CURVES - {"nonfinite-loss", "nonfinite-metric", "zero-loss", "divergence"} | {"slow-input"}
FAILED = "the check itself failed"
LONGEST_NOTE = 20  # problems of files that are listed one by one; the rest are counted


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
    def judged(self) -> bool:
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
    nothing = "nothing found" if any(review.judged for review in reviews) else "nothing could be checked"
    apart = Counter(aside(entry)[0] for review in reviews for entry in review.accepted_alone)
    words = "".join(f", {n:,} {why}" for why, n in apart.items())
    return f"{counted(len(reviews), 'training run')}: {found or nothing}{words}"


def identity(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    """What makes a finding the same one in two reviews of a training run: heuristic, severity, and the first curve's tag."""
    curves = finding["curves"]
    return finding["heuristic"], finding["severity"], curves[0]["tag"] if curves else ""


@dataclass(frozen=True)
class Judged:
    """A training run and its review."""

    run: TrainingRun
    review: Review


def review(run: TrainingRun, catalogue: Catalogue, notes: Iterable[str] = (), names: Iterable[str] = ()) -> Review:
    """Apply every heuristic to one training run. A heuristic that raises becomes an inconclusive outcome.

    `names` are others that the user may know the run by, for what is accepted in some runs.
    """
    result = Review(run.name, run.tensorboard_runs, run.framework, [*run.notes(), *notes, *catalogue.notes])
    result.live = bool(run.facts) and run.ended is None
    result.signals = {name: {**c.source(), "axis": c.axis} for name in run.signals if (c := run.signal(name)) is not None}
    for heuristic in catalogue.heuristics:
        _apply(heuristic, catalogue.options_of(heuristic), run, result)
    _explain(result.findings)
    order = [heuristic.id for heuristic in catalogue.heuristics]
    result.findings.sort(
        key=lambda f: (f["explained_by"] is not None, SEVERITIES.index(f["severity"]), order.index(f["heuristic"]))
    )
    accept(result, catalogue, [result.name, *names])
    return result


def _apply(heuristic: Heuristic, options: Mapping[str, Any], run: TrainingRun, result: Review) -> None:
    """Adds the outcome of one heuristic. Whatever is wrong with the heuristic costs this one outcome, and a note."""
    try:
        if heuristic.id in WHOLE and run.facts.get("preflight"):
            raise NotChecked("a preflight is no whole training", "the training itself")
        with np.errstate(all="ignore"):  # logged values may be arbitrarily large; a warning of NumPy about that does not help
            findings = [_finding(heuristic, finding, run.languages) for finding in _checked(heuristic, run, options)]
    except Inconclusive as reason:
        early = isinstance(reason, TooEarly)
        result.inconclusive.append({"heuristic": heuristic.id, "reason": str(reason), "early": early})
    except NotChecked as missing:
        result.not_checked.append({"heuristic": heuristic.id, "reason": str(missing), "how": str(missing.how)})
    except (Exception, SystemExit) as error:
        reason_ = f"{FAILED} ({_where(heuristic, error)})"
        result.notes.append(f"{heuristic.id} could not be checked: {reason_}. Please report this to the authors of the check.")
        result.inconclusive.append({"heuristic": heuristic.id, "reason": reason_, "early": False})
    else:
        result.findings += findings
        if not findings:
            result.passed.append(heuristic.id)


def _checked(heuristic: Heuristic, run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    """The findings of the check. Raises TypeError for anything else that it gives."""
    found = heuristic.check(run, options)
    if not isinstance(found, Iterable):
        raise TypeError(f"check returns {found!r}: yield findings, or return a list of them, which may be empty")
    for finding in found:
        if not isinstance(finding, Finding):
            raise TypeError(f"check gives {finding!r}, which is no Finding(...)")
        yield finding


def _where(heuristic: Heuristic, error: BaseException) -> str:
    """What went wrong, and in which line: a line of the heuristic's own file if it is on the stack, or of its page."""
    if isinstance(error, PageError):
        return str(error)
    file = str(getattr(getattr(heuristic.check, "__code__", None), "co_filename", ""))
    line = line_in(Path(file), error)
    if line is None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        file, line = last.filename, last.lineno
    return f"{type(error).__name__}: {error}; {os.path.basename(file)}, line {line}"


def accept(result: Review, catalogue: Catalogue, names: Iterable[str]) -> None:
    """Put aside what the user's configuration accepts in a run that has one of these names."""
    known_as = list(names)
    put_aside(result, {a.heuristic: a.reason for a in reversed(catalogue.accepted) if any(map(a.covers, known_as))})


def put_aside(result: Review, reasons: Mapping[str, str], known: bool = False) -> None:
    """Accept findings, or mark them as `known` before, with their consequences; `reasons` by heuristic."""
    findings, result.findings = result.findings, []
    for finding in findings:
        for_it = next((h for h in (finding["heuristic"], finding["explained_by"]) if h in reasons), None)
        if for_it is None:
            result.findings.append(finding)
        else:
            mark = {"known": True} if known else {}
            result.accepted.append({"finding": finding, "reason": reasons[for_it], **mark})


def _explain(findings: list[dict[str, Any]]) -> None:
    """Mark findings that are consequences of others. A cause whose consequence is an error is an error itself.

    An info explains only infos.
    """
    reported = {f["heuristic"] for f in findings if f["severity"] != "info"}
    remarks = {f["heuristic"] for f in findings}
    for finding in findings:
        if finding["causes"] and f"{finding['heuristic']}/{finding['causes'][0]['id']}" in UNEXPLAINED:
            continue
        able = remarks if finding["severity"] == "info" else reported
        finding["explained_by"] = next(
            (cause for cause, brings in EXPLAINS.items() if cause in able and finding["heuristic"] in brings), None
        )
    _escalate(findings)
    by = {f["heuristic"]: f["explained_by"] for f in findings if f["explained_by"] is not None}
    alone = {f["heuristic"] for f in findings if f["explained_by"] is None}
    for finding in findings:  # a consequence of a consequence is explained by the first cause of the chain
        seen = {finding["heuristic"]}
        while (cause := finding["explained_by"]) not in alone and cause in by and by[cause] not in seen:
            seen.add(cause)
            finding["explained_by"] = by[cause]
    _escalate(findings)


def _escalate(findings: list[dict[str, Any]]) -> None:
    for finding in findings:
        for cause in findings:
            if cause["heuristic"] == finding["explained_by"] and cause["severity"] != "info":
                cause["severity"] = min(cause["severity"], finding["severity"], key=SEVERITIES.index)


def _finding(heuristic: Heuristic, finding: Finding, languages: Sequence[str]) -> dict[str, Any]:
    page = heuristic.page
    causes, fixes = [], []
    for cause in finding.causes:
        if cause.id not in page.causes:
            known = ", ".join(page.causes)
            raise ValueError(f"there is no cause {cause.id!r} on the page {page.file}; its causes are {known}")
        causes.append({"id": cause.id, "title": page.causes[cause.id][0], "for": cause.for_, "against": cause.against})
        title, text, snippets = page.fixes[cause.id]
        wanted = [s for language in languages for s in snippets if s.framework == language] or snippets
        for i, snippet in enumerate(wanted):
            edit = asdict(cause.edit) if cause.edit is not None and i == 0 else None
            fixes.append(
                {
                    "cause": cause.id,
                    "title": title,
                    "text": text,
                    "framework": snippet.framework,
                    "code": snippet.code,
                    "edit": edit,
                }
            )
    return {
        "heuristic": heuristic.id,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "summary": page.what_happened(finding.evidence),
        "steps": {"first": finding.first_step, "last": finding.last_step, "axis": finding.axis},
        "curves": finding.curves,
        "evidence": {key: value for key, value in finding.evidence.items() if value is not None},
        "bad_step": finding.bad_step,
        "best_step": finding.best_step,
        "explained_by": None,
        "causes": causes,
        "fixes": fixes,
    }


def review_all(logs: Logdir, catalogue: Catalogue) -> list[Review]:
    """The reviews of all training runs of a log directory that was read, in the order of their names."""
    return [review(run, catalogue, file_notes(run, logs)) for run in training_runs(logs, catalogue.signals)]


def file_notes(run: TrainingRun, logs: Logdir) -> list[str]:
    """A sentence for each file of this training run that could not be read to its end."""
    files = {path for name in run.tensorboard_runs for path in logs[name].files}
    notes = [f"{os.path.basename(p.path)}: {p.sentence}." for p in logs.problems if p.path in files]
    if len(notes) > LONGEST_NOTE:
        notes[LONGEST_NOTE:] = [f"And {len(notes) - LONGEST_NOTE} more files have problems."]
    return notes


def live_until(run: TrainingRun) -> float:
    """Until when (seconds since 1970) a training counts as live: its log has no end, and its last event is recent."""
    last = run.last_wall_time
    if run.ended is not None or not math.isfinite(last):
        return -math.inf
    if last + 3 * LONGEST_INTERVAL < time.time():
        return last + 3 * LONGEST_INTERVAL  # whatever its usual interval is
    curve = run.signal("training loss")
    gaps = np.diff(curve.wall_times[-20:]) if curve is not None and len(curve) > 2 else np.zeros(1)
    usual = float(np.median(gaps)) if np.isfinite(gaps).all() else 0.0
    return last + max(LIVE_SECONDS, 3 * min(usual, LONGEST_INTERVAL))


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: non-finite numbers become "NaN", "Infinity" and "-Infinity"."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str | int | float | None) else str(value)
