"""The bytes of one event file to columns: every point, in file order, checked, resumable at a byte offset.

An event file is a sequence of TFRecord frames: length (uint64, little endian), masked CRC-32C of the length, payload,
masked CRC-32C of the payload; each payload is an ``Event`` protocol buffer.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2, types_pb2

from scram_plugin import schema

CHUNK = 16 << 20  # bytes read at once; bounds the memory of one look beside the columns themselves
LARGEST_RECORD = 1 << 30  # protobuf refuses messages of 2 GiB; no writer makes records of half of that

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")

_NUMPY_OF: dict[int, np.dtype[Any]] = {
    types_pb2.DT_FLOAT: np.dtype("<f4"),
    types_pb2.DT_DOUBLE: np.dtype("<f8"),
    types_pb2.DT_HALF: np.dtype("<f2"),
    types_pb2.DT_BFLOAT16: np.dtype("<u2"),  # widened by hand: the upper half of a float32
    types_pb2.DT_INT8: np.dtype("<i1"),
    types_pb2.DT_INT16: np.dtype("<i2"),
    types_pb2.DT_INT32: np.dtype("<i4"),
    types_pb2.DT_INT64: np.dtype("<i8"),
    types_pb2.DT_UINT8: np.dtype("<u1"),
    types_pb2.DT_UINT16: np.dtype("<u2"),
    types_pb2.DT_UINT32: np.dtype("<u4"),
    types_pb2.DT_UINT64: np.dtype("<u8"),
    types_pb2.DT_BOOL: np.dtype("?"),
}
_FIELD_OF = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
}
_BITS = (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16)  # their repeated field holds the bits of the number


class Column:
    """The growing points of one tag: steps (int64), wall times (seconds) and values (float64), in file order."""

    __slots__ = ("steps", "values", "wall_times")

    def __init__(self) -> None:
        self.steps, self.wall_times, self.values = array("q"), array("d"), array("d")

    def append(self, step: int, wall_time: float, value: float) -> None:
        self.steps.append(step)
        self.wall_times.append(wall_time)
        self.values.append(value)


@dataclass
class EventFile:
    """What is known of one event file so far. `read` goes on where the last look ended."""

    scalars: dict[str, Column] = field(default_factory=dict)
    facts: list[tuple[float, dict]] = field(default_factory=list)  # (wall time, facts of one fit)
    ends: list[tuple[float, str]] = field(default_factory=list)  # (wall time, how the fit ended)
    offset: int = 0  # the first byte not yet understood
    size: int = 0  # of the file at the last look
    last_wall_time: float = 0.0
    problem: str | None = None  # why reading stopped at `offset` for good
    unreadable: str | None = None  # why the last look could not open the file; the next one tries again
    remarks: list[str] = field(default_factory=list)  # what was passed over, without stopping
    _columns: dict[str, list[str]] = field(default_factory=dict)  # table -> names, from the last metadata

    def read(self, stream: BinaryIO, size: int) -> bool:
        """Read on from `offset` to `size`; returns whether anything new was understood.

        A half-written last record is left for the next look. A wrong checksum or a garbled record ends the file there:
        nothing after it can be trusted, since frames are found only from their predecessor.
        """
        before, want, self.size = self.offset, CHUNK, size
        while self.problem is None and self.offset < size:
            stream.seek(self.offset)
            data = stream.read(min(want, size - self.offset))
            used, needed = self._take(data)
            self.offset += used
            if used:
                want = CHUNK
            elif self.offset + needed > size or len(data) < min(want, size - self.offset):
                break  # half-written, or cut off while being read
            else:
                want = needed
        return self.offset > before

    def _take(self, data: bytes) -> tuple[int, int]:
        """Understand the whole records at the start of `data`; returns (bytes used, bytes the next record needs)."""
        at, end = 0, len(data)
        while end - at >= _HEADER.size:
            length, checksum = _HEADER.unpack_from(data, at)
            if _masked_crc(data[at : at + 8]) != checksum:
                self.problem = "the checksum of a record's length is wrong" if self.offset + at else "this is not an event file"
                break
            if length > LARGEST_RECORD:
                self.problem = f"a record claims to be {length:,} bytes long"
                break
            stop = at + _HEADER.size + length + _FOOTER.size
            if stop > end:
                return at, stop - at
            payload = data[at + _HEADER.size : stop - _FOOTER.size]
            if _masked_crc(payload) != _FOOTER.unpack_from(data, stop - _FOOTER.size)[0]:
                self.problem = "the checksum of a record is wrong"
                break
            try:
                event = event_pb2.Event.FromString(payload)
            except DecodeError:
                self.problem = "a record is not a TensorBoard event"
                break
            try:
                self._add(event)
            except (ValueError, TypeError, OverflowError, MemoryError) as error:
                self.problem = f"a record could not be understood ({type(error).__name__}: {str(error)[:100]})"
                break
            at = stop
        return at, _HEADER.size

    def _add(self, event: event_pb2.Event) -> None:
        step, wall_time = event.step, event.wall_time
        if wall_time > self.last_wall_time:
            self.last_wall_time = wall_time
        own: dict[str, np.ndarray] = {}
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                self._column(value.tag).append(step, wall_time, value.simple_value)
            elif kind == "tensor":
                if value.tag.startswith("scram/"):
                    self._own(value, wall_time, own)
                elif not value.tensor.tensor_shape.dim:
                    number = _array(value.tensor)
                    if number is not None and number.size == 1:
                        self._column(value.tag).append(step, wall_time, float(number[0]))
        if own:
            self._add_rows(own)

    def _column(self, tag: str) -> Column:
        column = self.scalars.get(tag)
        if column is None:
            column = self.scalars[tag] = Column()
        return column

    def _own(self, value, wall_time: float, own: dict[str, np.ndarray]) -> None:
        """Keep one of SCRAM's own values; whatever is not as `schema` says becomes a remark."""
        metadata = value.metadata
        if metadata.HasField("plugin_data") and metadata.plugin_data.content:
            try:
                content = json.loads(metadata.plugin_data.content)
                version, columns = content["version"], content.get("columns")
                if not isinstance(version, int) or not (columns is None or all(isinstance(c, str) for c in columns)):
                    raise TypeError
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._remark(f"the plugin data of {value.tag[:80]!r} is not what SCRAM writes; its values are passed over")
                self._columns.pop(value.tag, None)
                return
            if version > schema.VERSION:
                self._remark(
                    f"{value.tag[:80]!r} was written by a later SCRAM (schema {version}, this one reads up to "
                    f"{schema.VERSION}); its values are passed over. Update with: pip install -U tensorboard-plugin-scram"
                )
                self._columns.pop(value.tag, None)
                return
            if columns is not None:
                self._columns[value.tag] = columns
        if value.tag in (schema.FACTS_TAG, schema.END_TAG):
            text = value.tensor.string_val[0] if value.tensor.string_val else b""
            try:
                if value.tag == schema.END_TAG:
                    self.ends.append((wall_time, text.decode()))
                else:
                    facts = json.loads(text)
                    if not isinstance(facts, dict):
                        raise ValueError
                    self.facts.append((wall_time, facts))
            except (ValueError, RecursionError):
                self._remark(f"{value.tag!r} holds no text that SCRAM writes; it is passed over")
            return
        numbers = _array(value.tensor)
        if numbers is not None:
            shape = [dim.size for dim in value.tensor.tensor_shape.dim]
            if all(size >= 0 for size in shape) and math.prod(shape) == numbers.size:
                own[value.tag] = numbers.reshape(shape)

    def _add_rows(self, own: dict[str, np.ndarray]) -> None:
        for tag, values in own.items():
            table = tag.removeprefix("scram/").removesuffix("/values")
            if tag != schema.values_tag(table):
                continue
            steps, times = own.get(schema.steps_tag(table)), own.get(schema.wall_times_tag(table))
            names = self._columns.get(tag)
            if (
                steps is None
                or times is None
                or names is None
                or steps.dtype.kind not in "iu"
                or values.shape != (len(steps), len(names))
                or not steps.shape == times.shape == values.shape[:1]
            ):
                self._remark(f"a block of {tag[:80]!r} does not fit its columns; it is passed over")
                continue
            steps, times = steps.astype("i8"), times.astype("f8")
            for i, name in enumerate(names):
                column = self._column(schema.column_tag(table, name))
                column.steps.frombytes(steps.tobytes())
                column.wall_times.frombytes(times.tobytes())
                column.values.frombytes(values[:, i].astype("f8").tobytes())

    def _remark(self, sentence: str) -> None:
        if sentence not in self.remarks and len(self.remarks) < 20:
            self.remarks.append(sentence)


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _array(tensor) -> np.ndarray | None:
    """The numbers of a TensorProto as a flat array; None if it holds none (strings, resources, garbage)."""
    dtype = _NUMPY_OF.get(tensor.dtype)
    if dtype is None:
        return None
    if tensor.tensor_content:
        if len(tensor.tensor_content) % dtype.itemsize:
            return None
        flat = np.frombuffer(tensor.tensor_content, dtype)
    elif tensor.dtype in _BITS:
        flat = np.array(tensor.half_val, np.int64).astype(dtype if dtype.kind == "u" else "<u2").view(dtype)
    else:
        try:
            flat = np.array(getattr(tensor, _FIELD_OF.get(tensor.dtype, "int_val")), dtype)
        except OverflowError:
            return None
    if tensor.dtype == types_pb2.DT_BFLOAT16:
        return (flat.astype("<u4") << 16).view("<f4")
    return flat
