"""Logs that make a check slow: it is stopped, named, and the other runs of the log directory do not wait."""

import json
import shutil
import subprocess
import sys
import time

import pytest
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import CHECK_SECONDS, catalogue
from scram_plugin.heuristics.configuration import configured
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.budget import OutOfTime, TimeBudget
from scram_plugin.reviews.run import review
from tests.event_files import tensor_event, write
from tests.paths import DEMO_LOGS, ROOT, environment

GOOD = 50
# two lists that are brought into an order again and again, and compared again and again
SLOW = "import numpy\n" + "".join(
    [
        *(f"x = x[numpy.random.permutation({n})]\n" for n in range(500)),
        "numpy.random.seed(1)\n",
        *(f"y = y[numpy.random.permutation({n})]\n" for n in range(500)),
        *("model.fit(x, y)\n" * 1300),
    ]
)


def slow_log(folder):
    shutil.copytree(DEMO_LOGS / "movie_reviews" / "lr_1e10", folder)
    (run,) = training_runs(read(folder))
    source = {"file": "train.py", "line": 1002, "statements": [], "files": [{"file": "train.py", "text": SLOW}]}
    facts = json.dumps({**run.facts, "source": source}).encode()
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[facts])
    event = tensor_event(0, schema.FACTS_TAG, tensor, wall_time=time.time(), plugin=schema.PLUGIN_NAME)
    write(folder / schema.RUN / "events.out.tfevents.9999999999.forged", [event])
    return folder


def test_a_slow_check_is_stopped_and_named_and_the_others_are_judged(tmp_path):
    for n in range(GOOD):
        shutil.copytree(DEMO_LOGS / "fashion_mnist" / "overfit", tmp_path / f"good{n}")
    slow_log(tmp_path / "slow")
    (tmp_path / "scram.toml").write_text("check_seconds = 0.5\n")
    command = [sys.executable, "-m", "scram_plugin", "check", ".", "--format", "json"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    runs = {one["name"]: one for one in json.loads(done.stdout)["runs"]}
    assert len(runs) == GOOD + 1
    assert all("overfitting" in [f["heuristic"] for f in runs[f"good{n}"]["findings"]] for n in range(GOOD))
    stopped = {one["heuristic"]: one["reason"] for one in runs["slow"]["inconclusive"]}
    assert "took too long and was stopped" in stopped["unpaired-targets"]
    assert any("unpaired-targets could not be checked: the check took too long" in note for note in runs["slow"]["notes"])


def test_what_a_check_catches_is_not_its_end():
    """A check that catches whatever is raised in it is stopped, too; and nothing comes after a check that has ended."""
    budget = TimeBudget(0.3)

    def stubborn():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                sum(range(1000))
            except Exception:
                continue

    with pytest.raises(OutOfTime), budget.check():
        stubborn()
    stopped = 0
    for _ in range(20):  # each of them at another moment of the watcher's rounds
        try:
            with TimeBudget(1e-9).check():
                sum(range(3_000_000))
        except OutOfTime:
            stopped += 1
        sum(range(100_000))  # nothing is raised here
    assert stopped > 0


def test_the_review_has_a_budget_too(monkeypatch):
    monkeypatch.setattr("scram_plugin.reviews.budget.REVIEW_SECONDS", -1.0)
    (run,) = training_runs(read(DEMO_LOGS / "movie_reviews" / "lr_1e10"))
    found = review(run, catalogue(seconds=1e-9))
    assert len([one for one in found.inconclusive if one.reason.startswith("the review took too long")]) > 1


@pytest.mark.parametrize("given", ["-1", "true", '"long"', "inf"])
def test_a_budget_that_is_none(tmp_path, given):
    file = tmp_path / "scram.toml"
    file.write_text(f"check_seconds = {given}\n")
    with pytest.raises(BadOption, match="check_seconds takes the seconds"):
        configured(str(file))
    assert catalogue().seconds == CHECK_SECONDS
