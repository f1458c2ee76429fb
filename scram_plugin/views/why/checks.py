"""Why a check found something, why it was not made, and why nothing was found."""

from __future__ import annotations

import time
from collections.abc import Iterator

from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.measured import listed
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review, Unchecked, Unclear
from scram_plugin.views.why.answer import Answer, Conclusion, Step, beside, fix_first, from_to, likeliest, on, usual
from scram_plugin.views.why.thresholds import margins

SECONDS = 3.0  # after which no more thresholds are tried: each check of a million steps takes time
NEAREST = 3  # thresholds that are shown for a run without findings,
NEAR = 2.5  # if moving them by less than this factor would change the outcome
SHOWN = 3  # signals that are listed as available


def found(run: TrainingRun, review: Review, catalogue: Catalogue, finding: Finding) -> Answer:
    """Why this finding: its numbers, the evidence for and against each cause, and how far it is from the threshold."""
    steps = [beside(finding, finding.summary, pointed=True)]
    before = next((f for f in review.findings if f.heuristic == finding.explained_by), None)
    if before is not None:
        steps.append(beside(before, f"It is probably a consequence of “{before.title}”.", pointed=True))
    steps += [beside(finding, f"Evidence against “{c.title}”: {c.against}") for c in finding.causes if c.against]
    heuristic = next(h for h in catalogue.heuristics if h.id == finding.heuristic)
    for margin in margins(run, heuristic, catalogue.options_of(heuristic), SECONDS)[:1]:
        now, other = number(margin.value), number(margin.turns_at)
        text = f"With `{heuristic.id}.{margin.option}` at {other} instead of {now}, SCRAM would not report this."
        steps.append(beside(finding, text))
    if before is not None:
        return Answer(_question_id(finding), _asks(finding), steps, "cause", fix_first(before), before.heuristic)
    cause = likeliest(finding)
    unclear = f"No cause stands out. The usual ones, likeliest first: {usual(finding)}."
    kind: Conclusion = "cause" if cause else "open"
    return Answer(_question_id(finding), _asks(finding), steps, kind, cause or unclear, heuristic.id)


def _question_id(finding: Finding) -> str:
    return f"finding-{finding.heuristic}"


def _asks(finding: Finding) -> str:
    return f"Why does SCRAM report “{finding.title}”?"


def silent(run: TrainingRun, review: Review, catalogue: Catalogue) -> Iterator[Answer]:
    """Why a check was not made or is inconclusive: what it needs, and what there is instead."""
    titles = {heuristic.id: heuristic.page.title for heuristic in catalogue.heuristics}
    entries: list[Unchecked | Unclear] = [*review.not_checked, *review.inconclusive]
    for reason in dict.fromkeys(entry.reason for entry in entries):
        those = [entry for entry in entries if entry.reason == reason]
        names = [f"“{titles.get(entry.heuristic, entry.heuristic)}”" for entry in those]
        how = next((entry.how for entry in those if isinstance(entry, Unchecked) and entry.how), "")
        early = any(isinstance(entry, Unclear) and entry.early for entry in those)
        told = "not checked" if how else "inconclusive"
        end = "The log lacks data for this." if how else "A longer training will tell." if early else "The log cannot decide."
        steps = [Step(f"{listed(names, 40)}: {reason}."), *_there(run, reason)]
        question = f"Why {'was' if len(names) == 1 else 'were'} {listed(names)} {told}?"
        yield Answer(f"silent-{those[0].heuristic}", question, steps, "open", end, None, how)


def _there(run: TrainingRun, reason: str = "") -> list[Step]:
    """The signals in the log with their lengths: those that the reason names, or else the usual ones."""
    wanted = ("training loss", "validation loss", "batch loss", "training accuracy", "learning rate")
    names = [name for name in run.signals if name in reason and name != "epoch"]
    names = names or [name for name in wanted if name in run.signals] or run.signals
    steps = []
    for name in names[:SHOWN]:
        curve = run.signal(name)
        if curve is not None:
            count = f"{len(curve):,} {'value' if len(curve) == 1 else 'values'}"
            gone = len(curve) - len(curve.finite)
            lost = f", of which {gone:,} {'is' if gone == 1 else 'are'} not finite" if gone else ""
            text = f"{count}, none of them finite" if gone == len(curve) else f"{count}{lost}: {from_to(curve, 'it')}"
            steps.append(on(curve, f"The {name} has {text}."))
    unknown = [f"“{tag}”" for tag in run.unknown_tags(SHOWN)]
    says = f"The log has {listed(unknown)}; a line under [signals] in scram.toml can say what a tag means." if unknown else ""
    return steps or [Step(f"SCRAM knows the meaning of no tag in this log. {says}".rstrip())]


def nothing(run: TrainingRun, review: Review, catalogue: Catalogue) -> Iterator[Answer]:
    """Why no error and no warning: the checks that came nearest, and what they would have reported."""
    counts = review.counts()
    if counts["error"] or counts["warning"] or not review.passed:
        return
    near, end_of_search = [], time.monotonic() + SECONDS
    for heuristic in catalogue.heuristics:
        if heuristic.id in review.passed:
            nearest = margins(run, heuristic, catalogue.options_of(heuristic), end_of_search - time.monotonic())[:1]
            near += [(margin.factor, heuristic.id, margin) for margin in nearest if margin.factor < NEAR]
    others = f"{len(review.inconclusive)} inconclusive, {len(review.not_checked)} not checked"
    steps = [Step(f"{len(review.passed)} checks passed, {others}.")]
    for _, heuristic_id, margin in sorted(near, key=lambda entry: entry[0])[:NEAREST]:
        said = margin.finding
        if said is not None:
            now, other = number(margin.value), number(margin.turns_at)
            text = f"With `{heuristic_id}.{margin.option}` at {other} instead of {now}, SCRAM would report “{said.title}”."
            steps.append(beside(said, text, pointed=True))
    for entry in review.accepted:
        reason = f" ({entry.said})" if entry.said else ""
        text = f"“{entry.finding.title}” was found; it is accepted as no problem{reason}."
        steps.append(beside(entry.finding, text))
    steps += _there(run)
    none = f"No check was within a factor of {NEAR} of its threshold."
    end = "The checks that came nearest are listed; none reached its threshold." if near else none
    end = "What was found is accepted as no problem here." if review.accepted else end
    yield Answer("not-flagged", "Why are there no errors and no warnings in this run?", steps, "fine", end)
