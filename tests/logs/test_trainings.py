"""Several trainings in one directory, one after the other, are training runs of their own."""

import numpy as np
import pytest

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.curve import CurveName
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.monitor import Reviewer
from tests.event_files import curve, event, write

LATER = 1.6e9 + 1000
FALLING = np.geomspace(2, 0.1, 20)


def losses(path):
    return {run.name: run.signal("training loss").values.tolist() for run in training_runs(read(path))}


def test_each_training_has_its_own_points(tmp_path):
    for part in ("train", "validation"):
        curve(tmp_path / "exp" / part, "epoch_loss", FALLING)
        curve(tmp_path / "exp" / part, "epoch_loss", 2 * FALLING[:7], wall_time=LATER)
    curve(tmp_path / "exp" / "train", "epoch_lr", [0.1] * 7, wall_time=LATER)  # of the second training alone
    last, first = training_runs(read(tmp_path))
    assert (first.name, last.name) == ("exp (training 1)", "exp")
    assert first.tensorboard_runs == last.tensorboard_runs == ["exp/train", "exp/validation"]
    for signal in ("training loss", "validation loss"):
        assert first.signal(signal).values == pytest.approx(FALLING)
        assert last.signal(signal).values == pytest.approx(2 * FALLING[:7])
    assert "learning rate" in last.signals
    assert "learning rate" not in first.signals
    assert first.last_wall_time <= LATER < last.last_wall_time
    assert first.notes() == ["This is training 1 of 2 that were logged into the same directory."]
    assert last.notes() == [
        "This is the last of 2 trainings that were logged into the same directory; judged apart: exp (training 1)."
    ]


def test_what_is_logged_before_the_first_loss_belongs_to_the_training_that_follows(tmp_path):
    def events(begin):
        first = event(0, begin, **{"val/loss": 3.0})
        return [
            first,
            *(event(i, begin + 5 + i, **{"train/loss": float(v), "val/loss": 2.0 - i / 100}) for i, v in enumerate(FALLING)),
        ]

    write(tmp_path / "events.out.tfevents.1.a", events(1.6e9))
    write(tmp_path / "events.out.tfevents.2.a", events(LATER))
    last, first = training_runs(read(tmp_path))
    assert len(first.series(first.signal("validation loss"))) == 21
    assert last.curve(".", "val/loss").wall_times[0] >= LATER
    assert len(first.curve(".", "val/loss")) == len(last.curve(".", "val/loss")) == 20


def test_folds_that_one_writer_logs_are_told_apart(tmp_path):
    values = np.concatenate([FALLING, FALLING * 1.1, FALLING * 0.9])
    steps = np.tile(np.arange(20), 3)
    write(
        tmp_path / "tfevents.1",
        [event(int(s), 1.6e9 + i, loss=float(v)) for i, (s, v) in enumerate(zip(steps, values, strict=False))],
    )
    found = losses(tmp_path)
    assert list(found) == [".", ". (training 1)", ". (training 2)"]
    assert found[". (training 2)"] == pytest.approx(FALLING * 1.1)


def test_steps_that_count_the_batches_of_each_epoch_are_one_training(tmp_path):
    values = np.geomspace(2, 0.1, 60)
    events = [event(i % 20, 1.6e9 + i, loss=float(v)) for i, v in enumerate(values)]
    write(tmp_path / "tfevents.1", events)
    assert list(losses(tmp_path)) == ["."]


def test_a_training_that_goes_on_where_another_ended_is_not_another_one(tmp_path):
    curve(tmp_path, "loss", FALLING)
    curve(tmp_path, "loss", FALLING[-1] * np.linspace(1, 0.9, 5), wall_time=LATER)
    assert list(losses(tmp_path)) == ["."]
    curve(tmp_path / "b", "loss", FALLING)
    curve(tmp_path / "b", "loss", FALLING[10:], first_step=10, wall_time=LATER)
    assert list(losses(tmp_path / "b")) == ["."]


def test_two_writers_at_once_are_not_told_apart(tmp_path):
    curve(tmp_path, "loss", FALLING)
    curve(tmp_path, "loss", FALLING, wall_time=1.6e9 + 0.5)
    assert list(losses(tmp_path)) == ["."]


def test_without_a_fall_a_new_file_tells(tmp_path):
    curve(tmp_path, "loss", [np.nan] * 6)
    curve(tmp_path, "loss", FALLING, wall_time=LATER)
    assert list(losses(tmp_path)) == [".", ". (training 1)"]


def test_a_start_of_three_points_is_counted_but_not_judged(tmp_path):
    curve(tmp_path, "loss", [2, 1.9, 1.8])
    curve(tmp_path, "loss", FALLING, wall_time=LATER)
    (run,) = training_runs(read(tmp_path))
    assert run.notes() == ["This is the last of 2 trainings that were logged into the same directory."]
    assert len(run.signal("training loss")) == 20


def test_a_fault_is_found_in_the_training_that_has_it(tmp_path):
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal((2, 60))
    diverged = np.concatenate([np.geomspace(2, 0.4, 30), np.geomspace(0.4, 40, 30)])
    curve(tmp_path / "exp", "train/loss", diverged * noise[0])
    curve(tmp_path / "exp", "train/loss", np.geomspace(2, 0.1, 60) * noise[1], wall_time=LATER)
    last, first = scram_plugin.review(tmp_path, cache=False)
    alarms = [f.heuristic for f in last.alone if f.severity != "info"]
    assert (first.name, last.name, alarms) == ("exp (training 1)", "exp", [])
    assert "divergence" in [f.heuristic for f in first.findings]
    assert "step-rewind" in [f.heuristic for f in last.findings]
    assert "step-rewind" not in [f.heuristic for f in first.findings]


def test_the_tab_draws_the_curve_of_the_training_that_is_asked_for(tmp_path):
    curve(tmp_path / "exp", "train/loss", FALLING)
    curve(tmp_path / "exp", "train/loss", 2 * FALLING[:7], wall_time=LATER)
    reviewer = Reviewer(str(tmp_path), catalogue())
    assert reviewer.review("exp (training 1)").signals["training loss"].tag == "train/loss"
    name = CurveName("exp", "train/loss")
    assert len(reviewer.curve("exp (training 1)", name)) == 20
    assert len(reviewer.curve("exp", name)) == 7
