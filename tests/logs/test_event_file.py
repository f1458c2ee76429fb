"""The reader is exact: every point of every file, however it is cut, and every loss of data is told."""

import io
import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import types_pb2
from tensorboard.util import tensor_util

import scram_plugin
from scram_plugin.logs.event_file import EventFile
from tests.event_files import ENCODINGS, curve, event, record, scalar_tensor, tensor_event, write
from tests.paths import DEMO_LOGS, REAL_RUNS


def directories(root):
    return [str(p) for p in sorted({f.parent for f in root.rglob("*tfevents*") if f.stat().st_size})]


def oracle(directory):
    """tag -> (steps, wall times, values) as TensorBoard's own EventAccumulator reads them, nothing left out."""
    accumulator = EventAccumulator(directory, size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["scalars"]:
        found[tag] = [(e.step, e.wall_time, e.value) for e in accumulator.Scalars(tag)]
    for tag in accumulator.Tags()["tensors"]:
        events = accumulator.Tensors(tag)
        if all(not e.tensor_proto.tensor_shape.dim and e.tensor_proto.dtype != types_pb2.DT_STRING for e in events):
            found[tag] = [(e.step, e.wall_time, float_of(e.tensor_proto)) for e in events]
    return found


def float_of(tensor):
    if tensor.dtype == types_pb2.DT_BFLOAT16:  # TensorBoard alone, without TensorFlow, has no type for it
        bits = (
            np.frombuffer(tensor.tensor_content, np.uint16) if tensor.tensor_content else np.array(tensor.half_val, np.uint16)
        )
        return float((bits.astype(np.uint32) << 16).view(np.float32)[0])
    return float(tensor_util.make_ndarray(tensor))


def assert_equals_oracle(directory):
    run = scram_plugin.read(directory)["."]
    expected = oracle(directory)
    assert {tag for tag in run if not tag.startswith("scram/")} == set(expected)
    for tag, points in expected.items():
        steps, wall_times, values = (np.array(column) for column in zip(*points, strict=True))
        np.testing.assert_array_equal(run[tag].steps, steps)
        np.testing.assert_array_equal(run[tag].wall_times, wall_times)
        np.testing.assert_array_equal(run[tag].values, values)


@pytest.mark.parametrize("directory", directories(DEMO_LOGS), ids=lambda d: os.path.relpath(d, DEMO_LOGS))
def test_equals_event_accumulator_on_the_demo_logs(directory):
    assert_equals_oracle(directory)


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
def test_equals_event_accumulator_on_real_runs(tmp_path):
    for number, directory in enumerate(directories(REAL_RUNS)):
        own = tmp_path / str(number)  # without its sub-directories, which are runs of their own
        own.mkdir()
        for name in os.listdir(directory):
            if "tfevents" in name:
                shutil.copy(os.path.join(directory, name), own)
        try:
            expected = oracle(str(own))
        except Exception:  # TensorBoard itself refuses a truncated or garbled file
            scram_plugin.read(own)
            continue
        if expected:
            assert_equals_oracle(str(own))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding(encoding, tmp_path):
    values = [0, 1, 7, 100] if "int" in encoding else [0.0, 1.5, -2.25, np.nan, np.inf, -np.inf]
    write(tmp_path / "x.tfevents.1", [tensor_event(i, "t", scalar_tensor(encoding, v), i) for i, v in enumerate(values)])
    np.testing.assert_array_equal(scram_plugin.read(tmp_path)["."]["t"].values, np.array(values, float))


def test_extreme_steps_and_times(tmp_path):
    write(tmp_path / "x.tfevents.1", [event(2**62, np.nan, a=np.nan), event(-5, np.inf, a=1.0)])
    series = scram_plugin.read(tmp_path)["."]["a"]
    assert series.steps.tolist() == [2**62, -5]
    assert np.isnan(series.wall_times[0])


WHOLE = b"".join(
    record(e.SerializeToString())
    for e in [
        event(0, 1.0, loss=1.0),
        tensor_event(0, "acc", scalar_tensor("float content", 0.5), 1.5),
        event(1, 2.0, loss=float("nan"), other=3.0),
        event(0, 3.0, loss=0.5),
    ]
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=4))
@settings(deadline=None)
def test_any_cut_into_looks_gives_the_same(cuts):
    once, cut = EventFile(), EventFile()
    once.read(io.BytesIO(WHOLE), len(WHOLE))
    for size in [*sorted(cuts), len(WHOLE)]:
        cut.read(io.BytesIO(WHOLE[:size]), size)
        assert cut.problem is None
    assert cut.offset == len(WHOLE)
    assert once.scalars.keys() == cut.scalars.keys()
    for tag, column in once.scalars.items():
        for whole, pieced in zip(column.arrays(), cut.scalars[tag].arrays(), strict=True):
            assert whole.tobytes() == pieced.tobytes()


