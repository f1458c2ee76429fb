"""Runs of programs with Keras as a proof makes them: recorded by themselves, seeded, cut short; and a whole proof."""

import os
import subprocess
import sys

import numpy as np
import pytest

import scram_plugin
from scram_plugin.fixing.measures import AGREEMENT, ending
from scram_plugin.fixing.runs import Limits
from scram_plugin.training.keras.agreement import agreement
from tests.fixing.programs import DIVERGES, KERAS, ended, files, fix, ran
from tests.paths import environment

RECORDED = KERAS.replace("import keras\n", "import keras\nfrom scram_plugin import SCRAM\n").replace(
    "verbose=0)", "verbose=0, callbacks=[SCRAM('own', stop_on='error')])"
)
STOPPED = KERAS.replace(
    "verbose=0)",
    "verbose=0, callbacks=[keras.callbacks.EarlyStopping(monitor='loss', mode='max', patience=2, restore_best_weights=True)])",
)
TWICE = KERAS + "open('again.txt', 'w').close()\nmodel.fit(x, y, verbose=0)\nraise ValueError('it has gone on')\n"
BARE = KERAS.replace(', metrics=["accuracy"]', "").replace(", validation_data=(x[500:], y[500:])", "")


def test_a_fit_is_recorded_and_cut_at_its_validation(tmp_path):
    with ran(tmp_path / "p", KERAS, Limits(batches=50)) as (done, (run,)):
        told = done.told
        assert (told.batches, told.epochs, told.used, told.ended, told.error) == (50, 2, True, True, "")
        assert len(run.signal("batch loss")) == 50
        assert len(run.signal("validation accuracy")) == 3, "the epoch that was cut is validated, too"
        assert any("compile" in statement["text"] for statement in run.facts["source"]["statements"])
        assert (done.log_dir.parent / "program" / "model.keras").exists(), "the program goes on to its end"
    assert sorted(os.listdir(tmp_path / "p")) == ["train.py"]


def test_a_recorder_of_the_program_records_to_the_proof_alone(tmp_path):
    with ran(tmp_path / "p", RECORDED, Limits(epochs=2)) as (done, (run,)):
        assert (done.told.batches, done.told.epochs) == (40, 2)
        assert len(run.signal("batch loss")) == 40
        assert len([name for name in os.listdir(done.log_dir / "scram") if "tfevents" in name]) == 1
        assert not (done.log_dir.parent / "program" / "own").exists()


def test_the_weights_that_the_program_goes_back_to_count(tmp_path):
    with ran(tmp_path / "p", STOPPED, Limits(epochs=30)) as (done, (run,)):
        assert (done.told.kept, done.told.used) == (0, False)
        first = float(run.signal("validation accuracy").values[0])
        assert ending(done).measures["validation accuracy"].level == first


def test_a_second_fit_ends_the_program_and_seconds_end_a_fit(tmp_path):
    told, _ = ended(tmp_path, TWICE.replace("epochs=40", "epochs=10 ** 6"), limits=Limits(seconds=1))
    assert (told.used, told.error) == (True, "")


def test_without_metric_and_validation_outputs_are_compared_with_targets(tmp_path):
    told, end = ended(tmp_path, BARE, limits=Limits(epochs=10))
    assert 0.3 < told.agreement <= 1.0
    assert end.measures[AGREEMENT].level == told.agreement


def test_agreement():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 100)
    right = np.eye(4)[labels]
    assert agreement(labels, right) == pytest.approx(1.0)
    assert agreement(labels, -right) == pytest.approx(-1.0)
    assert abs(agreement(labels, rng.normal(size=(100, 4)))) < 0.2
    values = rng.normal(size=(100, 1))
    assert agreement(values[:, 0], 5 * values + 3) == pytest.approx(1.0)
    assert agreement(values[:, 0], np.ones((100, 1))) is None
    assert agreement(values, np.full((100, 1), np.nan)) is None
    assert agreement(np.array(["a", "b"]), np.ones((2, 1))) is None


@pytest.mark.slow
def test_a_whole_proof(tmp_path):
    (tmp_path / "train.py").write_text(DIVERGES, encoding="utf-8")
    before = files(tmp_path)
    found = scram_plugin.fix(
        tmp_path / "train.py", prove=True, epochs=3, directory=tmp_path, log_dir=tmp_path / "logs" / "fix", apply=True, yes=True
    )
    assert found.good
    assert "-model.compile(keras.optimizers.SGD(1e6)" in found.diff
    assert "viel zu groß" in found.diff
    assert "three seeds of three" in repr(found)
    after = files(tmp_path)
    assert after.keys() == before.keys()
    assert b"SGD(0.01)" in after["train.py"]
    review = scram_plugin.review(tmp_path / "logs", "as it is, seed 0", cache=False)[0]
    assert any(fix.proof and fix.proof.verdict == "better" for finding in review.findings for fix in finding.fixes)
    assert found.take_back.startswith("scram fix --revert")


def test_preflight_goes_from_a_program_to_a_proven_patch(tmp_path):
    (tmp_path / "train.py").write_text(DIVERGES, encoding="utf-8")
    before = files(tmp_path)
    command = [sys.executable, "-m", "scram_plugin", "preflight", "--seconds", "3", "--yes", "train.py", "--fix"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ fix 1 (" in done.stdout
    assert "add --apply" in done.stdout
    assert files(tmp_path) == before


def test_fix_in_a_program_of_the_session(tmp_path):
    """What cannot be proven is refused with a sentence, as an exception for Python."""
    (tmp_path / "train.py").write_text(KERAS)
    with pytest.raises(ValueError, match="add --prove"):
        scram_plugin.fix(tmp_path / "train.py")
    with pytest.raises(ValueError, match="--seconds takes a number"):
        scram_plugin.fix(tmp_path / "train.py", prove=True, seconds=0, directory=tmp_path)
    assert fix(tmp_path, "absent", status=2)[1].startswith("scram: absent: there is no such file or directory")
