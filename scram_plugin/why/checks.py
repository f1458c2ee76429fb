"""Why does a check say what it says, why was it not made, why is nothing flagged."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.measured import listed
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews import Review
from scram_plugin.why.answer import Answer, Step, beside, from_to, likeliest, on, usual
from scram_plugin.why.thresholds import margins

SECONDS = 3.0  # after which no more thresholds are tried: a run of a million steps is not judged in no time
NEAREST = 3  # thresholds that are told of a run in which nothing was found,
NEAR = 2.5  # if they would have to be moved by less than this factor
SHOWN = 3  # signals that are named as what there is


def found(run: TrainingRun, review: Review, catalogue: Catalogue, finding: Mapping[str, Any]) -> Answer:
    """Why this finding: its numbers, what speaks for each cause and against it, and how far from the threshold it is."""
    steps = [beside(finding, finding["summary"], pointed=True)]
    before = next((f for f in review.findings if f["heuristic"] == finding["explained_by"]), None)
    if before is not None:
        steps.append(beside(before, f"It is probably a consequence of “{before['title']}”.", pointed=True))
    steps += [beside(finding, f"Against “{c['title']}”: {c['against']}") for c in finding["causes"] if c["against"]]
    heuristic = next(h for h in catalogue.heuristics if h.id == finding["heuristic"])
    for margin in margins(run, heuristic, catalogue.options_of(heuristic), SECONDS)[:1]:
        text = f"It would not be said with `{margin.option}` at {number(margin.turns_at)}; it is {number(margin.value)}."
        steps.append(beside(finding, text))
    cause = likeliest(finding)
    kind, end = ("cause", cause) if cause else ("open", f"The usual causes, likeliest first: {usual(finding)}.")
    return Answer(f"finding-{heuristic.id}", f"Why “{finding['title']}”?", steps, kind, end, heuristic.id)


def silent(run: TrainingRun, review: Review) -> Iterator[Answer]:
    """Why a check could not be made or could not tell: what it needs, and what there is instead."""
    entries = [*review.not_checked, *review.inconclusive]
    for reason in dict.fromkeys(entry["reason"] for entry in entries):
        those = [entry for entry in entries if entry["reason"] == reason]
        names = [f"`{entry['heuristic']}`" for entry in those]
        how = next((entry["how"] for entry in those if entry.get("how")), "")
        early = any(entry.get("early") for entry in those)
        told = "not checked" if how else "not decided"
        end = (
            "Log what is missing:" if how else "More of the same training will tell." if early else "The log cannot decide it."
        )
        steps = [Step(f"{listed(names, 40)}: {reason}."), *_there(run, reason)]
        question = f"Why {'was' if len(names) == 1 else 'were'} {listed(names)} {told}?"
        yield Answer(f"silent-{those[0]['heuristic']}", question, steps, "open", end, None, how)


def _there(run: TrainingRun, reason: str = "") -> list[Step]:
    """What the log does hold, with its length: of what a reason speaks of, or else the usual curves."""
    wanted = ("training loss", "validation loss", "batch loss", "training accuracy", "learning rate")
    names = [name for name in run.signals if name in reason and name != "epoch"]
    names = names or [name for name in wanted if name in run.signals] or run.signals
    steps = []
    for name in names[:SHOWN]:
        curve = run.signal(name)
        if curve is not None:
            count = f"{len(curve):,} {'value' if len(curve) == 1 else 'values'}"
            gone = len(curve) - len(curve.finite)
            lost = f", of which {gone:,} are not finite" if gone else ""
            steps.append(on(curve, f"The {name} has {count}{lost}: {from_to(curve, 'it')}."))
    unknown = [f"“{tag}”" for tag in run.unknown_tags(SHOWN)]
    says = f"It has {listed(unknown)}: a line under [signals] in scram.toml says what such a tag means." if unknown else ""
    return steps or [Step(f"No curve in this log has a meaning that SCRAM knows. {says}".rstrip())]


def nothing(run: TrainingRun, review: Review, catalogue: Catalogue) -> Iterator[Answer]:
    """Why no error and no warning: the checks that came nearest, and what would have been said."""
    counts = review.counts()
    if counts["error"] or counts["warning"] or not review.passed:
        return
    near, end_of_search = [], time.monotonic() + SECONDS
    for heuristic in catalogue.heuristics:
        if heuristic.id in review.passed:
            nearest = margins(run, heuristic, catalogue.options_of(heuristic), end_of_search - time.monotonic())[:1]
            near += [(margin.factor, heuristic.id, margin) for margin in nearest if margin.factor < NEAR]
    steps = [
        Step(f"{len(review.passed)} checks passed; {len(review.inconclusive) + len(review.not_checked)} could not be made.")
    ]
    for _, heuristic_id, margin in sorted(near, key=lambda entry: entry[0])[:NEAREST]:
        said = margin.finding
        if said is not None:
            text = f"`{heuristic_id}` would say “{said.title}” with `{margin.option}` at {number(margin.turns_at)}"
            span = (said.first_step, said.last_step)
            at = said.bad_step if said.bad_step is not None else said.best_step
            steps.append(Step(f"{text}; it is {number(margin.value)}.", said.curves[0], said.axis, span, at))
    for entry in review.accepted:
        reason = f" ({entry['reason']})" if entry["reason"] else ""
        steps.append(beside(entry["finding"], f"“{entry['finding']['title']}” is there, accepted as no problem{reason}."))
    steps += _there(run)
    none = f"No check was within a factor of {NEAR} of saying something."
    end = "The checks that came nearest are listed; none reached its threshold." if near else none
    end = "What was found is accepted as no problem here." if review.accepted else end
    yield Answer("not-flagged", "Why is nothing flagged in this run?", steps, "fine", end)