def test_records_larger_than_one_look(tmp_path, monkeypatch):
    monkeypatch.setattr("scram_plugin.logs.event_file.CHUNK", 64)
    curve(tmp_path, "a" * 500, range(10))
    assert scram_plugin.read(tmp_path)["."]["a" * 500].values.tolist() == list(range(10))


def test_a_half_written_record_is_left_for_the_next_look(tmp_path):
    path = curve(tmp_path, "loss", [1, 2, 3])
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    logs = scram_plugin.read(tmp_path)
    assert logs["."]["loss"].values.tolist() == [1, 2]
    assert "the last record is incomplete" in logs.problems[0].sentence
    path.write_bytes(whole)
    assert logs.refresh() == {"."}
    assert logs["."]["loss"].values.tolist() == [1, 2, 3]
    assert logs.problems == []
    assert logs.refresh() == set()


def test_a_bad_checksum_ends_the_file_there_and_is_told(tmp_path):
    path = curve(tmp_path, "loss", [1, 2, 3])
    data = bytearray(path.read_bytes())
    size = len(record(event(0, 1.6e9, loss=1.0).SerializeToString()))
    data[-size - 6] ^= 1  # inside the payload of the point before the last
    path.write_bytes(data)
    logs = scram_plugin.read(tmp_path)
    assert logs["."]["loss"].values.tolist() == [1]
    (problem,) = logs.problems
    assert problem.path == str(path)
    assert f"of {len(data):,}" in problem.sentence
    assert "checksum of a record is wrong" in problem.sentence


def test_a_file_replaced_by_a_shorter_one_is_read_afresh(tmp_path):
    path = curve(tmp_path, "loss", range(100))
    logs = scram_plugin.read(tmp_path)
    path.unlink()
    curve(tmp_path, "loss", [7])
    assert logs.refresh() == {"."}
    assert logs["."]["loss"].values.tolist() == [7]


def test_several_files_of_a_run_follow_in_the_order_of_their_names(tmp_path):
    curve(tmp_path, "loss", [1, 2])
    curve(tmp_path, "loss", [3], first_step=2)
    assert scram_plugin.read(tmp_path)["."]["loss"].values.tolist() == [1, 2, 3]


def test_a_directory_that_contains_itself_ends(tmp_path):
    curve(tmp_path / "a", "loss", [1])
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert "a" in scram_plugin.read(tmp_path)
    assert len(scram_plugin.read(tmp_path)) < 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_told(tmp_path):
    path = curve(tmp_path, "loss", [1])
    path.chmod(0)
    assert "could not be opened" in scram_plugin.read(tmp_path).problems[0].sentence


def test_no_directory_is_an_error_that_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such directory"):
        scram_plugin.read(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file"):
        scram_plugin.read(tmp_path / "file")


@pytest.mark.parametrize("sizes", [[2**62] * 20, [0] + [2**62] * 19, [-1], [2**31, 2**31]])
def test_impossible_shapes_cost_only_their_values(sizes, tmp_path):
    hostile = tensor_event(0, "scram/batches/values", scalar_tensor("float content", 1.0), plugin="scram")
    for size in sizes:
        hostile.summary.value[0].tensor.tensor_shape.dim.add(size=size)
    write(tmp_path / "x.tfevents.1", [hostile, event(1, 1.0, loss=2.0)])
    assert scram_plugin.read(tmp_path)["."]["loss"].values.tolist() == [2.0]
