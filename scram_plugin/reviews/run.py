"""Heuristics x one training run -> its review."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scram_plugin.heuristics.catalogue import Catalogue, line_in
from scram_plugin.heuristics.heuristic import Finding, Heuristic, Inconclusive, NotChecked, TooEarly
from scram_plugin.heuristics.page import PageError
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.explain import explain
from scram_plugin.reviews.model import CURVES, FAILED, Review
from scram_plugin.reviews.policy import accept
from scram_plugin.severity import SEVERITIES

# a preflight is too short for these checks; and the data pipeline still fills its buffers in it
WHOLE = CURVES - {"nonfinite-loss", "nonfinite-metric", "zero-loss", "divergence"} | {"slow-input"}
LONGEST_NOTE = 20  # problems of files that are listed one by one; the rest are counted


def review(run: TrainingRun, catalogue: Catalogue, notes: Iterable[str] = (), names: Iterable[str] = ()) -> Review:
    """Apply every heuristic to one training run. A heuristic that raises becomes an inconclusive outcome.

    `names` are others that the user may know the run by, for what is accepted in some runs.
    """
    result = Review(run.name, run.tensorboard_runs, run.framework, [*run.notes(), *notes, *catalogue.notes])
    result.live = bool(run.facts) and run.ended is None
    result.signals = {name: {**c.source(), "axis": c.axis} for name in run.signals if (c := run.signal(name)) is not None}
    for heuristic in catalogue.heuristics:
        _apply(heuristic, catalogue.options_of(heuristic), run, result)
    explain(result.findings)
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
