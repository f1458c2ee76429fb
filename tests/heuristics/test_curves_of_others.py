"""What was wrong, or said wrongly, about trainings that others wrote; each on a training of that kind.

Curves that are written out were logged by real trainings: of movie reviews (`BUMPY`), and of a loss with an empty mean.
"""

import graphlib

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from scram_plugin.heuristics.catalogue import HEURISTICS, consequences
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.event_files import curve, event, write
from tests.recorded import recorded
from tests.recorded.digits import IMAGES, LABELS
from tests.reviews import finding, found, review_of, review_of_recorded

BUMPY = [.58, .437, .409, .542, .58, .541, .557, .94, 1.14, 1.12, .848, .599, 1.44, .573, .68, .697, .707, .72, .733, .746,
         .759, .771, .783, .794, .804, .814, .824, .833, .842, .85]  # fmt: skip
BUMPY_TRAINING = [.65, .346, .125, .039, .0193, .016, .0157, .02, .0167, .0243, .0427, .124, .106, .079, .0031, .00236, .00167,
                  .00132, .0011, .000932, .000806, .000704, .000622, .000554, .000497, .000448, .000406, .00037, .000339,
                  .000311]  # fmt: skip


def of_keras(*name):
    return review_of_recorded("keras_curves", *name)


def warned(result):
    return [f.heuristic for f in result.findings if f.severity != "info" and f.explained_by is None]


def softmax_regression(directory, rate, batch, steps, every=0, tags=("loss/train", "loss/val"), seed=0):
    """A NumPy loop on digits that logs the loss of every batch and, every so many steps, that of 500 other images."""
    rng = np.random.default_rng(seed)
    x, labels = IMAGES.reshape(len(IMAGES), -1), np.eye(10)[LABELS]
    weights, events = rng.normal(0, 0.01, (64, 10)), []

    def probabilities(rows):
        scores = x[rows] @ weights
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

    def loss(rows):
        return float(-np.log((probabilities(rows) * labels[rows]).sum(1) + 1e-12).mean())

    for step in range(steps):
        rows = rng.integers(0, 1000, batch)
        events.append(event(step, 1e9 + step, **{tags[0]: loss(rows)}))
        if every and step % every == 0:
            events.append(event(step, 1e9 + step, **{tags[1]: loss(slice(1200, 1700))}))
        weights -= rate * x[rows].T @ (probabilities(rows) - labels[rows]) / batch
    write(directory / "events.out.tfevents.1.host", events)
    return review_of(directory)


def linear_regression(directory, rate, steps=80):
    """Full batches of the diabetes data, logged as `mse` into train/ and val/, with no tag that says loss."""
    x, y = load_diabetes(return_X_y=True)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    weights = np.zeros(x.shape[1])
    sides = {"train": slice(0, 300), "val": slice(300, None)}
    events = {side: [] for side in sides}
    for step in range(steps):
        for side, rows in sides.items():
            events[side].append(event(step, 1e9 + step, mse=float(((x[rows] @ weights - y[rows]) ** 2).mean())))
        rows = sides["train"]
        weights -= rate * 2 * x[rows].T @ (x[rows] @ weights - y[rows]) / 300
    for side in sides:
        write(directory / side / "events.out.tfevents.1.host", events[side])
    return review_of(directory)


def test_a_bump_of_the_validation_loss_hides_no_overfitting(tmp_path):
    curve(tmp_path / "train", "epoch_loss", BUMPY_TRAINING)
    curve(tmp_path / "validation", "epoch_loss", BUMPY)
    one = finding(review_of(tmp_path), "overfitting")
    assert one.severity == "warning"
    assert one.first_step == 2, "the lowest point itself"
    assert one.evidence["last_loss"] == pytest.approx(0.85, rel=1e-5), "the last value as logged"


