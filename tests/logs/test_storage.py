"""Where event files lie, and how much of them is held."""

import os

import fsspec
import numpy as np
import pytest

import scram_plugin
from tests.event_files import curve


@pytest.fixture
def memory(tmp_path):
    """A remote directory (fsspec's memory://) with what a local one holds."""
    files = fsspec.filesystem("memory")
    files.store.clear()

    def upload():
        for path in tmp_path.rglob("*tfevents*"):
            files.pipe(f"/bucket/logs/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())

    yield upload
    files.store.clear()


def test_a_remote_directory_is_read_as_a_local_one(tmp_path, memory):
    curve(tmp_path / "exp" / "train", "epoch_loss", np.linspace(1, 0, 300))
    curve(tmp_path, "loss", [1, 2])
    memory()
    logs, local = scram_plugin.read("memory://bucket/logs"), scram_plugin.read(tmp_path)
    assert list(logs) == list(local) == [".", "exp/train"]
    for name, run in local.items():
        for tag, series in run.items():
            assert logs[name][tag].values.tobytes() == series.values.tobytes()
    assert logs.refresh() == set()
    curve(tmp_path / "exp" / "train", "epoch_loss", [0.5], first_step=300)
    memory()
    assert logs.refresh() == {"exp/train"}
    assert len(logs["exp/train"]["epoch_loss"]) == 301


def test_a_remote_directory_that_is_not_there_is_told(memory):
    with pytest.raises(FileNotFoundError, match="no such directory"):
        scram_plugin.read("memory://bucket/nothing")


def test_a_store_whose_package_is_missing_is_told():
    with pytest.raises(OSError, match="pip install adlfs"):
        scram_plugin.read("az://bucket/logs")


def test_points_that_do_not_fit_are_let_go_and_read_again(tmp_path):
    for i in range(5):
        curve(tmp_path / f"run{i}", "loss", np.arange(1000) + i)
    logs = scram_plugin.read(tmp_path, memory=24 * 2500)
    held = [name for name in logs if logs._runs[name].held]
    assert len(held) <= 3
    for i in range(5):
        assert logs[f"run{i}"]["loss"].values.tolist() == list(range(i, 1000 + i))
        assert sum(run.held for run in logs._runs.values()) <= 3
    curve(tmp_path / "run0", "loss", [7], first_step=1000)
    assert logs.refresh() == {"run0"}
    assert logs["run0"]["loss"].values[-1] == 7
    assert logs.refresh() == set()


def test_a_file_that_went_after_its_points_were_let_go_is_told(tmp_path):
    for name in "abc":
        curve(tmp_path / name, "loss", np.arange(1000))
    logs = scram_plugin.read(tmp_path, memory=24 * 1000)
    (gone,) = [name for name in logs if not logs._runs[name].held][:1]
    run = logs[gone]
    next((tmp_path / gone).iterdir()).unlink()
    assert len(run["loss"]) == 0
    assert logs.refresh() == {gone}


def test_a_file_replaced_by_a_longer_one_is_read_afresh(tmp_path):
    path = curve(tmp_path, "loss", range(10))
    logs = scram_plugin.read(tmp_path)
    curve(tmp_path / "new", "loss", range(100, 150))
    os.replace(next((tmp_path / "new").iterdir()), path)
    logs.refresh()
    assert logs["."]["loss"].values.tolist() == list(range(100, 150))


def test_progress_is_told(tmp_path):
    for i in range(3):
        curve(tmp_path / str(i), "loss", [1])
    told = []
    scram_plugin.read(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_link_that_leads_up_is_not_followed_and_others_within_are(tmp_path):
    curve(tmp_path / "logs" / "real", "loss", [1])
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "logs" / "real")
    (tmp_path / "logs" / "up").symlink_to(tmp_path)
    assert list(scram_plugin.read(tmp_path / "logs")) == ["linked"]
