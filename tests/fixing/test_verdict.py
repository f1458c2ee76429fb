"""Verdicts on pairs of runs, by their numbers alone."""

import math
from dataclasses import replace

import pytest

from scram_plugin.fixing.measures import AGREEMENT, Ending, Level
from scram_plugin.fixing.verdict import judge


def ended(accuracy=None, loss=None, *, error="", broken=False, kind="mse", targets=(0.0, 1.0, 0.5), agreement=None, noise=0.0):
    measures = {}
    if accuracy is not None:
        measures["validation accuracy"] = Level("validation accuracy", accuracy, noise, True)
    if loss is not None:
        measures["validation loss"] = Level("validation loss", loss, noise, False, of_loss=True, of_targets=True)
    if agreement is not None:
        measures[AGREEMENT] = Level(AGREEMENT, agreement, noise, True)
    return Ending(100, 2, error, broken, measures, kind, targets)


def pairs(before, after, **more):
    return [(ended(b, **more), ended(a, **more)) for b, a in zip(before, after, strict=True)]


def test_a_clear_difference_with_all_seeds():
    judged = judge(pairs([0.1, 0.1, 0.11], [0.5, 0.55, 0.53]))
    assert judged.outcome == "better"
    assert judged.sentence == "validation accuracy 0.103 → 0.527 after 2 epochs, three seeds of three"
    assert judge(pairs([0.5, 0.55, 0.53], [0.1, 0.1, 0.11])).outcome == "worse"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0.80, 0.81, 0.79], [0.81, 0.82, 0.80]),  # all higher, and a hundredth is nothing
        ([0.5, 0.9, 0.7], [0.6, 0.95, 0.75]),  # seeds differ by more than that
        ([0.1, 0.1, 0.1], [0.9, 0.9, 0.09]),  # one seed says the contrary
    ],
)
def test_what_is_not_larger_than_the_noise(before, after):
    judged = judge(pairs(before, after))
    assert judged.outcome == "same"
    assert judged.sentence.startswith("no difference that is larger than the noise: validation accuracy ")


def test_noise_of_the_curve_counts_where_the_seeds_agree_by_chance():
    assert judge(pairs([0.50, 0.50, 0.50], [0.60, 0.60, 0.60])).outcome == "better"
    assert judge(pairs([0.50, 0.50, 0.50], [0.60, 0.60, 0.60], noise=0.05)).outcome == "same"


def test_one_seed_alone_shows_only_very_large_differences():
    assert judge(pairs([0.5], [0.55])).outcome == "same"
    judged = judge(pairs([0.1], [0.53]))
    assert judged.outcome == "better"
    assert judged.sentence.endswith("one seed only")


def test_losses_are_compared_by_their_ratio():
    diverged = [(ended(loss=b), ended(loss=a)) for b, a in ((1e17, 0.40), (1e20, 0.45), (1e18, 0.43))]
    assert judge(diverged).outcome == "better"
    close = [(ended(loss=b), ended(loss=a)) for b, a in ((0.40, 0.39), (0.45, 0.44), (0.43, 0.42))]
    assert judge(close).outcome == "same"


def test_three_seeds_that_are_all_far_better_are_more_than_noise():
    assert judge(pairs([0.877, 0.848, 0.859], [0.955, 0.891, 0.944])).outcome == "better"


def test_how_far_a_training_has_diverged_is_no_noise():
    def runs(ceiling):
        levels = ((1.6e19, 1e16), (7.1e4, 1e15)), ((0.206, 0.001), (0.174, 0.001))  # with the noise of each curve
        made = [[Level("validation loss", level, error, False, ceiling=ceiling) for level, error in side] for side in levels]
        return [tuple(Ending(100, 2, measures={m.name: m}, loss="mse") for m in pair) for pair in zip(*made, strict=True)]

    judged = judge(runs(11.0))
    assert (judged.outcome, judged.after) == ("better", pytest.approx(0.189, abs=0.001))
    assert judged.before > 1e11  # told as it was
    assert judge(runs(math.inf)).outcome == "same"
    assert judge([(before, before) for before, _ in runs(11.0)]).outcome == "same"


