"""Trainings on preferences at the edges of what the checks take for a fault: curves made by hand."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.training_runs import training_run

NOISE = np.random.default_rng(8).normal(size=200)
STEPS = np.arange(60)


def severities(curves):
    return {f.heuristic: f.severity for f in review(training_run(curves), catalogue()).findings}


def preferences(loss=0.01, accuracy=1.0, evaluated=(0.6, 0.5, 0.5, 0.6, 0.8, 0.9), told_apart=(0.7, 0.7, 0.7, 0.7, 0.7, 0.7)):
    """A training whose loss and preference accuracy end here, with six evaluations."""
    falls, at = np.exp(-STEPS / 6), STEPS[9::10]
    curves = {
        "train/loss": loss + (0.69 - loss) * falls,
        "train/rewards/accuracies": accuracy - (accuracy - 0.5) * falls,
        "eval/loss": (at, np.array(evaluated)),
        "eval/rewards/accuracies": (at, np.array(told_apart)),
    }
    return {tag: values for tag, values in curves.items() if not isinstance(values, tuple) or len(values[1]) == len(at)}


@pytest.mark.parametrize(
    ("curves", "memorised"),
    [
        (preferences(), True),
        (preferences(told_apart=()), True),
        (preferences(evaluated=()), True),
        (preferences(evaluated=(), told_apart=(0.7, 0.8, 0.85, 0.9, 0.9, 0.9)), False),
        (preferences(told_apart=(0.8, 0.82, 0.84, 0.86, 0.88, 0.9)), False),
        (preferences(evaluated=(0.6, 0.4, 0.2, 0.1, 0.1, 0.1), told_apart=(0.9, 0.95, 1.0, 1.0, 1.0, 1.0)), False),
        (preferences(evaluated=(0.6, 0.5, 0.5, 0.52, 0.5, 0.52), told_apart=()), False),
        (preferences(loss=0.3, accuracy=0.9), False),
        (preferences(loss=0.3), False),
    ],
    ids=[
        "both",
        "only the loss was evaluated, which rises",
        "only the accuracy was evaluated, which is far below",
        "an accuracy that is a little below",
        "the accuracy rises with the loss",
        "the evaluation agrees",
        "a rise within the noise",
        "not learned",
        "told apart, but not surely",
    ],
)
def test_preferences_are_memorised_only_where_an_evaluation_says_so(curves, memorised):
    assert ("preference-memorised" in severities(curves)) == memorised


@pytest.mark.parametrize(
    ("curves", "options", "memorised"),
    [
        (preferences(told_apart=()), {"rise": 0.5}, True),  # to 1.7 times its lowest
        (preferences(told_apart=()), {"rise": 0.9}, False),
        (preferences(evaluated=()), {"gap": 0.29}, True),  # 1.0 beside 0.7
        (preferences(evaluated=()), {"gap": 0.31}, False),
    ],
)
def test_where_the_limits_of_memorising_are(curves, options, memorised):
    heuristic = catalogue()["preference-memorised"]
    assert bool(list(heuristic.check(training_run(curves), {**heuristic.defaults, **options}))) == memorised


def test_without_an_evaluation_it_is_not_checked_whether_preferences_are_memorised():
    reasons = {
        e.heuristic: e.how for e in review(training_run(preferences(evaluated=(), told_apart=())), catalogue()).not_checked
    }
    assert "eval_dataset" in reasons["preference-memorised"]


@pytest.mark.parametrize(
    ("chosen", "rejected", "severity"),
    [
        ((-280, -360), (-260, -420), None),
        ((-280, -500), (-260, -700), "info"),
        ((-280, -750), (-260, -990), "warning"),
        ((-280, -600), (-260, -300), None),
        ((-280, -200), (-260, -400), None),
        ((-0.4, -1.2), (-0.4, -2.5), None),
        ((-0.4, -3.0), (-0.4, -8.0), "warning"),
        ((5.0, 2.0), (5.0, -9.0), None),
    ],
    ids=["usual", "by half", "doubled", "not for a margin", "it rises", "less than a nat", "short answers", "no probability"],
)
def test_how_far_chosen_answers_fall(chosen, rejected, severity):
    part = 1 - np.exp(-STEPS / 20)
    curves = {
        f"train/logps/{name}": begin + (end - begin) * part / part[-1] + 0.01 * begin * NOISE[i : i + 60]
        for i, (name, (begin, end)) in enumerate({"chosen": chosen, "rejected": rejected}.items())
    }
    assert severities(curves).get("likelihood-displacement") == severity


def test_batches_of_long_and_short_answers_are_no_fall():
    values = np.where(np.arange(60) % 4 == 0, -600.0, -150.0) * np.exp(0.6 * NOISE[:60])
    assert "likelihood-displacement" not in severities(
        {"train/logps/chosen": values, "train/logps/rejected": 1.2 * values - STEPS}
    )
