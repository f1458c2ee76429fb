"""Reads one event file into columns: every point, in file order, with its checksum verified. It can resume at any record.

An event file is a sequence of TFRecord frames (`frames.py`); each payload is an ``Event`` protocol buffer. Scalars are read
in bulk (`bulk.py`) or one by one (`layout.py`). Records of an unusual form go through the protobuf parser (`parsed.py`).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import google_crc32c
import numpy as np

from scram_plugin import schema
from scram_plugin.logs import bulk, frames
from scram_plugin.logs.layout import BFLOAT16, Layouts
from scram_plugin.logs.parsed import Block, Own, Unreadable
from scram_plugin.logs.tags import Tags

CHUNK = 4 << 20  # bytes read at once; bounds the memory that reading needs in addition to the columns
# A longer record is not held in memory, and nothing is taken from it: scalars and SCRAM's blocks are far shorter, while images
# and graphs, which are not read, may be long. 64 MiB is also protobuf's own default limit for a message.
LONGEST = 64 << 20
EDGE = 4096  # bytes around the point where reading goes on, by which a file that was rewritten is recognised

_FORMATS = {
    "<f4": "<f",
    "<f8": "<d",
    "<f2": "<e",
    "<i1": "<b",
    "<u1": "<B",
    "<i2": "<h",
    "<u2": "<H",
    "<i4": "<i",
    "<u4": "<I",
    "<i8": "<q",
    "<u8": "<Q",
}
_NUMBER = {kind: struct.Struct(form).unpack_from for kind, form in _FORMATS.items()}
_DOUBLE, _CHECKSUM = _NUMBER["<f8"], _NUMBER["<u4"]


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # steps, wall times, values


class Table:
    """Consecutive blocks of one of SCRAM's tables that have the same columns.

    They are not split into columns at once: a deep network has thousands of columns, and a review needs few of them.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.rows = names, 0
        self._blocks: list[Block] = []
        self._whole: Arrays | None = None

    def extend(self, block: Block) -> None:
        self._blocks.append(block)
        self._whole, self.rows = None, self.rows + len(block.steps)

    def column(self, at: int) -> Arrays:
        """Steps, wall times (seconds since 1970) and values of the column with this index."""
        if self._whole is None:
            steps = np.concatenate([block.steps for block in self._blocks])
            wall_times = np.concatenate([block.wall_times for block in self._blocks])
            values = np.concatenate([block.values for block in self._blocks])
            self._blocks = [self._blocks[-1]._replace(steps=steps, wall_times=wall_times, values=values)]
            self._whole = steps, wall_times, np.ascontiguousarray(values.T)
        steps, wall_times, values = self._whole
        return steps, wall_times, values[at].astype(np.float64)


class PointBuffer:
    """The growing points of one tag: steps (int64), wall times (seconds) and values (float64), in file order."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[Arrays | tuple[Table, int]] = []

    def extend(self, steps: np.ndarray, wall_times: np.ndarray, values: np.ndarray) -> None:
        self._parts.append((steps, wall_times, values))

    def follow(self, table: Table, at: int) -> None:
        """Append the points of a table's column, also those that the table gets later."""
        self._parts.append((table, at))

    def arrays(self) -> Arrays:
        """Steps, wall times and values. The caller must not modify them."""
        parts = [part[0].column(part[1]) if isinstance(part[0], Table) else part for part in self._parts]
        if len(parts) > 1:
            steps, wall_times, values = (np.concatenate([part[i] for part in parts]) for i in range(3))
            parts = [(steps, wall_times, values)]
            if not any(isinstance(part[0], Table) for part in self._parts):
                self._parts = list(parts)
        return parts[0]

    def __len__(self) -> int:
        return sum(part[0].rows if isinstance(part[0], Table) else len(part[0]) for part in self._parts)


