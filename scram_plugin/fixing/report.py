"""The answer of `scram fix` as text for the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from scram_plugin.fixing.ask import FixAnswer
from scram_plugin.fixing.candidates import Candidate
from scram_plugin.fixing.proof import Tried
from scram_plugin.heuristics.words import clean, counted, one_line
from scram_plugin.reports.edits import first_fix
from scram_plugin.reviews.as_json import PlaceJson


class CandidateJson(TypedDict):
    label: str
    titles: list[str]
    findings: list[str]
    places: list[PlaceJson]
    patch: str


class TriedJson(TypedDict):
    """A fix that was tried: the verdict ("better", "same", "worse", "breaks", "unknown"), and what was compared."""

    label: str
    verdict: str
    sentence: str
    measure: str
    before: float | None
    after: float | None
    seeds: int
    batches: int
    runs: list[str]


class FixAnswerJson(TypedDict):
    """`scram fix --format json`."""

    run: str
    fix: CandidateJson | None
    proven: bool | None
    tried: list[TriedJson]
    refused: list[str]
    applied: bool
    take_back: str | None
    log_dir: str | None


def as_json(found: FixAnswer) -> FixAnswerJson:
    candidate = found.candidate
    return {
        "run": found.review.name,
        "fix": None if candidate is None else _candidate(candidate),
        "proven": None if found.proof is None else found.proof.proven is not None,
        "tried": [tried_as_json(tried) for tried in found.tried],
        "refused": list(found.proposals.refused),
        "applied": found.applied is not None,
        "take_back": found.take_back or None,
        "log_dir": None if found.proof is None else str(found.log_dir),
    }


def _candidate(candidate: Candidate) -> CandidateJson:
    return {
        "label": candidate.label,
        "titles": [fix.title for fix in candidate.fixes],
        "findings": [finding.heuristic for finding in candidate.findings],
        "places": [
            {
                "file": hunk.file,
                "line": hunk.line,
                "before": "\n".join(candidate.patch.lines(hunk)),
                "after": "\n".join(hunk.change.new),
                "reason": hunk.reason,
            }
            for hunk in candidate.patch.hunks
        ],
        "patch": candidate.patch.diff(),
    }


def tried_as_json(tried: Tried) -> TriedJson:
    judged = tried.judged
    return {
        "label": tried.candidate.label,
        "verdict": judged.outcome,
        "sentence": judged.sentence,
        "measure": judged.measure,
        "before": judged.before,
        "after": judged.after,
        "seeds": judged.seeds,
        "batches": judged.batches,
        "runs": list(tried.runs),
    }


def in_text(found: FixAnswer) -> str:
    """The patch with its reasons, the verdict on each fix that was tried, and what to do next."""
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: FixAnswer) -> Iterator[str]:
    candidate = found.candidate
    if candidate is None:
        yield from _without_patch(found)
        return
    for finding, fix in zip(candidate.findings, candidate.fixes, strict=True):
        yield f"# {one_line(finding.title)} ({finding.heuristic}): {one_line(fix.title)}"
    yield from clean(candidate.patch.diff()).splitlines()
    for sentence in found.proposals.refused:
        yield f"# left out: {one_line(sentence)}"
    if found.tried:
        yield ""
    for tried in found.tried:
        sign = "✓" if tried.judged.outcome == "better" else "✗"
        yield f"{sign} {tried.candidate.label} ({one_line(tried.candidate.title)}): {one_line(tried.judged.sentence)}"
    yield ""
    yield from _next(found, candidate)


def _next(found: FixAnswer, candidate: Candidate) -> Iterator[str]:
    files = ", ".join(candidate.patch.files)
    if found.proof is not None:
        yield f"The runs are in {found.log_dir}: tensorboard --logdir {found.log_dir}, tab SCRAM, Compare"
    if found.applied is not None:
        yield f"Written: {files}. To take it back: {found.take_back}"
    elif found.good:
        yield f"Nothing was written. To write it to {files}: add --apply"
    else:
        yield "No fix is proven, so nothing was written."


def _without_patch(found: FixAnswer) -> Iterator[str]:
    """What was found, with the code of its fixes, where no change of the program is known."""
    review = found.review
    yield f"{one_line(review.name)}: {one_line(review.headline().text)}"
    for finding in review.alone:
        for fix in first_fix(finding)[:1]:
            yield ""
            yield f"{one_line(finding.title)} ({finding.heuristic}). Fix: {one_line(fix.title)}"
            yield "No change of your own lines is known for it. In general:"
            yield from (f"    {line}" for line in clean(fix.code).rstrip().split("\n"))
    if found.proof is not None:
        yield ""
        if found.proof.cut:
            limits = found.proof.limits
            how = f"{limits.seconds:g} s" if limits.seconds else counted(limits.epochs or 0, "epoch")
            yield f"The program trained for {how}. A longer run may show more: --seconds 60, or --epochs 10"
        else:
            yield "The program ran to its end."
