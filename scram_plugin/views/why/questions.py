"""All questions that a training run raises, with their answers."""

from __future__ import annotations

from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review
from scram_plugin.views.why import checks, losses
from scram_plugin.views.why.answer import Answer


def questions(run: TrainingRun, review: Review, catalogue: Catalogue) -> list[Answer]:
    """Questions about the curves, then about each finding, then about what was not found or not checked."""
    findings = {finding.heuristic: finding for finding in reversed(review.findings)}
    answers = [
        *losses.nonfinite(run, findings),
        *losses.stuck(run, findings),
        *losses.validation_rises(run, findings),
        *(checks.found(run, review, catalogue, finding) for finding in review.findings),
        *checks.nothing(run, review, catalogue),
        *checks.silent(run, review, catalogue),
    ]
    return list({answer.id: answer for answer in reversed(answers)}.values())[::-1]
