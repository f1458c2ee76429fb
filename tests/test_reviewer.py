"""The reviewer of a large log directory: the first findings are there while the rest is still read."""

import time

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs import logdir
from scram_plugin.logs.logdir import Logdir
from scram_plugin.reviews import monitor
from scram_plugin.reviews.monitor import Reviewer
from tests.event_files import curve


@pytest.fixture
def slow_reading(monkeypatch):
    """One TensorBoard run at a time, each of which takes as long as a slice."""
    monkeypatch.setattr(logdir, "AT_ONCE", 1)
    monkeypatch.setattr(monitor, "FIRST_SLICE", 0.01)
    own = logdir.Run.read

    def read(self, listed):
        time.sleep(0.1)
        return own(self, listed)

    monkeypatch.setattr(logdir.Run, "read", read)


def test_a_look_that_has_no_time_goes_on_later(tmp_path, slow_reading):
    for i in range(4):
        curve(tmp_path / str(i), "loss", [1.0, 0.9])
    logs = Logdir(str(tmp_path))
    assert logs.refresh(seconds=0.0) == {"0", "1", "2", "3"}, "all of them are new"
    assert not logs.complete
    assert len(logs.unread) == 3
    while not logs.complete:
        logs.refresh(seconds=0.0)
    assert logs.unread == set()
    assert all(len(logs[str(i)]["loss"]) == 2 for i in range(4))


def test_first_findings_before_all_is_read(tmp_path, slow_reading):
    for i in range(12):
        curve(tmp_path / f"run{i:02}" / "train", "epoch_loss", [1.0, float("nan")])
        curve(tmp_path / f"run{i:02}" / "validation", "epoch_loss", [1.0, 0.9])
    reviewer = Reviewer(str(tmp_path), catalogue())
    progress = []
    partial = None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = reviewer.runs(0.02)
        progress.append(answer["progress"]["read"]["done"])
        if answer["runs"] and not answer["progress"]["looked"]:
            partial = partial or answer
        if answer["progress"]["looked"] and answer["progress"]["done"] == answer["progress"]["total"] == 12:
            break
    assert partial is not None
    assert 0 < len(partial["runs"]) < 12
    assert all(run["counts"]["error"] == 1 for run in partial["runs"])
    assert progress == sorted(progress)
    assert progress[-1] == 24
    # no training was ever judged by one of its two parts
    assert all(
        reviewer.review(run["name"]).tensorboard_runs == (f"{run['name']}/train", f"{run['name']}/validation")
        for run in answer["runs"]
    )
    assert answer["removed"] is None
    assert reviewer.runs(since=partial["cursor"])["removed"] == []


def test_a_run_that_somebody_waits_for_is_answered_when_it_is_read(tmp_path, slow_reading):
    for i in range(6):
        curve(tmp_path / f"run{i}", "loss", [1.0, float("nan")])
    reviewer = Reviewer(str(tmp_path), catalogue())
    assert reviewer.review("run5").findings
    assert reviewer.review("none") is None


def test_a_point_that_changes_no_finding_is_no_news(tmp_path):
    """What a live run is grows with each event; the answers to its questions are not computed anew for that."""
    falls = np.geomspace(2, 0.1, 60)
    for side in ("train", "validation"):
        curve(tmp_path / "exp" / side, "epoch_loss", falls)
    reviewer = Reviewer(str(tmp_path), catalogue())
    before, first = reviewer.review("exp"), reviewer.runs(patience=5)["runs"][0]["fingerprint"]
    for side in ("train", "validation"):
        curve(tmp_path / "exp" / side, "epoch_loss", [0.0999], first_step=60, wall_time=1.6e9 + 60)
    after = Reviewer(str(tmp_path), catalogue())
    assert dict(after.review("exp").about)["length"] == "61 epochs" != dict(before.about)["length"]
    assert after.runs(patience=5)["runs"][0]["fingerprint"] == first
