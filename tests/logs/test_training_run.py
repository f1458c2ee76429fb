"""TensorBoard runs become training runs, and tags become signals."""

import numpy as np
import pytest

from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.event_files import curve, event, write
from tests.training_runs import training_run


def runs(path):
    return {run.name: run for run in training_runs(read(path))}


def test_keras_train_and_validation_are_one_run(tmp_path):
    curve(tmp_path / "exp" / "train", "epoch_loss", [2, 1])
    curve(tmp_path / "exp" / "validation", "epoch_loss", [3, 2])
    (run,) = runs(tmp_path).values()
    assert (run.name, run.tensorboard_runs, run.framework) == ("exp", ["exp/train", "exp/validation"], "keras")
    assert run.signal("training loss").values.tolist() == [2, 1]
    assert run.signal("validation loss").values.tolist() == [3, 2]
    assert run.signal("training loss").axis == "epoch"


def test_a_run_at_the_log_directory_itself_is_a_dot(tmp_path):
    curve(tmp_path / "train", "epoch_loss", [2, 1])
    curve(tmp_path / "validation", "epoch_loss", [2, 1])
    assert list(runs(tmp_path)) == ["."]


def test_keras_without_validation_has_no_sibling(tmp_path):
    curve(tmp_path / "exp" / "train", "epoch_loss", [2, 1])
    assert list(runs(tmp_path)) == ["exp"]


def test_scram_alone_belongs_to_its_run_already(tmp_path):
    """In the first second of a training nothing else is there yet."""
    curve(tmp_path / "exp" / "scram", "scram/batches/loss", [2, 1])
    assert list(runs(tmp_path)) == ["exp"]


def test_a_directory_named_train_without_sibling_is_a_run_of_its_own(tmp_path):
    curve(tmp_path / "train", "metrics/mAP_0.5", [0.1])
    assert list(runs(tmp_path)) == ["train"]


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("Loss/train", "Loss/val"),
        ("train_loss", "val_loss"),
        ("train/loss", "valid/loss"),
        ("Loss/Train", "Loss/Test"),
        ("loss", "val_loss"),
    ],
)
def test_a_plain_summary_writer(training, validation, tmp_path):
    write(tmp_path / "exp" / "x.tfevents.1", [event(i, i, **{training: 2 - i, validation: 3 - i}) for i in range(3)])
    (run,) = runs(tmp_path).values()
    assert run.signal("training loss").values.tolist() == [2, 1, 0]
    assert run.signal("validation loss").values.tolist() == [3, 2, 1]


def test_a_restart_replaces_the_points_that_it_repeats_and_keeps_the_rest_as_history(tmp_path):
    curve(tmp_path, "loss", [5, 4, 3, 9, 9])
    curve(tmp_path, "loss", [2, 1], first_step=3)
    (run,) = runs(tmp_path).values()
    loss = run.signal("training loss")
    assert loss.values.tolist() == [5, 4, 3, 2, 1]
    assert (loss.restarts, loss.superseded) == (1, 2)
    assert len(read(tmp_path)["."]["loss"]) == 7, "the raw series keeps every point"


def test_a_restart_from_the_beginning_is_judged_alone(tmp_path):
    curve(tmp_path, "loss", [5, 4, 3])
    curve(tmp_path, "loss", [7, 6])
    assert runs(tmp_path)["."].signal("training loss").values.tolist() == [7, 6]


def test_of_repeated_steps_the_last_counts_and_nan_stays(tmp_path):
    write(tmp_path / "x.tfevents.1", [event(0, 0, loss=1.0), event(0, 1, loss=2.0), event(1, 2, loss=np.nan)])
    np.testing.assert_array_equal(runs(tmp_path)["."].signal("training loss").values, [2.0, np.nan])


def test_names_are_only_names(tmp_path):
    names = ["a b", "c:d", 'q"uote', "<script>alert(1)</script>", "..x", "ü", "(1)@+*,", "'"]
    for name in names:
        curve(tmp_path / name.replace("/", "∕"), "loss", [1])
    assert set(runs(tmp_path)) == {name.replace("/", "∕") for name in names}


def test_parts_of_both_losses_come_before_the_loss_of_batches(tmp_path):
    """As Ultralytics logs them, with SCRAM's record of the loss of each batch, which is of another size."""
    curve(tmp_path / "scram", "scram/batches/loss", [40, 30, 20])
    for tag in ("train/box_loss", "train/cls_loss"):
        curve(tmp_path / "train", tag, [3, 2])
    (run,) = runs(tmp_path).values()
    assert run.signal("training loss").tag == "scram/batches/loss"
    for tag in ("val/box_loss", "val/cls_loss"):
        curve(tmp_path / "validation", tag, [4, 3])
    (run,) = runs(tmp_path).values()
    assert run.signal("training loss").values.tolist() == [6, 4]
    assert run.signal("validation loss").values.tolist() == [8, 6]
    assert run.signal("batch loss").values.tolist() == [40, 30, 20]


@pytest.mark.parametrize(("means", "axis"), [(False, "batch"), (True, "epoch")])
def test_running_means_of_an_epoch_are_no_losses_of_batches(means, axis):
    """A step of one's own in Keras may return the mean of all batches so far, which begins anew in each epoch."""
    losses = 1.0 + 0.2 * np.random.default_rng(0).normal(size=(4, 25))
    if means:
        losses = losses.cumsum(1) / np.arange(1, 26)
    losses = losses.astype(np.float32)
    batches = {"loss": losses.ravel(), "epoch": np.repeat([0.0, 1.0, 2.0, 3.0], 25)}
    run = training_run({"epoch_loss": losses[:, -1]}, {}, {"framework": "keras"}, batches)
    assert run.signal("training loss").axis == axis


@pytest.mark.parametrize(("of_last", "axis"), [(True, "batch"), (False, "epoch")])
def test_an_epoch_with_the_loss_of_its_last_batch_alone(of_last, axis):
    """A step of one's own in Keras logs that, if it returns the loss of the batch."""
    losses = np.linspace(2.0, 1.0, 12).astype(np.float32)
    epochs = losses[3::4] if of_last else losses.reshape(3, 4).mean(1)
    batches = {"loss": losses, "epoch": np.repeat([0.0, 1.0, 2.0], 4)}
    run = training_run({"epoch_loss": epochs}, {}, {"framework": "keras"}, batches)
    assert run.signal("training loss").axis == axis