def test_where_the_training_curve_ends_early_nothing_is_said_of_what_comes_after(tmp_path):
    """A file that was cut off, or one that lags behind while the training runs."""
    for part, tag, values in (("train", "epoch_loss", BUMPY_TRAINING[:9]), ("validation", "epoch_loss", BUMPY)):
        curve(tmp_path / part, tag, values)
    one = finding(review_of(tmp_path), "overfitting")
    assert one.last_step <= 9
    assert f"from {BUMPY_TRAINING[2]:.4g} to {BUMPY_TRAINING[8]:.4g}" in one.summary
    # the last training loss that is known is soon far above the validation loss; a pause, or quick epochs, change nothing
    falls = [2.0 * 0.95**i for i in range(40)]
    for name, seconds in (("even", [1.0] * 40), ("pause", [1.0] * 3 + [36_000.0] + [1.0] * 36), ("quick", [0.02] * 40)):
        times = 1.6e9 + np.cumsum(seconds)
        for part, values in (("train", falls[:12]), ("validation", [1.1 * value for value in falls])):
            events = [event(i, time, epoch_loss=value) for i, (time, value) in enumerate(zip(times, values, strict=False))]
            write(tmp_path / name / part / "events.out.tfevents.1.host", events)
        lagging = review_of(tmp_path / name)
        assert [f.heuristic for f in lagging.findings if f.heuristic != "undertrained"] == [], name


def test_one_early_point_out_of_line_is_not_where_overfitting_begins(tmp_path):
    validation = [*np.geomspace(2, 0.64, 30), *np.linspace(0.66, 1.2, 30)]
    validation[1] = 0.55
    curve(tmp_path / "train", "epoch_loss", np.geomspace(2, 0.03, 60))
    curve(tmp_path / "validation", "epoch_loss", validation)
    assert finding(review_of(tmp_path), "overfitting").first_step == 29


def test_a_jump_of_one_training_point_is_not_told_as_what_the_curve_did(tmp_path):
    training = [*np.geomspace(2, 0.09, 20), *[0.09] * 19, 0.8]
    curve(tmp_path / "train", "epoch_loss", training)
    curve(tmp_path / "validation", "epoch_loss", [*np.geomspace(2, 0.5, 20), *np.linspace(0.53, 1.2, 20)])
    assert "training loss went from about 0.09" in finding(review_of(tmp_path), "overfitting").summary


def test_an_entropy_beside_the_loss_makes_no_reinforcement_learning(tmp_path):
    curve(tmp_path, "train/loss", np.geomspace(2, 0.03, 60))
    curve(tmp_path, "train/entropy_loss", np.linspace(0.5, 0.4, 60))
    curve(tmp_path, "val/loss", [*np.geomspace(2, 0.64, 30), *np.linspace(0.66, 1.2, 30)])
    assert "overfitting" in found(review_of(tmp_path))


def test_numbers_of_a_sentence_stand_in_the_curve(tmp_path):
    training = [0.9 - 0.02 * i + (0.05 if i % 2 else -0.05) for i in range(30)]
    curve(tmp_path / "train", "epoch_loss", training)
    curve(tmp_path / "validation", "epoch_loss", BUMPY)
    result = finding(review_of(tmp_path), "overfitting")
    best = int(np.argmin(BUMPY))
    assert f"lowest at epoch {best + 1} ({BUMPY[best]:.4g})" in result.summary
    assert f"from {training[best]:.4g} to {training[-1]:.4g}" in result.summary
    # single points would tell that it rose
    training[best], training[-1] = 0.4, 0.6
    curve(tmp_path / "b" / "train", "epoch_loss", training)
    curve(tmp_path / "b" / "validation", "epoch_loss", BUMPY)
    assert "went from about " in finding(review_of(tmp_path / "b"), "overfitting").summary


def test_few_steps_of_an_optimiser_are_no_training(tmp_path):
    """Lightning's steps are those of the optimiser: 30 of them may be too few to learn anything."""
    for steps, told in ((30, False), (400, True)):
        directory = tmp_path / str(steps)
        curve(directory, "train_loss", [0.6931 + 0.001 * (-1) ** i for i in range(steps)])
        curve(directory, "lr-Adam", [0.001] * steps)
        assert ("no-learning" in found(review_of(directory))) is told


def test_the_noise_of_batches_is_no_swing_and_no_plateau(tmp_path):
    assert warned(softmax_regression(tmp_path / "a", 0.5, 32, 161, every=20)) == []
    assert warned(softmax_regression(tmp_path / "b", 0.05, 8, 700, every=50)) == []
    assert warned(softmax_regression(tmp_path / "c", 0.5, 16, 400)) == [], "without a validation, too"


