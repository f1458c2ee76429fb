"""Files that change under their reader, links, pipes, and huge records: what is read is what is on the disk."""

import io
import os
import shutil
import struct
import subprocess
import sys
import threading

import pytest

import scram_plugin
from scram_plugin.logs import event_file, storage
from scram_plugin.logs.event_file import EventFile
from scram_plugin.logs.layout import Layouts
from scram_plugin.logs.run import Run
from tests.attacks.test_rewrites import content, points
from tests.event_files import curve, event, masked, record, write
from tests.paths import ROOT


@pytest.mark.parametrize("again", [3, 30], ids=["the same size", "longer"])
def test_a_file_that_is_opened_again_for_writing(again, tmp_path):
    path = curve(tmp_path, "loss", [1.0, float("nan"), float("nan")])
    logs = scram_plugin.read(tmp_path)
    inode = path.stat().st_ino
    healthy = curve(tmp_path / "elsewhere", "loss", [1.0 / (i + 1) for i in range(again)]).read_bytes()
    shutil.rmtree(tmp_path / "elsewhere")
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(healthy)
    assert path.stat().st_ino == inode
    assert logs.refresh() == {"."}
    assert points(logs) == points(scram_plugin.read(tmp_path))


def test_a_damaged_file_that_was_mended(tmp_path):
    path = curve(tmp_path, "loss", range(20))
    whole = path.read_bytes()
    path.write_bytes(whole[:300] + b"\xff" + whole[301:])
    logs = scram_plugin.read(tmp_path)
    assert logs.problems
    with path.open("r+b") as file:
        file.write(whole)
    assert logs.refresh() == {"."}
    assert logs["."]["loss"].values.tolist() == list(range(20))
    assert logs.problems == []


def test_freed_points_of_a_file_that_was_rewritten(tmp_path):
    path = curve(tmp_path, "loss", range(20))
    logs = scram_plugin.read(tmp_path)
    logs["."].forget()
    path.write_bytes(content(1, 20))
    assert len(logs["."]["loss"]) in (0, 20), "nothing of two files in one series"
    assert logs.refresh() == {"."}
    assert points(logs) == points(scram_plugin.read(tmp_path))


def test_directories_that_are_linked_to_each_other_are_read_once(tmp_path):
    names = ["a", "b", "c", "d"]
    for name in names:
        curve(tmp_path / name, "loss", [1, 2])
    for name in names:
        for other in names:
            if other != name:
                (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    (tmp_path / "to_a").symlink_to(tmp_path / "a")
    logs = scram_plugin.read(tmp_path)
    assert len(logs) == 4
    assert logs.problems == []
    assert set(logs) == {"a", "a/to_b", "a/to_b/to_c", "a/to_b/to_c/to_d"}, "the first names in their order"


def test_a_run_by_two_names_has_the_first_one(tmp_path):
    curve(tmp_path / "exp7", "loss", [1])
    (tmp_path / "latest").symlink_to("exp7")
    assert set(scram_plugin.read(tmp_path)) == {"exp7"}


def test_a_tree_without_end_is_told(tmp_path, monkeypatch):
    curve(tmp_path / "a", "loss", [1])
    deep = tmp_path
    for _ in range(storage.DEEPEST + 3):
        deep = deep / "d"
    curve(deep, "loss", [1])
    logs = scram_plugin.read(tmp_path)
    assert set(logs) == {"a"}
    assert any(f"more than {storage.DEEPEST} directories deep" in problem.sentence for problem in logs.problems)
    monkeypatch.setattr(storage, "MOST_ENTRIES", 20)
    for i in range(30):
        curve(tmp_path / "b" / str(i), "loss", [1])
    assert any("after 20 entries" in problem.sentence for problem in scram_plugin.read(tmp_path).problems)


def test_a_pipe_that_takes_the_name_of_a_file_blocks_nobody(tmp_path):
    path = curve(tmp_path, "loss", [1, 2])
    listed = storage.listing(tmp_path).files["."]
    path.unlink()
    os.mkfifo(path)
    run = Run(".", storage.Local(), Layouts())
    thread = threading.Thread(target=run.read, args=(listed,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert "not a regular file" in run.files[str(path)].unreadable


CLAIM = """
import resource, sys
import scram_plugin
scram_plugin.read(sys.argv[1])  # a small one: everything is imported now
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print([problem.sentence for problem in scram_plugin.read(sys.argv[2]).problems])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_sparse_file_that_claims_a_huge_record_takes_no_memory(tmp_path):
    curve(tmp_path / "small", "loss", [1.0, 2.0])
    path = curve(tmp_path / "sparse", "loss", [1.0, 2.0])
    length = struct.pack("<Q", 1 << 30)
    with path.open("ab") as file:
        file.write(length + masked(length))
        file.truncate(path.stat().st_size + (1 << 30) + 100)
    command = [sys.executable, "-c", CLAIM, tmp_path / "small", tmp_path / "sparse"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    problems, kilobytes = done.stdout.splitlines()
    assert "the checksum of a record is wrong" in problems
    assert int(kilobytes) < 50_000, "a few pieces of the file"


def test_a_long_record_is_passed_over_and_the_points_behind_it_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(event_file, "LONGEST", 10_000)
    monkeypatch.setattr(event_file, "CHUNK", 4_096)
    picture = event(1, 2.0)
    picture.graph_def = bytes(50_000)
    path = write(tmp_path / "x.tfevents.1", [event(0, 1.0, loss=1.0), picture, event(2, 3.0, loss=3.0)])
    logs = scram_plugin.read(tmp_path)
    assert logs["."]["loss"].values.tolist() == [1.0, 3.0]
    (problem,) = logs.problems
    assert "was not read: it is longer than 10,000 bytes" in problem.sentence
    with path.open("ab") as file:
        file.write(record(event(3, 4.0, loss=4.0).SerializeToString()))
    assert logs.refresh() == {"."}
    assert logs["."]["loss"].values.tolist() == [1.0, 3.0, 4.0]
    data = bytearray(path.read_bytes())
    data[25_000] ^= 1
    path.write_bytes(data)
    logs.refresh()
    assert logs["."]["loss"].values.tolist() == [1.0]
    assert "checksum of a record is wrong" in logs.problems[0].sentence


@pytest.mark.parametrize("left", [9_000, 30_000, 50_030])
def test_a_long_record_that_is_cut_off_while_it_is_read_ends_the_look(left, monkeypatch):
    monkeypatch.setattr(event_file, "LONGEST", 10_000)
    monkeypatch.setattr(event_file, "CHUNK", 4_096)
    picture = event(1, 2.0)
    picture.graph_def = bytes(50_000)
    first = record(event(0, 1.0, loss=1.0).SerializeToString())
    whole = first + record(picture.SerializeToString())
    file = EventFile()
    done = threading.Thread(target=file.read, args=(io.BytesIO(whole[:left]), len(whole)), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert (file.offset, file.problem) == (len(first), None)
    assert file.read(io.BytesIO(whole), len(whole))
    assert file.offset == len(whole)


def test_the_layouts_that_are_kept_are_bounded_and_freed_with_the_reader():
    layouts = Layouts()
    for number in range(3000):
        payload = event(0, 1.0, **{f"{number}".zfill(number * 7): 1.0}).SerializeToString()
        assert layouts.find(payload, 0, len(payload)).slots
    held = sum(2 * length * len(known) for length, known in layouts._known.items())
    assert 0 < held <= Layouts.MOST_BYTES
    reader = EventFile()
    data = content(0, 50)
    reader.read(io.BytesIO(data), len(data))
    assert reader._layouts._known
