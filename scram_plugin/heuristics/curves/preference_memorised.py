"""Memorised preferences: the pairs of the training are told apart without an error, and those of the evaluation are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import ALL_LEARNED, at, enough, highest_rate, level, loss
from scram_plugin.heuristics.curves.noise import error_of_difference, noise, sliding_medians
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, SIGMAS
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "loss",
        0.1,
        "training loss at the end, in nats, below which the pairs count as learned",
        "by definition: the chosen answer is then believed nine times in ten; it begins at ln(2) (Rafailov et al., 2023)",
    ),
    Option(
        "rise",
        0.1,
        "smallest rise of the evaluation loss, as a fraction of its lowest value",
        "twice the GL_5 of Prechelt (1998), since the evaluations are few",
    ),
    Option(
        "gap",
        0.2,
        "smallest difference of the preference accuracies of training and evaluation",
        "about that of Zephyr, whose authors saw a strong overfitting (Tunstall et al., 2023)",
    ),
)
FOR_PREFERENCES = 10  # points of a training, so that a level is not that of a few pairs; by definition
FEW_EVALUATIONS = 4  # evaluations: a level of three and one before it; by definition
SAME_ACCURACY = 0.01  # accuracy: a smaller rise is one pair in a hundred; by definition
USUAL_OF_PREFERENCES = 1e-5  # learning rate: full fine-tunings use 5e-7 (Tunstall et al., 2023), adapters ten times as much
LOG_EVALUATION = 'DPOConfig(..., eval_strategy="steps", eval_steps=100)  # and DPOTrainer(..., eval_dataset=held_out_pairs)'
LOG_PREFERENCES = 'writer.add_scalar("train/rewards/accuracies", (chosen_reward > rejected_reward).float().mean(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    accuracy = run.signal("preference accuracy")
    if accuracy is None:
        raise NotChecked(
            "no preference accuracy was logged: no preferences are trained, or its tag is unknown", LOG_PREFERENCES
        )
    accuracy, losses = enough(accuracy.finite, FOR_PREFERENCES, "preference accuracy"), loss(run, least=FOR_PREFERENCES)
    others = [run.signal(name) for name in ("validation loss", "validation preference accuracy")]
    evaluated, told_apart = (None if curve is None or not len(curve.finite) else curve.finite for curve in others)
    if evaluated is None and told_apart is None:
        raise NotChecked("no evaluation on other pairs was logged", LOG_EVALUATION)
    reached, end = level(accuracy.values, ENDS, end=True), level(losses.values, ENDS, end=True)
    if end > options["loss"]:
        run.measured("training loss at the end", end, below=options["loss"], curve=losses)
        return
    if reached < ALL_LEARNED:
        what = "training preference accuracy at the end"
        run.measured(what, reached, above=ALL_LEARNED, percent=True, curve=accuracy)
        return
    best = _rises_from(run, evaluated, told_apart, options["rise"])
    gap = reached - level(told_apart.values, ENDS, end=True) if told_apart is not None else 0.0
    if told_apart is not None and gap <= options["gap"]:
        what = "difference of the preference accuracies of training and evaluation"
        run.measured(what, max(gap, 0.0), above=options["gap"], percent=True, curve=told_apart)
    if best is None and gap <= options["gap"]:
        return
    since = int(accuracy.steps[np.argmax(sliding_medians(accuracy.values, FOR_A_LEVEL) >= ALL_LEARNED)])
    first, last, unit = min(since, since if best is None else best), int(losses.steps[-1]), losses.axis
    rising = evaluated if best is not None else None
    risen: dict[str, Any] = absent("best_place", "best_loss", "last_loss")
    if rising is not None and best is not None:
        last_loss = level(rising.values, ENDS, end=True)
        risen = {"best_place": place(unit, best), "best_loss": at(rising, best), "last_loss": last_loss}
    yield Finding(
        severity="warning",
        confidence="possible",
        title=f"The preferences of the training are memorised: accuracy {percent(reached)}, loss {number(end)}",
        evidence={
            "train_percent": 100 * reached,
            "train_loss": end,
            "since_place": place(unit, since),
            "eval_percent": None if told_apart is None else 100 * level(told_apart.values, ENDS, end=True),
            **risen,
        },
        first_step=first,
        last_step=max(last, first),
        axis=unit,
        curves=[c.source() for c in (rising, told_apart, losses, accuracy) if c is not None],
        causes=_causes(run, since, unit),
        bad_step=since if best is None else best,
        best_step=best,
    )


def _rises_from(run: TrainingRun, evaluated: Curve | None, told_apart: Curve | None, rise: float) -> int | None:
    """The step at which the evaluation loss was lowest, if it rises since then and the evaluation accuracy does not."""
    if evaluated is None or len(evaluated) < FEW_EVALUATIONS:
        return None
    levels = sliding_medians(evaluated.values, FOR_A_LEVEL)
    best, rose = int(np.argmin(levels)), float(levels[-1] - levels.min())
    if levels[best] <= 0:
        return None
    least = max(rise * levels[best], SIGMAS * error_of_difference(noise(evaluated.values), FOR_A_LEVEL))
    step = int(evaluated.steps[best + int(np.argmin(evaluated.values[best : best + FOR_A_LEVEL]))])
    if rose <= least:
        what = "rise of the evaluation loss since its lowest point"
        run.measured(what, rose / levels[best], above=least / levels[best], percent=True, curve=evaluated)
        return None
    gained = level(told_apart.values, ENDS, end=True) - at(told_apart, step) if told_apart is not None else 0.0
    if gained > SAME_ACCURACY:  # it is surer of itself, and right more often
        what = "rise of the evaluation accuracy since the evaluation loss was lowest"
        run.measured(what, gained, below=SAME_ACCURACY, percent=True, curve=told_apart)
        return None
    return step


def _causes(run: TrainingRun, since: int, unit: str) -> list[Cause]:
    epochs = run.signal("epoch")
    went_on = f"; it went on to epoch {number(float(epochs.finite.values[-1]))}" if epochs and len(epochs.finite) else ""
    told = f"The pairs of the training are told apart since {place(unit, since)}{went_on}."
    return [Cause("too-long", told), rate_of_preferences(run), Cause("labels")]


def rate_of_preferences(run: TrainingRun) -> Cause:
    """The learning rate as a cause, with the evidence that it is higher than is usual for preferences."""
    rate = highest_rate(run)
    high = rate is not None and rate > USUAL_OF_PREFERENCES
    return Cause("learning-rate", f"The highest learning rate was {number(rate)}." if high and rate is not None else "")


HEURISTIC = Heuristic(
    id="preference-memorised",
    group="curves",
    title_passed="Preferences hold for pairs that were not trained on",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("preference accuracy", "training loss", "evaluation loss or preference accuracy"),
    order=365,
    explains=("overfitting", "metric-loss-disagreement", "zero-loss", "epoch-steps"),
    precedence=336,
    whole_training=True,
)
