"""Metrics as witnesses: one that never left its first level, one that was lost, and what looks alike and is sound."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.run import review
from tests.event_files import event, write
from tests.reviews import review_of
from tests.training_runs import training_run

EVALUATIONS = 40
RANDOM = np.random.default_rng(0)


def noisy(values, noise):
    return values * (1 + noise * RANDOM.normal(size=len(values)))


def line(*levels):
    """From level to level, as many evaluations between each two."""
    return np.interp(np.linspace(0, len(levels) - 1, EVALUATIONS), range(len(levels)), levels)


def found(directory, loss, metrics, evaluations=EVALUATIONS):
    events = [
        event(100 * i, 1e9 + i, **{"train/loss": loss[i], "val/loss": 1.1 * loss[i]}, **{t: v[i] for t, v in metrics.items()})
        for i in range(evaluations)
    ]
    write(directory / "events.out.tfevents.1.host", events)
    review = review_of(directory)
    return {f.heuristic: f for f in review.findings if f.severity != "info" and f.explained_by is None}


FLAT = np.concatenate([[0.75], np.full(EVALUATIONS - 1, 0.055)])
FALLS = 2.3 * np.exp(-np.arange(EVALUATIONS) / 12) + 0.3
LEARNED = 0.8 * (1 - np.exp(-np.arange(EVALUATIONS) / 8)) + 0.02


def test_a_precision_that_stays_where_it_began_while_the_loss_fell_once(tmp_path):
    precision = noisy(np.concatenate([[0.026], np.full(EVALUATIONS - 1, 0.037)]), 0.03)
    result = found(tmp_path, noisy(FLAT, 0.005), {"val/mean_average_precision": precision, "val/accuracy": np.full(40, 0.984)})
    assert list(result) == ["no-learning"]
    assert "val/mean_average_precision was 0.02" in result["no-learning"].summary


def test_an_error_rate_that_is_the_same_from_the_second_evaluation_on(tmp_path):
    rate = np.concatenate([[1.33], np.full(EVALUATIONS - 1, 0.8966)])
    assert list(found(tmp_path, noisy(100 * FLAT, 0.005), {"val/wer": rate})) == ["no-learning"]


def test_a_metric_that_is_the_same_in_every_digit_whatever_the_loss_does(tmp_path):
    """The answers are the same. At 0 it says nothing: a hit may be rare at first."""
    later = np.arange(EVALUATIONS - 1)
    swings = np.concatenate([[31.0], 5.4 + 6 * np.exp(-later / 6) * (1 + 0.4 * (later % 2))])
    rate = np.concatenate([[1.45], np.full(EVALUATIONS - 1, 0.8966)])
    assert list(found(tmp_path / "a", swings, {"val/wer": rate})) == ["no-learning"]
    assert found(tmp_path / "b", FALLS, {"val/recall": np.concatenate([[0.01], np.zeros(EVALUATIONS - 1)])}) == {}


def test_a_poor_metric_that_only_comes_back_to_where_it_was(tmp_path):
    precision = noisy(line(0.03, 0.046, 0.046, 0.037, 0.037, 0.045, 0.045), 0.02)
    assert list(found(tmp_path, noisy(FLAT, 0.003), {"val/map": precision})) == ["no-learning"]


@pytest.mark.parametrize(("metric", "chance"), [("val/auc", 0.5), ("val/mcc", 0.0), ("val/spearman", 0.0)])
@pytest.mark.parametrize("learned", [False, True])
def test_a_measure_of_which_guessing_has_a_half_or_nothing(tmp_path, metric, chance, learned):
    values = chance + 0.01 * RANDOM.normal(size=EVALUATIONS) + learned * line(0, 0.3, 0.4)
    assert list(found(tmp_path, noisy(FLAT, 0.005), {metric: values})) == ([] if learned else ["no-learning"])


@pytest.mark.parametrize("part", [0.25, 1.0])
def test_a_detector_that_needs_a_quarter_of_the_training_to_warm_up(tmp_path, part):
    precision = np.concatenate([np.zeros(10), line(0.0, 0.4, 0.5)[:30]])
    assert found(tmp_path, FALLS, {"val/map": precision}, int(part * EVALUATIONS)) == {}


def test_a_metric_that_rises_slowly_and_steadily(tmp_path):
    assert found(tmp_path, noisy(FLAT, 0.01), {"val/map": line(0.026, 0.05)}) == {}


@pytest.mark.parametrize("metric", ["val/accuracy", "val/f1", "val/mIoU", "train/accuracy"])
def test_a_score_that_is_lost(tmp_path, metric):
    score = noisy(line(0.01, 0.6, 0.65, 0.6, 0.1, 0.05), 0.01)
    result = found(tmp_path, FALLS.max() - 2 * score, {metric: score})
    assert "divergence" in result
    of_score = found(tmp_path / "flat", noisy(np.full(EVALUATIONS, 0.5), 0.001), {metric: score})["divergence"]
    assert of_score.title.startswith(f"{metric} collapses from step ")


def test_a_word_error_rate_that_is_lost_in_the_last_evaluation(tmp_path):
    rate = np.concatenate([1 - LEARNED[:-1], [0.9]])
    result = found(tmp_path, np.concatenate([FALLS[:-1], [9.0]]), {"val/wer": rate})
    assert result["divergence"].confidence == "possible"


def test_a_score_that_was_lost_for_a_while(tmp_path):
    score = noisy(line(0.01, 0.6, 0.05, 0.05, 0.5, 0.45), 0.01)
    result = found(tmp_path, noisy(np.full(EVALUATIONS, 0.5), 0.001), {"val/accuracy": score})
    assert "came back later" in result["divergence"].title
    assert found(tmp_path / "better", FALLS, {"val/accuracy": noisy(line(0.01, 0.5, 0.15, 0.15, 0.5, 0.8), 0.01)}) == {}
    anew = found(
        tmp_path / "anew",
        noisy(np.full(EVALUATIONS, 0.5), 0.001),
        {"val/accuracy": noisy(line(0.01, 0.5, 0.02, 0.02, 0.5, 0.8), 0.01)},
    )
    assert anew["divergence"].title.endswith("and came back later")


def test_a_score_that_still_falls_is_as_low_as_its_last_value(tmp_path):
    score = np.concatenate([line(0.01, 0.6), np.linspace(0.58, 0.28, 15)])  # at the median of the last three half is left
    loss = np.geomspace(0.5, 0.52, len(score))
    result = found(tmp_path, loss, {"val/accuracy": score, "train/accuracy": score}, len(score))
    assert result["divergence"].title.startswith("val/accuracy collapses")


@pytest.mark.parametrize(
    "score",
    [
        noisy(LEARNED, 0.02),
        np.where(np.arange(EVALUATIONS) == 20, 0.1, LEARNED),  # a single bad evaluation
        noisy(line(0.90, 0.93, 0.91), 0.003),  # a model that was trained before
        noisy(line(0.1, 0.7, 0.6), 0.01),  # a drift
    ],
)
def test_what_is_no_collapse(tmp_path, score):
    assert "divergence" not in found(tmp_path, FALLS, {"val/accuracy": score})


def test_a_score_that_is_lost_by_overfitting(tmp_path):
    assert "divergence" not in found(tmp_path, FALLS / 2, {"val/accuracy": line(0.1, 0.7, 0.3, 0.25)})


@pytest.mark.parametrize(("score", "stuck"), [(line(0.5, 0.55, 0.6, 0.65), False), (np.full(EVALUATIONS, 0.5), True)])
def test_a_loss_is_stuck_only_if_nothing_else_improves(tmp_path, score, stuck):
    loss = noisy(line(1.0, 0.6, 0.7, 0.7, 0.7, 0.7), 0.005)
    events = [event(i, 1e9 + i, **{"train/loss": loss[i], "val/accuracy": score[i]}) for i in range(EVALUATIONS)]
    write(tmp_path / "events.out.tfevents.1.host", events)
    assert ("plateau" in {f.heuristic for f in review_of(tmp_path).findings}) == stuck


@pytest.mark.parametrize(("loss", "accuracy", "told"), [(2.22, 0.13, True), (2.22, 0.19, False), (1.9, 0.13, False)])
def test_a_training_that_hardly_gets_away_from_guessing(tmp_path, loss, accuracy, told):
    losses, accuracies = np.linspace(np.log(10), loss, EVALUATIONS), np.linspace(0.1, accuracy, EVALUATIONS)
    result = found(tmp_path, losses, {"train/accuracy": accuracies})
    assert ("no-learning" in result) == told
    if told:
        assert "hardly better than guessing among 10 classes" in result["no-learning"].summary


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.34324, 0.343238, 0.343236, 0.343234], "no-learning"),  # four epochs
        ([1.34, 24.5, 16.9, 10.4, 9.5, 8.3, 8.0, 7.9, 22.9, 16.6, 15.2, 13.7, 12.5, 10.7, 9.4], "divergence"),  # at once
        ([1.525, 1.2, 1.27, 1.23, 1.07, 1.13, 1.19, 1.13, 1.08, 1.18, 1.12, 1.10], None),  # it fell at once, and is noisy
    ],
)
def test_a_few_points_of_a_loss(tmp_path, losses, expected):
    result = {h for h in found(tmp_path, np.array(losses), {}, len(losses)) if h in ("no-learning", "divergence")}
    assert result == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("val/iou_bicycle", np.zeros(EVALUATIONS)),  # a class that the data do not have
        ("train/precision", np.full(EVALUATIONS, 16.0)),  # bits
        ("train/grad_acc_steps", np.full(EVALUATIONS, 8.0)),
        ("val/mean_absolute_error", np.linspace(50, 0.98, EVALUATIONS)),
        ("val/rmse_error", np.full(EVALUATIONS, 0.9)),
    ],
)
def test_what_is_no_score(tmp_path, tag, values):
    assert "no-learning" not in found(tmp_path, noisy(FLAT, 0.005), {tag: values})


def test_a_poor_metric_beside_one_that_learns(tmp_path):
    metrics = {"val/accuracy": LEARNED, "val/map": noisy(np.full(EVALUATIONS, 0.12), 0.02)}
    assert found(tmp_path, noisy(FLAT, 0.005), metrics) == {}


def test_a_loss_whose_task_changed_while_the_validation_gets_better(tmp_path):
    loss = noisy(np.concatenate([line(2.0, 0.3)[::2], line(0.9, 0.6)[::2]]), 0.01)
    events = [event(i, 1e9 + i, **{"train/loss": loss[i], "val/bleu": 10 + 0.5 * i}) for i in range(EVALUATIONS)]
    write(tmp_path / "events.out.tfevents.1.host", events)
    assert not {f.heuristic for f in review_of(tmp_path).findings if f.severity != "info"} & {"divergence", "plateau"}


def test_the_first_value_of_a_running_mean_is_no_best(tmp_path):
    loss = np.concatenate([[0.23], np.linspace(2.3, 0.6, EVALUATIONS - 1)])
    assert "divergence" not in found(tmp_path, loss, {})


def test_a_steady_metric_of_several_does_not_hide_an_oscillation(tmp_path):
    swing = np.where(np.arange(EVALUATIONS) % 2, 1.7, 0.3)
    metrics = {"val/accuracy": 0.7 / swing**0.5, "val/recall": np.ones(EVALUATIONS)}
    assert "oscillating-loss" in found(tmp_path, FALLS * swing, metrics)


def test_a_name_with_a_line_break_stays_one_line(tmp_path):
    score = noisy(line(0.01, 0.6, 0.65, 0.6, 0.1, 0.05), 0.01)
    result = found(tmp_path, noisy(np.full(EVALUATIONS, 0.5), 0.001), {"train/accuracy\n": score})
    assert "\n" not in result["divergence"].title


def test_the_loss_of_half_precision_that_is_zero_at_once():
    """Its framework shows NaN as 0: a loss of 122 is not learned away within a point."""
    (told,) = [f for f in review(training_run({"train/loss": [122.0, *np.zeros(36)]}), catalogue()).findings if f.bad_step == 1]
    assert (told.heuristic, told.severity, told.causes[0].id) == ("zero-loss", "warning", "overflow")


def test_a_loss_that_waits_for_its_data_does_not_explode():
    waits = np.append(np.zeros(10), np.linspace(0.9, 0.2, 40))
    assert [f.heuristic for f in review(training_run({"loss": waits}), catalogue()).alone] == ["missing-validation"]


def test_a_loss_far_below_its_start_that_is_many_times_its_lowest():
    loss = np.concatenate([np.geomspace(2.6, 0.06, 14), np.geomspace(0.065, 0.7, 9)])
    found = review(training_run({"train_loss": loss, "val_loss": 1.1 * loss}), catalogue()).alone
    assert [f.heuristic for f in found if f.severity == "warning"] == ["divergence"]


def test_a_metric_below_its_best_does_not_improve():
    loss, score = [2.0, 1.5, 1.2, *np.linspace(1.25, 2, 17)], [0.9, 0.4, 0.45, *np.linspace(0.5, 0.78, 17)]
    curves = {"train/loss": np.linspace(2, 0.4, 20), "eval/loss": loss, "eval/accuracy": score}
    found = [f.heuristic for f in review(training_run(curves), catalogue()).findings]
    assert "overfitting" in found
    assert "metric-loss-disagreement" not in found


def test_nothing_is_stuck_while_the_learning_rate_rises():
    noise = 0.002 * np.random.default_rng(4).normal(size=80)
    curves = {
        "train/loss": np.maximum(np.linspace(2.2, 1.4, 80), 2.0) + noise,
        "train/learning_rate": np.linspace(1e-9, 1e-7, 80),
    }
    judged = review(training_run(curves), catalogue())
    assert not {"plateau", "no-learning"} & {f.heuristic for f in judged.findings}
    assert "warm-up" in {one.heuristic: one.reason for one in judged.inconclusive}["plateau"]