def test_a_loss_that_fell_to_that_of_guessing_is_nothing_learned():
    result = of_keras("fell_to_guessing")
    one = finding(result, "no-learning")
    assert one.confidence == "likely"
    assert "guessing among" in one.summary
    assert warned(result) == ["no-learning"]


def test_a_loss_that_is_the_same_in_every_digit_has_frozen_weights():
    one = finding(of_keras("all_layers_frozen"), "no-learning")
    assert one.causes[0].id == "frozen"
    assert one.confidence == "likely"


def test_guessing_is_not_claimed_of_a_regression(tmp_path):
    curve(tmp_path, "train/loss", 4.69 + np.random.default_rng(0).normal(0, 0.01, 30))
    one = finding(review_of(tmp_path), "no-learning")
    assert "classes" not in one.summary, "ln(109) is 4.69, but who has 109 classes?"


def test_a_metric_is_the_loss_of_a_log_that_names_none(tmp_path):
    (tmp_path / "fine").mkdir()
    healthy = linear_regression(tmp_path / "fine", 0.05)
    assert healthy.signals["training loss"].tag == healthy.signals["validation loss"].tag == "mse"
    assert warned(healthy) == []
    one = finding(linear_regression(tmp_path / "bad", 0.4), "divergence")
    assert (one.severity, one.confidence) == ("error", "certain")
    assert one.causes[0].id == "learning-rate"


def test_a_metric_is_no_loss_where_there_is_one(tmp_path):
    curve(tmp_path, "val/loss", [3, 2, 1])
    curve(tmp_path, "train/mse", [3, 2, 1])
    assert review_of(tmp_path).signals.keys() == {"validation loss", "training mse"}


def test_the_rate_dropped_while_each_epoch_still_brought_much():
    one = finding(of_keras("rate_dropped_early"), "learning-rate-schedule")
    assert one.causes[0].id == "early-drop"
    assert "epoch 5" in one.title


@pytest.mark.parametrize("schedule", ["cosine", "steps", "late"])
def test_usual_schedules_pass(schedule):
    assert "learning-rate-schedule" in of_keras("schedule", schedule).passed


def test_a_spike_after_which_the_loss_never_came_back_is_a_warning(tmp_path):
    values = read(recorded("keras_curves", "divergence", "healthy"))["train"]["epoch_loss"].values[:20]
    curve(tmp_path / "again", "train/loss", [*values, values[0] * 4, *(values[19] * np.linspace(1.5, 1.2, 15))])
    one = finding(review_of(tmp_path / "again"), "loss-spike")
    assert one.severity == "warning"
    assert "has not fallen below" in one.summary


def test_a_jump_onto_a_swinging_level_is_divergence(tmp_path):
    """The rate was multiplied by twenty after the eighth epoch of a regression; its losses as they were logged."""
    losses = [175, 44.3, 20.5, 19.2, 18.3, 17.4, 16.6, 15.9, 7590, 20057, 23995, 8946, 13124, 17076, 11830, 18795, 8859, 15796,
              26339, 20065, 35568, 22945, 10423, 12523, 16585]  # fmt: skip
    curve(tmp_path / "a", "train/loss", losses)
    assert warned(review_of(tmp_path / "a")) == ["divergence"]
    broken = [1.018, 0.653, 0.536, 0.504, 0.465, 0.465, 0.417, 0.418, 0.394, 8.553] + [2.304] * 8
    curve(tmp_path / "b", "train/loss", broken)
    one = finding(review_of(tmp_path / "b"), "divergence")
    assert (one.evidence["best_loss"], one.explained_by) == (pytest.approx(0.394), None)


def test_no_two_findings_explain_each_other():
    graphlib.TopologicalSorter(consequences(HEURISTICS)).prepare()  # raises CycleError


def test_the_tail_of_single_samples_is_no_accident(tmp_path):
    """Batches of one: most losses are near zero, some are not, and none of them is a jump of the model."""
    result = softmax_regression(tmp_path, 0.05, 1, 3000)
    assert "loss-spike" not in found(result)


def test_validations_that_are_rare_are_no_few_epochs(tmp_path):
    events = [
        event(step, 1e9 + step, **{"val/loss": loss}) for step, loss in ((4, 0.547), (9, 0.487), (14, 0.461), (19, 0.435))
    ]
    write(tmp_path / "events.out.tfevents.1.host", events)
    curve(tmp_path, "epoch", np.arange(20))
    curve(tmp_path, "train/loss", np.linspace(0.9, 0.4, 20))
    assert "undertrained" not in found(review_of(tmp_path))


