"""Places in a log directory that hold no logs: they are left out, and told."""

import os
import socket
import sys

import pytest

import scram_plugin
from scram_plugin.logs import storage
from tests.event_files import curve


def told(logs, path):
    return [problem.sentence for problem in logs.problems if problem.path == str(path)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")
@pytest.mark.parametrize("kind", ["/proc", "/sys", "/proc/self/cwd", "/dev"])
def test_a_link_out_of_the_directory_is_told_and_not_followed(tmp_path, kind):
    curve(tmp_path / "exp", "loss", [1.0, 0.5])
    (tmp_path / "out").symlink_to(kind)
    logs = scram_plugin.read(tmp_path)
    assert list(logs) == ["exp"]
    (sentence,) = told(logs, tmp_path / "out")
    assert "left out" in sentence
    assert kind != "/proc" or "special file system (proc)" in sentence


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")
def test_a_special_file_system_is_no_log_directory():
    with pytest.raises(FileNotFoundError, match="special file system"):
        storage.listing("/proc")


def test_links_to_other_places_say_how_they_are_read(tmp_path):
    curve(tmp_path / "real", "loss", [1.0])
    curve(tmp_path / "logs" / "own", "loss", [1.0])
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "real")
    file = next((tmp_path / "real").iterdir())
    (tmp_path / "logs" / "own" / f"{file.name}.2").symlink_to(file)
    logs = scram_plugin.read(tmp_path / "logs")
    assert list(logs) == ["own"]
    assert len(logs["own"]["loss"]) == 1
    (sentence,) = told(logs, tmp_path / "logs" / "linked")
    assert f"give {str(tmp_path / 'real')!r} as a log directory of its own" in sentence
    assert told(logs, tmp_path / "logs" / "own" / f"{file.name}.2")
    assert list(scram_plugin.read(tmp_path / "real")) == ["."]


def test_a_log_directory_may_itself_be_a_link(tmp_path):
    curve(tmp_path / "real" / "exp", "loss", [1.0])
    (tmp_path / "logs").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "again").symlink_to(tmp_path / "real" / "exp")
    logs = scram_plugin.read(tmp_path / "logs")
    assert (list(logs), logs.problems) == (["again"], [])


def test_many_links_out_are_counted(tmp_path):
    curve(tmp_path / "logs", "loss", [1.0])
    (tmp_path / "real").mkdir()
    for number in range(storage.MOST_LINKS_TOLD + 7):
        (tmp_path / "logs" / str(number)).symlink_to(tmp_path / "real")
    sentences = [problem.sentence for problem in scram_plugin.read(tmp_path / "logs").problems]
    assert len(sentences) == storage.MOST_LINKS_TOLD + 1
    assert sentences[-1].startswith("7 more links")


@pytest.mark.parametrize("name", ["events.out.tfevents.1.host", "metrics.csv", "args.yaml"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_pipes_and_sockets_are_told_and_not_opened(tmp_path, name, monkeypatch):
    curve(tmp_path / "exp", "loss", [1.0])
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / name)
    monkeypatch.chdir(tmp_path)  # the name of a socket may only be short
    (tmp_path / "socket").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"socket/{name}")
        logs = scram_plugin.read(tmp_path)
    assert list(logs) == ["exp"]
    assert told(logs, tmp_path / "pipe" / name) == told(logs, tmp_path / "socket" / name) == ["it is not a regular file"]