def test_the_loss_decides_where_the_accuracy_is_coarse():
    def both(losses):
        return [
            (ended(b, loss=4.0), ended(a, loss=loss)) for b, a, loss in zip((0.65, 0.85), (0.93, 0.96), losses, strict=True)
        ]

    judged = judge(both((0.21, 0.17)))
    assert (judged.outcome, judged.measure) == ("better", "validation loss")
    assert judged.sentence.startswith("validation accuracy 0.75 → 0.945; validation loss 4 → 0.189 ")
    assert judge(both((3.9, 4.2))).outcome == "same"
    worse = [(ended(b, loss=4.0), ended(a, loss=0.2)) for b, a in ((0.65, 0.64), (0.85, 0.86))]
    assert judge(worse).outcome == "same"  # the accuracy does not say so


@pytest.mark.parametrize(("before", "outcome"), [(900.0, "better"), (9.0, "same")])
def test_the_training_loss_decides_only_where_it_had_diverged(before, outcome):
    def run(accuracy, loss):
        found = (Level("validation accuracy", accuracy, 0.0, True), Level("training loss", loss, 0.0, False, ceiling=12.0))
        return Ending(100, 2, measures={measure.name: measure for measure in found}, loss="mse")

    accuracies = (0.43, 0.94), (0.93, 0.96), (0.39, 0.96)
    assert judge([(run(b, before), run(a, 0.16)) for b, a in accuracies]).outcome == outcome


def test_a_loss_of_another_kind_is_not_compared():
    other = [(ended(loss=9.0, agreement=0.1), ended(loss=0.1, agreement=0.9, kind="bce"))] * 3
    judged = judge(other)
    assert (judged.outcome, judged.measure) == ("better", AGREEMENT)
    assert judge([(ended(loss=9.0), ended(loss=0.1, kind="bce"))] * 3).outcome == "unknown"
    assert judge([(ended(loss=9.0), ended(loss=0.1))] * 3, touches_loss=True).outcome == "unknown"


def test_a_loss_of_other_targets_is_not_compared():
    scaled = [(ended(loss=1e6, targets=(0.0, 5000.0, 9.0)), ended(loss=0.1))] * 3
    assert judge(scaled).outcome == "unknown"


def test_a_program_that_never_steps_has_no_recorded_targets():
    stepping = [(ended(loss=1.0, targets=()), ended(loss=0.02))] * 3
    assert judge(stepping).outcome == "better"
    assert judge(stepping, touches_loss=True).outcome == "unknown"
    assert judge([(after, before) for before, after in stepping]).outcome == "unknown"


def test_the_loss_decides_what_is_about_the_loss():
    both = [(ended(0.86, b), ended(0.86, a)) for b, a in ((0.60, 0.39), (0.58, 0.40), (0.61, 0.38))]
    assert judge(both).outcome == "same"
    judged = judge(both, wanted=("validation loss",))
    assert (judged.outcome, judged.measure) == ("better", "validation loss")
    worse = [(ended(0.86, b), ended(0.5, a)) for b, a in ((0.60, 0.39), (0.58, 0.40), (0.61, 0.38))]
    assert judge(worse, wanted=("validation loss",)).outcome == "worse"


def test_nan_and_failures_are_the_worst():
    nan = [(ended(0.5, math.nan, broken=True), ended(0.8, 0.4))] * 3
    judged = judge(nan)
    assert judged.outcome == "better"
    assert "NaN" in judged.sentence
    assert "validation accuracy 0.5 → 0.8" in judged.sentence
    assert judge([(ended(0.8), ended(0.8, broken=True))]).outcome == "worse"
    judged = judge([(ended(0.8), ended(error="ValueError: shapes"))])
    assert judged.outcome == "breaks"
    assert judged.sentence == "the program fails with it: ValueError: shapes"
    assert judge([(ended(error="ValueError: shapes"), ended(0.8))] * 3).outcome == "better"
    assert judge([(ended(error="ValueError: shapes"), ended(error="ValueError: shapes"))]).outcome == "same"
    assert judge([(ended(0.5, broken=True), ended(0.5, broken=True))]).outcome == "same"


def test_a_few_batches_show_nothing():
    few = [(replace(ended(0.1), batches=9), replace(ended(0.9), batches=9))] * 3
    assert judge(few).outcome == "unknown"
    assert "only 9 batches: give them longer" in judge(few).sentence
    fails = [(replace(ended(error="ValueError: x"), batches=0), replace(ended(0.9), batches=9))] * 3
    assert judge(fails).outcome == "better"


def test_runs_without_a_measure_in_common():
    assert judge([(ended(), ended(0.5))]).outcome == "unknown"
