"""Heuristics x one training run -> its review."""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scram_plugin.heuristics.catalogue import CHECK_SECONDS, Catalogue, line_in
from scram_plugin.heuristics.frameworks import in_framework
from scram_plugin.heuristics.heuristic import Cause, Finding, Fix, Heuristic, Inconclusive, NotChecked, TooEarly
from scram_plugin.heuristics.page import PageError
from scram_plugin.heuristics.recorders import for_framework
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.about import about
from scram_plugin.reviews.budget import OutOfTime, TimeBudget
from scram_plugin.reviews.explain import explain
from scram_plugin.reviews.model import Review, Signal, Unchecked, Unclear
from scram_plugin.reviews.overview import overview
from scram_plugin.reviews.pictures import picture
from scram_plugin.reviews.policy import accept
from scram_plugin.reviews.proofs import proof_of
from scram_plugin.reviews.score import scores
from scram_plugin.reviews.settings import program, settings
from scram_plugin.reviews.unfit import unfit

TOO_LONG = "took too long and was stopped; a larger check_seconds in scram.toml gives more time"
LONGEST_NOTE = 20  # problems of files that are listed one by one; the rest are counted


def review(run: TrainingRun, catalogue: Catalogue, notes: Iterable[str] = ()) -> Review:
    """Apply every heuristic to one training run. A heuristic that raises becomes an inconclusive outcome.

    What the user accepts is not put aside yet: `policy.accept` does that, when the name of the run is final.
    """
    run = copy.copy(run)  # what it notes as read is that of this review, whatever other threads ask of it
    outcomes, measured = {}, {}
    budget = TimeBudget(catalogue.seconds)
    with np.errstate(all="ignore"):  # logged values may be arbitrarily large; a warning of NumPy about that does not help
        for h in catalogue.heuristics:
            outcomes[h.id] = _outcome(h, catalogue.options_of(h), run, budget)
            if outcomes[h.id] == [] and run.measure is not None:
                measured[h.id] = run.measure
    found = [finding for outcome in outcomes.values() if isinstance(outcome, list) for finding in outcome]
    unclear = [outcome for outcome in outcomes.values() if isinstance(outcome, Unclear)]
    broken = [
        f"{entry.heuristic} could not be checked: {entry.reason}. Please report this to the authors of the check."
        for entry in unclear
        if entry.failed
    ]
    slow = [f"{e.heuristic} could not be checked: {e.reason}." for e in unclear if e.reason.endswith(TOO_LONG)]
    signals = {name: Signal(c.tensorboard_run, c.tag, c.axis) for name in run.signals if (c := run.signal(name)) is not None}
    shown = [replace(finding, picture=picture(finding, run, signals)) for finding in explain(found, catalogue, run)]
    return Review(
        name=run.name,
        tensorboard_runs=tuple(run.tensorboard_runs),
        framework=run.framework,
        training=run.training,
        without_event_files=tuple(run.without_event_files),
        notes=(*run.notes(), *notes, *catalogue.notes, *broken, *slow),
        findings=tuple(shown),
        passed=tuple(id_ for id_, outcome in outcomes.items() if outcome == []),
        inconclusive=tuple(unclear),
        not_checked=tuple(outcome for outcome in outcomes.values() if isinstance(outcome, Unchecked)),
        signals=signals,
        measured=measured,
        about=about(run),
        settings=settings(run),
        scores=scores(run),
        program=program(run),
        overview=overview(run),
        live=bool(run.facts) and run.ended is None and not run.stopped,
        gaps=sum(gap["end"] is not None for gap in run.gaps),
        stopped=run.stopped,
    )


def judged(heuristic: Heuristic, options: Mapping[str, Any], run: TrainingRun) -> list[Finding] | Unclear | Unchecked:
    """The outcome of one heuristic with other options than those of the review."""
    with np.errstate(all="ignore"):
        return _outcome(heuristic, options, copy.copy(run), TimeBudget(CHECK_SECONDS))


