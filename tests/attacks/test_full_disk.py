"""A disk that is full for a while, or for good: the training goes on, and no review calls what is missing fine."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import scram_plugin
from tests.paths import environment

TRAIN = """
import os, sys, time
import keras
from scram_plugin import SCRAM
from scram_plugin.training import gap
from tests.training.keras.models import dense

gap.FIRST_WAIT = 0.0  # so that the disk need not be full for seconds
logs, forever = sys.argv[1], sys.argv[2] == "forever"
ballast = os.path.join(logs, "..", "ballast")

def fill():
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass

class Disk(keras.callbacks.Callback):
    batches = 0
    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            fill()
        if epoch == 4 and not forever:
            os.remove(ballast)

model, data = dense()
disk = Disk()
callback = SCRAM(logs, every=5, print_findings=False)
model.fit(*data, batch_size=16, verbose=0, epochs=6, callbacks=[callback, disk])
print(disk.batches)
"""


def trained(folder, how):
    """A training whose log is on a disk of its own, which is full from the third epoch on; and a copy of the log."""
    small, program = folder / "disk", folder / "train.py"
    small.mkdir()
    program.write_text(TRAIN)
    script = f"mount -t tmpfs -o size=1m none {small} && mkdir {small}/logs && {sys.executable} {program} {small}/logs {how}"
    script += f"; status=$?; rm -f {small}/ballast; cp -r {small}/logs {folder}/logs; exit $status"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("a disk of its own needs a mount namespace")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], env=environment(), capture_output=True, text=True)
    print(done.stderr[-3000:])
    assert done.returncode == 0
    assert done.stderr.count("SCRAM cannot write its log") == 1
    assert "Traceback" not in done.stderr
    return int(done.stdout.split()[-1]), folder / "logs"


def checked(logs):
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", "check", str(logs), "--format", "json", "--no-cache"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(done.stdout)["runs"][0]


def test_recording_goes_on_when_there_is_room_again(tmp_path):
    batches, logs = trained(tmp_path, "a while")
    run = scram_plugin.read(logs)["scram"]
    steps = run["scram/batches/loss"].steps
    (gap,) = run.gaps
    print(gap, run.ended)
    assert steps[-1] == batches - 1, "the end of the training was recorded"
    assert run.ended == "finished"
    missing = sorted(set(range(batches)) - set(steps.tolist()))
    assert missing, "the disk was full"
    assert (gap["first"], gap["last"]) == (missing[0], missing[-1])
    assert "No space left" in gap["reason"]
    assert not scram_plugin.read(logs).problems, "no record is torn"
    status, review = checked(logs)
    assert status == 0
    assert any(f"Batches {missing[0]:,} to {missing[-1]:,}" in note and "No space left" in note for note in review["notes"])
    assert "Nothing wrong found" not in review["headline"]["text"]


def test_a_disk_that_stays_full_is_told_in_the_room_that_was_kept(tmp_path):
    batches, logs = trained(tmp_path, "forever")
    run = scram_plugin.read(logs)["scram"]
    assert 0 < len(run["scram/batches/loss"]) < batches
    assert run.gaps[-1]["end"] is None
    status, review = checked(logs)
    assert not review["passed"], "a check that saw the beginning alone has not passed"
    assert "recording stopped" in review["headline"]["text"].lower()
    assert "No space left" in review["headline"]["text"]
    assert any("No space left" in entry["reason"] for entry in review["inconclusive"])
    assert status == (0 if review["findings"] else 2)


def test_a_log_without_a_disk_problem_keeps_no_room(tmp_path):
    from scram_plugin.training.summary_writer import SummaryWriter

    writer = SummaryWriter(str(tmp_path), lambda: None, lambda error: None)
    writer.text("scram/end", "finished")
    writer.close()
    assert all("tfevents" in name for name in os.listdir(tmp_path / "scram"))
