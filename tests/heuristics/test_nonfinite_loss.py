"""A loss that is not finite is found at its batch, and the cause that this run's evidence speaks for comes first."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from scram_plugin import SCRAM
from tests.event_files import curve
from tests.heuristics.trainings import IMAGES, LABELS, classifier, finding, review_of, reviewed

ID = "nonfinite-loss"


def regression(loss="mse", optimizer="sgd", activation="relu"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(16, activation), layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


def test_a_learning_rate_out_of_proportion(tmp_path):
    model = regression(optimizer=keras.optimizers.SGD(learning_rate=1e6))
    model.fit(IMAGES, LABELS, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    one = finding(review_of(tmp_path), ID)
    assert (one["severity"], one["confidence"]) == ("error", "certain")
    assert one["causes"][0]["id"] == "learning-rate"
    assert one["causes"][0]["for"].startswith("The learning rate is 1e6; SGD usually works with about 0.01, 1e8 times less.")
    assert one["fixes"][0]["edit"]["after"] == "    model = regression(optimizer=keras.optimizers.SGD(learning_rate=0.01))"


def test_healthy_twin(tmp_path):
    assert ID in reviewed(tmp_path, regression(optimizer=keras.optimizers.SGD(learning_rate=0.001)), IMAGES, LABELS).passed


def test_one_nan_in_the_inputs(tmp_path):
    x = IMAGES.copy()
    x[700, 2, 2] = np.nan
    # with ReLU the CPU turns the NaN into 0 and the loss stays finite
    model = regression(optimizer=keras.optimizers.SGD(0.001), activation="tanh")
    one = finding(reviewed(tmp_path, model, x, LABELS, shuffle=False), ID)
    assert one["causes"][0]["id"] == "inputs"
    assert f"Batch {700 // 32 + 1} held" in one["causes"][0]["for"]
    assert one["steps"]["first"] == 700 // 32
    assert "usual range" in next(c for c in one["causes"] if c["id"] == "learning-rate")["against"]


def test_labels_beyond_the_outputs(tmp_path):
    model = classifier(units=8)
    model.jit_compile = True  # XLA gives NaN where TensorFlow's own kernel on the CPU refuses the label
    one = finding(reviewed(tmp_path, model, IMAGES, LABELS), ID)
    assert one["causes"][0]["id"] == "labels"
    assert one["causes"][0]["for"] == "Labels go from 0 to 9, but the model has 8 outputs (0 to 7)."


def log_loss(y_true, y_pred):
    return -ops.mean(ops.log(y_pred - 0.5))


def test_a_logarithm_in_a_loss_of_ones_own(tmp_path):
    one = finding(reviewed(tmp_path, regression(loss=log_loss, optimizer=keras.optimizers.SGD(0.001)), IMAGES, LABELS), ID)
    assert one["causes"][0]["id"] == "custom-loss"
    assert "log_loss is your own and uses log" in one["causes"][0]["for"]


def test_float16(tmp_path):
    keras.utils.set_random_seed(0)
    policy = keras.DTypePolicy("float16")
    model = keras.Sequential(
        [keras.Input((8, 8)), layers.Flatten(), layers.Dense(16, dtype=policy), layers.Dense(1, dtype=policy)]
    )
    model.dtype_policy = policy
    model.compile(keras.optimizers.SGD(0.001), "mse")
    one = finding(reviewed(tmp_path, model, IMAGES * 100, LABELS * 1000.0), ID)
    assert one["causes"][0]["id"] == "float16"


def test_one_curve_is_shown_once(tmp_path):
    """In the first epoch there is the loss of batches alone, which stands in for that of epochs."""
    curve(tmp_path, "batch_loss", [1.0, float("nan")])
    one = finding(review_of(tmp_path), ID)
    assert len(one["curves"]) == 1


def test_a_plain_log_knows_the_step_and_no_more(tmp_path):
    curve(tmp_path, "loss", [1.0, 0.8, 0.7, np.nan, np.nan])
    one = finding(review_of(tmp_path), ID)
    assert one["title"] == "Loss became NaN at step 3"
    assert one["steps"] == {"first": 3, "last": 4, "axis": "step"}
    assert {f["framework"] for f in one["fixes"]} == {"keras", "torch"}, "the framework is not known: both are offered"
    assert one["fixes"][0]["framework"] == "torch", "the file is not of TensorFlow 2's writer"


def test_a_loss_that_recovers_is_a_warning_and_stays_told(tmp_path):
    curve(tmp_path, "loss", [1.0, np.inf, 0.7, 0.6])
    one = finding(review_of(tmp_path), ID)
    assert one["severity"] == "warning"
    assert "finite again from step 2 on" in one["summary"]


@pytest.mark.parametrize(("value", "fires"), [(np.nan, True), (np.inf, False)])
def test_strict_is_nan_alone(value, fires, tmp_path):
    curve(tmp_path, "loss", [1.0, value])
    assert (ID not in review_of(tmp_path, {ID: {"strict": True}}).passed) is fires


def test_without_a_loss_it_is_not_checked(tmp_path):
    curve(tmp_path, "something", [1.0])
    assert ID in [entry["heuristic"] for entry in review_of(tmp_path).not_checked]


def test_nan_in_the_targets(tmp_path):
    y = LABELS.astype("float32")
    y[100] = np.nan
    one = finding(reviewed(tmp_path, regression(optimizer=keras.optimizers.SGD(0.001)), IMAGES, y, shuffle=False), ID)
    assert one["causes"][0]["id"] == "labels"
    assert one["causes"][0]["for"].startswith("Batch 4 held")


def test_a_schedule_is_judged_by_the_rate_it_reached(tmp_path):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 50, 1e12)
    model = regression(optimizer=keras.optimizers.SGD(schedule))
    one = finding(reviewed(tmp_path, model, IMAGES, LABELS), ID)
    rate = next(c for c in one["causes"] if c["id"] == "learning-rate")
    assert one["causes"][0] == rate
    assert rate["against"] == ""


def test_nothing_is_claimed_of_a_loss_that_is_not_known(tmp_path):
    one = finding(reviewed(tmp_path, regression(loss=["mse"], optimizer=keras.optimizers.SGD(1e6)), IMAGES, LABELS), ID)
    assert next(c for c in one["causes"] if c["id"] == "custom-loss")["against"] == ""
