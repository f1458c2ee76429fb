"""A loss that is not finite is found at its batch, and the cause that this run's evidence speaks for comes first."""

import numpy as np
import pytest

from tests.event_files import curve
from tests.reviews import finding, review_of, review_of_recorded

ID = "nonfinite-loss"


def reviewed(name):
    return review_of_recorded("keras_nonfinite_loss", name)


def test_a_learning_rate_out_of_proportion():
    one = finding(reviewed("a_learning_rate_out_of_proportion"), ID)
    assert (one.severity, one.confidence) == ("error", "certain")
    assert one.causes[0].id == "learning-rate"
    assert one.causes[0].for_.startswith("The learning rate is 1e6. That is 1e8 times the usual 0.01 of SGD.")
    assert one.fixes[0].edit.after == "    model = regression(optimizer=keras.optimizers.SGD(learning_rate=0.01))"


def test_healthy_twin():
    assert ID in reviewed("healthy").passed


def test_one_nan_in_the_inputs():
    one = finding(reviewed("one_nan_in_the_inputs"), ID)
    assert one.causes[0].id == "inputs"
    assert f"Batch {700 // 32 + 1} held" in one.causes[0].for_
    assert one.first_step == 700 // 32
    assert "usual range" in next(c for c in one.causes if c.id == "learning-rate").against


def test_labels_beyond_the_outputs():
    one = finding(reviewed("labels_beyond_the_outputs"), ID)
    assert one.causes[0].id == "labels"
    assert one.causes[0].for_ == "Labels go from 0 to 9, but the model has 8 outputs (0 to 7)."


def test_a_logarithm_in_a_loss_of_ones_own():
    one = finding(reviewed("a_logarithm_in_a_loss_of_ones_own"), ID)
    assert one.causes[0].id == "custom-loss"
    assert "log_loss is your own and uses log" in one.causes[0].for_


def test_float16():
    assert finding(reviewed("float16"), ID).causes[0].id == "float16"


def test_one_curve_is_shown_once(tmp_path):
    """In the first epoch there is the loss of batches alone, which stands in for that of epochs."""
    curve(tmp_path, "batch_loss", [1.0, float("nan")])
    one = finding(review_of(tmp_path), ID)
    assert len(one.curves) == 1


def test_a_plain_log_knows_the_step_and_no_more(tmp_path):
    curve(tmp_path, "loss", [1.0, 0.8, 0.7, np.nan, np.nan])
    one = finding(review_of(tmp_path), ID)
    assert one.title == "Loss became NaN at step 3"
    assert (one.first_step, one.last_step, one.axis) == (3, 4, "step")
    assert {f.framework for f in one.fixes} == {"keras", "torch"}, "the framework is not known: both are offered"
    assert one.fixes[0].framework == "torch", "the file is not of TensorFlow 2's writer"


def test_a_loss_that_recovers_is_a_warning_and_stays_told(tmp_path):
    curve(tmp_path, "loss", [1.0, np.inf, 0.7, 0.6])
    one = finding(review_of(tmp_path), ID)
    assert one.severity == "warning"
    assert "finite again from step 2 on" in one.summary


@pytest.mark.parametrize(("value", "fires"), [(np.nan, True), (np.inf, False)])
def test_strict_is_nan_alone(value, fires, tmp_path):
    curve(tmp_path, "loss", [1.0, value])
    assert (ID not in review_of(tmp_path, {ID: {"strict": True}}).passed) is fires


def test_without_a_loss_it_is_not_checked(tmp_path):
    curve(tmp_path, "something", [1.0])
    assert ID in [entry.heuristic for entry in review_of(tmp_path).not_checked]


def test_nan_in_the_targets():
    one = finding(reviewed("nan_in_the_targets"), ID)
    assert one.causes[0].id == "labels"
    assert one.causes[0].for_.startswith("Batch 4 held")


def test_a_schedule_is_judged_by_the_rate_it_reached():
    one = finding(reviewed("a_schedule"), ID)
    rate = next(c for c in one.causes if c.id == "learning-rate")
    assert one.causes[0] == rate
    assert rate.against == ""


def test_nothing_is_claimed_of_a_loss_that_is_not_known():
    one = finding(reviewed("a_loss_that_is_not_known"), ID)
    assert next(c for c in one.causes if c.id == "custom-loss").against == ""