class EventFile:
    """What was read of one event file so far. `read` continues where the last call ended."""

    waits = False  # half-written records are waited for until the file grows

    def __init__(self, layouts: Layouts | None = None, tags: Tags | None = None) -> None:
        self._layouts = layouts or Layouts()
        self._tags = tags or Tags()  # of the whole TensorBoard run
        self.scalars: dict[str, PointBuffer] = {}
        self._tables: dict[str, Table] = {}  # SCRAM's own tables, the latest of each name
        self.own = Own()  # what SCRAM's recorder wrote in addition to scalars
        self.offset = 0  # the first byte that is not decoded yet
        self.size = 0  # of the file when it was last read, bytes
        self.last_wall_time = 0.0
        self.problem: str | None = None  # why reading ended at `offset` for good
        self.unreadable: str | None = None  # why the file could not be opened last time; the next call tries again
        self._before = b""  # the last bytes before `offset`
        self._behind = b""  # the first bytes from there on, if reading ended for good

    def forget(self) -> None:
        """Free the points."""
        self.scalars, self._tables = {}, {}

    def take(self, again: EventFile) -> None:
        """Take over the points of the same file, which was read again."""
        self.scalars, self._tables = again.scalars, again._tables

    def read(self, stream: BinaryIO, size: int) -> bool:
        """Read from `offset` to `size` (bytes). Returns whether anything new was decoded.

        A half-written last record is left for the next call. Reading ends for good at a wrong checksum or a corrupt record:
        nothing after it can be trusted, since a frame can only be found from the one before it.
        """
        before, want, self.size = self.offset, CHUNK, size
        while self.problem is None and self.offset < size:
            length = min(want, size - self.offset)
            begun = self.offset
            stream.seek(begun)
            data = bytearray(length + bulk.PADDING)
            got = _fill(stream, memoryview(data)[:length])
            needed = self._take(data, got)
            used = self.offset - begun
            self._before = (self._before + bytes(data[max(used - EDGE, 0) : used]))[-EDGE:]
            if self.problem is not None:
                self._behind = bytes(data[used : min(used + EDGE, got)])
            if needed and (self.offset + needed > size or got < length):
                break  # half-written, or cut off while being read
            if needed > LONGEST:
                if not self._pass_over(stream, needed):
                    break
                needed = 0
            want = max(CHUNK, needed)
        return self.offset > before

    def same(self, stream: BinaryIO) -> bool:
        """Whether the bytes around the point where reading goes on are still those that were read."""
        stream.seek(self.offset - len(self._before))
        now = bytearray(len(self._before) + len(self._behind))
        return _fill(stream, memoryview(now)) == len(now) and now == self._before + self._behind

    def _pass_over(self, stream: BinaryIO, length: int) -> bool:
        """Leave out one record of this length, frame included, after its checksum was verified in pieces.

        Returns False if it was cut off while being read.
        """
        stream.seek(self.offset + frames.HEADER)
        left, crc = length - frames.HEADER - frames.FOOTER, 0
        piece = memoryview(bytearray(CHUNK))
        while left > 0:
            got = _fill(stream, piece[: min(left, CHUNK)])
            if not got:
                return False
            crc, left = google_crc32c.extend(crc, bytes(piece[:got])), left - got
        stored = bytearray(frames.FOOTER)
        if _fill(stream, memoryview(stored)) < len(stored):
            return False
        if frames.masked(crc) != _CHECKSUM(stored, 0)[0]:
            self.problem = "the checksum of a record is wrong"
            return True
        self.own.remark(
            f"a record of {length:,} bytes at byte {self.offset:,} was not read: it is longer than {LONGEST:,} bytes"
        )
        self.offset, self._before = self.offset + length, bytes(stored)
        return True

    def _take(self, data: bytearray, end: int) -> int:
        """Decode the whole records of ``data[:end]``. Returns 0; or, if there was none, how many bytes the next one needs."""
        found = frames.find(data, end)
        if found.problem is not None:
            self.problem = found.problem if self.offset + found.used else "this is not an event file"
        used = found.used
        if len(found.starts):
            taken = bulk.take(data, found.starts, found.lengths, self._layouts)
            stop, trouble = len(found.starts), None
            if taken.wrong is not None:
                stop, trouble = taken.wrong, "the checksum of a record is wrong"
            points, blocks, ended = self._one_by_one(data, found, [i for i in taken.left if i < stop])
            if ended is not None:
                stop, trouble = ended
            if trouble is not None:
                self.problem, used = trouble, int(found.starts[stop]) - frames.HEADER
            self._add([*taken.points, *points], stop)
            for block in blocks:  # none is of a record from `stop` on
                self._add_block(block)
        self.offset += used
        return 0 if used else found.needed

    def _one_by_one(
        self, data: bytearray, found: frames.Frames, records: list[int]
    ) -> tuple[list[bulk.Points], list[Block], tuple[int, str] | None]:
        """The points and blocks of these records, and, if reading must end at one of them, that record and the reason."""
        tables: dict[str, tuple[list[int], list[int], list[float], list[float]]] = {}
        blocks: list[Block] = []
        ended = None
        for record in records:
            start, length = int(found.starts[record]), int(found.lengths[record])
            end = start + length
            payload = bytes(memoryview(data)[start:end])
            if frames.masked(google_crc32c.value(payload)) != _CHECKSUM(data, end)[0]:
                ended = record, "the checksum of a record is wrong"
                break
            form = self._layouts.find(payload, 0, length)
            if form.parse:
                try:
                    step, wall_time, numbers, found_blocks = self.own.parse(payload)
                except Unreadable as reason:
                    ended = record, str(reason)
                    break
                blocks += found_blocks
            else:
                wall_time = _DOUBLE(payload, form.wall_time)[0] if form.wall_time >= 0 else 0.0
                step = _step(payload, form.step, form.step_bytes)
                numbers = [(tag, _value(payload, at, kind)) for tag, at, kind in form.slots]
            if wall_time > self.last_wall_time:
                self.last_wall_time = wall_time
            for tag, value in numbers:
                table = tables.get(tag)
                if table is None:
                    if tag not in self.scalars and not self._tags.keeps(tag):
                        continue
                    table = tables[tag] = [], [], [], []
                table[0].append(record)
                table[1].append(step)
                table[2].append(wall_time)
                table[3].append(value)
        points = [
            bulk.Points(tag, np.array(r), np.array(s, np.int64), np.array(w, np.float64), np.array(v, np.float64))
            for tag, (r, s, w, v) in tables.items()
        ]
        return points, blocks, ended

    def _add_block(self, block: Block) -> None:
        if not len(block.steps):
            return
        self.last_wall_time = max(self.last_wall_time, float(np.fmax.reduce(block.wall_times)))
        table = self._tables.get(block.table)
        if table is None or table.names != block.names:
            table = self._tables[block.table] = Table(block.names)
            for at, name in enumerate(block.names):
                if self._tags.keeps(tag := schema.column_tag(block.table, name)):
                    self.scalars.setdefault(tag, PointBuffer()).follow(table, at)
        table.extend(block)

    def _add(self, points: list[bulk.Points], stop: int) -> None:
        """Append points to their columns, in the order of the records, up to the record `stop`."""
        by_tag: dict[str, list[bulk.Points]] = {}
        for part in points:
            by_tag.setdefault(part.tag, []).append(part)
        for tag, parts in by_tag.items():
            records, *arrays = parts[0][1:]
            if len(parts) > 1:
                records, *arrays = (np.concatenate([part[i] for part in parts]) for i in range(1, 5))
            if len(parts) > 1 and (np.diff(records) < 0).any():
                order = np.argsort(records, kind="stable")
                records, *arrays = records[order], *(a[order] for a in arrays)
            if len(records) and records[-1] >= stop:
                keep = int(np.searchsorted(records, stop))
                arrays = [a[:keep] for a in arrays]
            if not len(arrays[0]):
                continue
            latest = np.fmax.reduce(arrays[1])
            if latest > self.last_wall_time:
                self.last_wall_time = float(latest)
            column = self.scalars.get(tag)
            if column is None:
                if not self._tags.keeps(tag):
                    continue
                column = self.scalars[tag] = PointBuffer()
            column.extend(*arrays)


def _fill(stream: BinaryIO, view: memoryview) -> int:
    """Read until `view` is full or the stream ends; returns the number of bytes."""
    got = 0
    while got < len(view):
        count = stream.readinto(view[got:])  # type: ignore[attr-defined]
        if not count:
            break
        got += count
    return got


def _step(payload: bytes, at: int, size: int) -> int:
    value = 0
    for i in range(size):
        value |= (payload[at + i] & 0x7F) << 7 * i
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _value(payload: bytes, at: int, kind: str) -> float:
    if kind == BFLOAT16:
        return float(_NUMBER["<f4"](b"\0\0" + payload[at : at + 2])[0])
    return float(_NUMBER[kind](payload, at)[0])