def test_a_log_without_a_known_loss_says_what_it_has(tmp_path):
    curve(tmp_path, "recon/train", [3, 2, 1])
    result = review_of(tmp_path)
    assert "(the log has recon/train)" in result.headline().text
    assert '"training loss" = "recon/train"' in next(e.how for e in result.not_checked if e.heuristic == "divergence")


def test_a_total_is_preferred_to_its_part(tmp_path):
    for tag in ("train/ce_loss", "train/loss"):
        curve(tmp_path, tag, [3, 2, 1])
    assert review_of(tmp_path).signals["training loss"].tag == "train/loss"


def test_a_rate_of_next_to_nothing_is_told():
    """A step schedule that counts batches where epochs were meant."""
    one = finding(of_keras("schedule", "to nothing"), "learning-rate-schedule")
    assert "below a thousandth" in one.summary or "divided by" in one.summary


def test_single_losses_that_are_nan_are_about_their_batches(tmp_path):
    values = np.linspace(2, 1, 200)
    values[[20, 90, 150]] = np.nan
    curve(tmp_path, "train/loss", values)
    one = finding(review_of(tmp_path), "nonfinite-loss")
    assert one.causes[0].id == "custom-loss"
    assert "3 of 200 values are not finite" in one.summary


def test_another_training_in_the_same_directory_is_told_from_a_resumed_one():
    one = finding(of_keras("rerun_in_the_same_directory"), "step-rewind")
    assert one.causes[0].id == "rerun"
    assert "starts again, too" in one.causes[0].for_
    assert finding(of_keras("resumed"), "step-rewind").causes[0].id == "resumed"


def test_metrics_that_fail_together_are_one_finding(tmp_path):
    for tag in ("eval/f1", "eval/precision"):
        curve(tmp_path, tag, [np.nan] * 4)
    curve(tmp_path, "train/loss", np.linspace(2, 1, 20))
    (one,) = [f for f in review_of(tmp_path).findings if f.heuristic == "nonfinite-metric"]
    assert one.title == "Validation f1 and precision are NaN throughout"


def test_an_infinite_validation_loss_is_the_logarithm_of_a_zero(tmp_path):
    curve(tmp_path, "val/loss", [np.inf] * 8)
    curve(tmp_path, "train/loss", np.linspace(2, 1, 8))
    assert finding(review_of(tmp_path), "nonfinite-metric").causes[0].id == "overflow"


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_loss_that_was_always_zero_is_one_warning():
    assert warned(of_keras("always_zero")) == ["zero-loss"]


def test_a_validation_that_was_logged_by_batches_only_is_not_missing(tmp_path):
    curve(tmp_path / "train", "batch_loss", np.linspace(2, 1, 30))
    write(tmp_path / "validation" / "events.out.tfevents.1.host.v2", [])
    result = review_of(tmp_path)
    assert "missing-validation" not in found(result)
    assert "missing-validation" in [entry.heuristic for entry in result.inconclusive]


def test_the_results_of_hyperparameters_are_no_training_of_their_own(tmp_path):
    for name, tag in (("lr=0.1/hp", "hparam/loss"), ("lr=0.1/1700000000.25", "loss")):
        curve(tmp_path / name, tag, [0.3])
    curve(tmp_path / "lr=0.1", "train/loss", np.linspace(2, 1, 12))
    assert [run.name for run in training_runs(read(tmp_path))] == ["lr=0.1"]


def test_headlines_say_how_much_was_judged(tmp_path):
    curve(tmp_path / "ppo", "charts/episodic_return", np.arange(30))
    curve(tmp_path / "ppo", "losses/td_loss", np.linspace(0, 5, 30))
    curve(tmp_path / "alone", "train/loss", np.linspace(2, 1, 40) ** 2)
    curve(tmp_path / "short", "train/loss", [2, 1])
    ppo, alone, short = (review_of(tmp_path / name).headline() for name in ("ppo", "alone", "short"))
    assert ppo.text.startswith("Little could be checked: the losses of reinforcement learning")
    assert alone == ("info", "No trouble found. Worth knowing: No validation loss or metric was logged.")
    assert short.text.startswith("Too few points to tell: it needs at least")
