"""Records taken in bulk are those that TensorBoard's own reader gives, point for point and bit for bit."""

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

import scram_plugin
from scram_plugin.logs import event_file, frames
from scram_plugin.logs.event_file import EventFile
from tests.event_files import ENCODINGS, event, record, scalar_tensor, tensor_event, write
from tests.logs.test_event_file import assert_equals_oracle
from tests.sizes import size


def value_for(rng, encoding):
    if "int" in encoding:
        return rng.randrange(100)
    return (
        rng.choice([rng.uniform(-2, 2), 0.0, float("nan"), float("inf"), -0.0])
        if "bfloat" not in encoding
        else rng.choice([1.5, -2.0])
    )


def long_file(path, encodings, events=700, seed=0):
    """Interleaved tags that come and go, steps that grow over the sizes of a varint, restart and are negative."""
    rng = random.Random(seed)
    written = []
    for i in range(events):
        step = i * 37 if i < events * 2 // 3 else i - events
        for encoding in encodings:
            if rng.random() < 0.9:
                name = encoding.replace(" ", "_") + rng.choice(["", "", "_b"])
                if encoding == "simple":
                    written.append(event(step, 1.7e9 + i * 0.1, **{name: value_for(rng, encoding)}))
                else:
                    written.append(tensor_event(step, name, scalar_tensor(encoding, value_for(rng, encoding)), 1.7e9 + i * 0.1))
    return write(path, written)


@pytest.mark.parametrize("encoding", ["simple", *ENCODINGS])
def test_a_long_file_of_one_encoding(encoding, tmp_path):
    long_file(tmp_path / "x.tfevents.1", [encoding])
    assert_equals_oracle(str(tmp_path))


def test_a_long_file_of_all_encodings_in_turn(tmp_path):
    long_file(tmp_path / "x.tfevents.1", ["simple", *ENCODINGS], events=200)
    assert_equals_oracle(str(tmp_path))


def test_several_values_in_one_event(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"tag{i}" for i in range(7)]
    write(tmp_path / "x.tfevents.1", [event(i, i, **dict(zip(names, rng.normal(size=7), strict=True))) for i in range(300)])
    assert_equals_oracle(str(tmp_path))


def test_hundreds_of_tags_of_one_length(tmp_path):
    rng = random.Random(0)
    write(
        tmp_path / "x.tfevents.1", [event(i // 300, i, **{f"norm/{rng.randrange(300):03}": rng.random()}) for i in range(6000)]
    )
    assert_equals_oracle(str(tmp_path))


def test_large_records_that_are_no_scalars_are_passed_over(tmp_path, monkeypatch):
    image = summary_pb2.Summary.Value(tag="image", image=summary_pb2.Summary.Image(encoded_image_string=b"x" * 100_000))
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=9999)])
    vector = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=shape, tensor_content=bytes(4 * 9999))
    large = [
        event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[image])),
        event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="histogram", tensor=vector)])),
        event_pb2.Event(graph_def=b"g" * 100_000),
    ]
    monkeypatch.setattr("scram_plugin.logs.parsed._protobuf", lambda: pytest.fail("a record was parsed"))
    write(tmp_path / "x.tfevents.1", [e for i in range(20) for e in (*large, event(i, i, loss=float(i)))])
    assert scram_plugin.read(tmp_path)["."]["loss"].values.tolist() == list(range(20))


def test_every_wrong_byte_in_a_long_file_is_noticed(tmp_path):
    data = long_file(tmp_path / "x.tfevents.1", ["simple", "float content"], events=60).read_bytes()
    whole = EventFile()
    whole.read(io.BytesIO(data), len(data))
    rng = random.Random(1)
    for _ in range(300):
        at = rng.randrange(len(data))
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        file = EventFile()
        file.read(io.BytesIO(damaged), len(damaged))
        assert file.offset <= at
        assert file.problem or file.offset < len(data)
        for tag, column in file.scalars.items():
            for part, all_ in zip(column.arrays(), whole.scalars[tag].arrays(), strict=True):
                assert part.tobytes() == all_[: len(part)].tobytes()


MIXED = b"".join(
    record(e.SerializeToString())
    for i in range(60)
    for e in (
        event(i, i * 0.5, loss=1 / (i + 1), accuracy=i / 60),
        tensor_event(i, "rate", scalar_tensor("float content", 0.1), i),
        *([tensor_event(i, "steps", scalar_tensor("int64 list", i), i)] if i % 7 == 0 else []),
    )
)


@given(st.lists(st.integers(0, len(MIXED)), max_size=5), st.sampled_from([200, 1000, 1 << 20]))
@settings(deadline=None, max_examples=size(200, 60))
def test_any_cut_of_a_long_file_gives_the_same(cuts, chunk):
    once, cut = EventFile(), EventFile()
    once.read(io.BytesIO(MIXED), len(MIXED))
    before, event_file.CHUNK = event_file.CHUNK, chunk
    try:
        for size in [*sorted(cuts), len(MIXED)]:
            cut.read(io.BytesIO(MIXED[:size]), size)
            assert cut.problem is None
    finally:
        event_file.CHUNK = before
    assert cut.offset == once.offset == len(MIXED)
    assert list(once.scalars) == list(cut.scalars)
    for tag, column in once.scalars.items():
        for whole, pieced in zip(column.arrays(), cut.scalars[tag].arrays(), strict=True):
            assert whole.tobytes() == pieced.tobytes()


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300))
def test_a_checksum_follows_from_another_one_and_the_bytes_that_differ(one, other):
    length = min(len(one), len(other))
    one, other = one[:length], other[:length]
    crc = np.uint32(frames.google_crc32c.value(one))
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        crc ^= frames.crc_table(length - 1 - i)[a ^ b]
    assert int(crc) == frames.google_crc32c.value(other)