def _outcome(
    heuristic: Heuristic, options: Mapping[str, Any], run: TrainingRun, budget: TimeBudget
) -> list[Finding] | Unclear | Unchecked:
    """The outcome of one heuristic: findings, which may be none, or why there is no answer. Whatever is wrong with the
    heuristic costs this one outcome."""
    try:
        if heuristic.whole_training and run.facts.get("preflight"):
            raise NotChecked("a preflight is no whole training", "the training itself")
        if budget.is_spent:
            raise Inconclusive(f"the review {TOO_LONG}")
        run.read, run.measure = {}, None
        with budget.check():
            found = [_filled_in(heuristic, finding, run) for finding in _checked(heuristic, run, options)]
        if not found and (why := unfit(run.read)):
            raise Inconclusive(why)
        if not found and run.stopped:
            raise Inconclusive(run.stopped)
        return found
    except Inconclusive as reason:
        return Unclear(heuristic.id, heuristic.group, str(reason), early=isinstance(reason, TooEarly))
    except NotChecked as missing:
        if run.stopped and not run.signals:
            return Unclear(heuristic.id, heuristic.group, run.stopped)  # logging more would not have helped
        return Unchecked(heuristic.id, heuristic.group, str(missing), for_framework(str(missing.how), run.framework))
    except OutOfTime:
        return Unclear(heuristic.id, heuristic.group, f"the check {TOO_LONG}")
    except (Exception, SystemExit) as error:
        return Unclear(heuristic.id, heuristic.group, f"the check itself failed ({_where(heuristic, error)})", failed=True)


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


def _filled_in(heuristic: Heuristic, finding: Finding, run: TrainingRun) -> Finding:
    """The finding with what the page says. Raises ValueError for a cause that is not on the page."""
    page = heuristic.page
    causes: list[Cause] = []
    fixes: list[Fix] = []
    for cause in finding.causes:
        if cause.id not in page.causes:
            known = ", ".join(page.causes)
            raise ValueError(f"there is no cause {cause.id!r} on the page {page.file}; its causes are {known}")
        causes.append(Cause(cause.id, cause.for_, cause.against, cause.edit, title=page.causes[cause.id][0]))
        title, text, snippets = page.fixes[cause.id]
        own = in_framework(run.trainer or run.framework, heuristic.id, cause.id)
        wanted = [s for language in run.languages for s in snippets if s.framework == language] or snippets
        codes = [(str(run.framework), own)] if own else [(snippet.framework, snippet.shown) for snippet in wanted]
        for i, (framework, code) in enumerate(codes):
            edit = cause.edit if i == 0 else None
            proof = proof_of(run, heuristic.id, cause.id) if edit is not None else None
            fixes.append(Fix(cause.id, title, text, framework, code, edit, proof))
    # made anew of plain values: a check may use its dictionary again, and what it gives travels to other processes
    return Finding(
        severity=finding.severity,
        confidence=finding.confidence,
        title=finding.title,
        evidence=dict(finding.evidence),
        first_step=finding.first_step,
        last_step=finding.last_step,
        axis=finding.axis,
        curves=finding.curves,
        causes=causes,
        bad_step=finding.bad_step,
        best_step=finding.best_step,
        where=finding.where,
        since=finding.since,
        brings=finding.brings,
        times=finding.times,
        at_once=finding.at_once,
        by_updates=finding.by_updates,
        heuristic=heuristic.id,
        summary=page.what_happened(finding.evidence),
        fixes=tuple(fixes),
    )


def review_all(logs: Logdir, catalogue: Catalogue) -> list[Review]:
    """The reviews of all training runs of a log directory that was read, in the order of their names."""
    runs = training_runs(logs, catalogue.signals)
    return [accept(review(run, catalogue, file_notes(run, logs)), catalogue, [run.name]) for run in runs]


def file_notes(run: TrainingRun, logs: Logdir) -> list[str]:
    """A sentence for each file of this training run that could not be read to its end."""
    files = {path for name in run.tensorboard_runs for path in logs[name].files}
    notes = [f"{os.path.basename(p.path)}: {p.sentence}." for p in logs.problems if p.path in files]
    if len(notes) > LONGEST_NOTE:
        notes[LONGEST_NOTE:] = [f"And {len(notes) - LONGEST_NOTE} more files have problems."]
    return notes
