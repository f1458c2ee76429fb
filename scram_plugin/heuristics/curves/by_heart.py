"""A model that learned its training data by heart, and nothing that holds for other data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.agreement import OTHER_ORDER
from scram_plugin.heuristics.curves.agreement import related as related_outputs
from scram_plugin.heuristics.curves.checkable import rate_as_cause
from scram_plugin.heuristics.curves.guesses import Constant, constant_answer, constant_for_validation, of_guessing, uniform
from scram_plugin.heuristics.curves.progress import validated
from scram_plugin.heuristics.curves.remembered import falls
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.edits import order_targets
from scram_plugin.heuristics.guessing import BETTER, Guess, guessing
from scram_plugin.heuristics.heuristic import Cause, Finding, absent
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS, THIRD
from scram_plugin.heuristics.words import number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

FOR_A_FALL = 100  # batches in which a fall of the training loss is none of chance; by definition
AT_ONCE = 0.7  # of the loss of guessing: below it after a third of the training, much was learned; by definition
LEARNED = 0.5  # of the loss of guessing: a training loss below that is far better; by definition
ENOUGH_ANSWERS = 32  # examples of the only evaluation: fewer show no share of right answers; by definition
LEAST_FALL = 0.05  # of the loss at the end of the first epoch, by which it falls later; by definition
WITHIN = 0.25  # share of that fall within epochs: what is learned for all examples has 0.34 to 1.3; by bench-strangers
ERRORS = 2.0  # standard errors below that share; by definition
LEARNED_FIRST = 0.25  # of the later fall: no more was learned in the first epoch, where guessing is not known; by definition
MOSTLY_ONE = 0.75  # share of right answers by chance: above it most examples are of one class; by definition
CONFIDENT = 1.5  # standard errors above chance: then predictions are better than chance; by bench-limits


def by_heart(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """By the validation data, or by where the training loss falls."""
    return _by_validation(run, options) or _by_epochs(run) or _by_answers(run)


def _by_epochs(run: TrainingRun) -> Finding | None:
    """A training loss that falls only where examples come again, and not before."""
    batches, found = run.signal("batch loss"), falls(run)
    if batches is None or found is None or validated(run, 2):
        return None
    constant = constant_answer(run)
    if found.total < max(LEAST_FALL * abs(found.level), SIGMAS * found.error_of_total):
        return None
    if found.within + ERRORS * found.error > WITHIN * found.total:
        return None
    first = max(found.first, found.head - found.level)
    if found.level < BETTER * constant.loss if constant is not None else first > LEARNED_FIRST * found.total:
        return None  # it learned from examples that were new
    weights, samples = (
        (run.facts.get(of) or {}).get(key) for of, key in (("model", "trainable_parameters"), ("fit", "samples"))
    )
    if weights and samples and weights < samples:
        return None  # so few weights know no examples by heart
    guess = f"; {constant.told} gives {constant.loss:.4g}" if constant is not None else ""
    within = f"rose by {-found.within:.4g}" if found.within < 0 else f"fell by {found.within:.4g}"
    said = (
        f"In the first epoch, in which each example is new, the training loss came down to about {found.level:.4g}{guess}. "
        f"In the {found.epochs - 1} epochs after that it fell where the examples came again; within them it {within} in all."
    )
    cost = constant.loss if constant is not None else found.level
    made = _finding(run, said, cost, batches, batches)
    causes = [cause for cause in made.causes if cause.id != "validation"]  # there are no validation data
    return replace(made, title="Nothing was learned that holds for new examples", causes=causes)


def _by_validation(run: TrainingRun, options: Mapping[str, Any]) -> Finding | None:
    """A validation loss never clearly better than that of a constant answer, while the training loss falls."""
    validation, training = run.signal("validation loss"), run.signal("training loss")
    chance = uniform(run)
    constant = constant_for_validation(run) or (of_guessing(chance) if chance is not None else None)
    batches = run.signal("batch loss")
    enough = batches is not None and len(batches) >= FOR_A_FALL
    least = FOR_A_LEVEL if enough else options["least"]
    guess = guessing(run) or chance
    if training is None or constant is None:
        return None
    first, last = (float(training.values[at]) for at in (0, -1))
    if not last < min((1 - options["min_gain"]) * first, constant.loss):
        return None
    if validation is None:
        return _after_training(run, constant, guess, training) if enough and last < LEARNED * constant.loss else None
    best = float(validation.finite.values.min()) if len(validation.finite) else 0.0
    if len(validation.finite) < least or best < constant.best:
        return None  # both losses are better than guessing, or neither is
    if len(validation.finite) < options["least"] and (last >= constant.best or validation.finite.values[-1] == best):
        return None  # few points: then the training loss must be clearly better, and that of the validation fall no more
    accuracy, seen = run.signal("validation accuracy"), data_of(run, "validation").get("samples")
    if accuracy is not None and seen and guess is not None:
        share = float(guess.shares.max())
        if _is_better(float(np.mean(accuracy.finite.values)), share, seen):
            return None  # its predictions are better than chance, only far too confident
    short, whole = ("guessing", constant.told) if guess is not None else (constant.told, "that")
    said = (
        f"No validation loss was clearly better than {short}: the lowest was {best:.4g}, and {whole} gives {constant.loss:.4g}."
    )
    return _finding(run, said, constant.loss, training, validation)


def _after_training(run: TrainingRun, constant: Constant, guess: Guess | None, training: Curve) -> Finding | None:
    """The same by the only evaluation, which followed the training: of classes, if its answers are no better than chance."""
    after = run.loop.get("after") or {}
    loss, seen, right = (after.get(name) for name in ("loss", "examples", "right"))
    if run.ended != "finished" or loss is None or not seen or seen < ENOUGH_ANSWERS or loss < constant.loss:
        return None
    if guess is not None and (right is None or _is_better(right, float(guess.shares.max()), seen)):
        return None
    answers = f", and {right:.0%} of its answers were right" if guess is not None and right is not None else ""
    said = f"The evaluation after the training had the loss {loss:.4g}{answers}; {constant.told} gives {constant.loss:.4g}."
    return _finding(run, said, constant.loss, training, training)


def _by_answers(run: TrainingRun) -> Finding | None:
    """By right answers after the training, where it is not known what guessing costs, as with weights for classes."""
    after, batches, related = run.loop.get("after") or {}, run.signal("batch loss"), related_outputs(run)
    right, chance, seen = (after.get(name) for name in ("right", "chance", "examples"))
    if run.ended != "finished" or related is None or batches is None or len(batches.finite) < FOR_A_FALL:
        return None
    if right is None or chance is None or not seen or seen < ENOUGH_ANSWERS or chance > MOSTLY_ONE:
        return None
    if constant_answer(run) is not None or _is_better(right, chance, seen):
        return None
    said = (
        f"After the training {right:.1%} of the answers to {seen:,} new examples were right; by chance {chance:.1%} would be. "
        f"For the training data the correlation of outputs and targets is {number(related)}."
    )
    return _finding(run, said, float(batches.finite.values[0]), batches, batches)


def _is_better(right: float, share: float, examples: int) -> bool:
    """Whether so many right answers are more than always giving the most common one would give."""
    return right > share + CONFIDENT * math.sqrt(share * (1 - share) / examples)


def _finding(run: TrainingRun, said: str, guessed: float, training: Curve, shown: Curve) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title="Nothing was learned that generalises to the validation data",
        evidence={
            "by_heart": said,
            "last_loss": float(training.values[-1]),
            "first_training": float(training.values[0]),
            **absent(
                "metric",
                "points",
                "last_place",
                "first_loss",
                "fallen_from",
                "classes",
                "accuracy",
                "accuracy_is_of",
                "guessed",
            ),
        },
        first_step=int(shown.steps[0]),
        last_step=int(shown.steps[-1]),
        axis=shown.axis,
        curves=[shown.source()] if shown is training else [shown.source(), training.source()],
        causes=[
            *_of_validation(run, training, guessed, said),
            Cause("inputs"),
            Cause("learning-rate", "", rate_as_cause(run).against),
        ],
        since=int(shown.steps[-1]),  # the whole training is judged
    )


def _of_validation(run: TrainingRun, training: Curve, cost: float, said: str) -> list[Cause]:
    """What is learned at once is no noise: then the validation data differ. By heart it takes many epochs."""
    soon = float(training.finite.values[len(training.finite) // THIRD])
    others = Cause("validation", f"{said} The training loss was soon {number(soon)}, far below that.")
    edit = order_targets(run.facts)
    apart = Cause("shuffled-apart", f"{said} {OTHER_ORDER if edit is not None else ''}".strip(), "", edit)
    if edit is not None:
        return [apart, others]
    return [others, apart] if soon < AT_ONCE * cost else [apart, Cause("validation")]
