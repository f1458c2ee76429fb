"""The scalars of many records at once: records of one layout, whatever their tags, are copied out by NumPy."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import google_crc32c
import numpy as np

from scram_plugin.logs.frames import FOOTER, crc_table, different_values
from scram_plugin.logs.layout import BFLOAT16, Layout, layout, size_of

FEWEST = 6  # records; fewer of one length are quicker one by one
_ROUNDS = 12  # layouts looked for among records of one length; what is left after them is read one by one
_ROWS = 16384  # records in one piece of work, so that it stays in the processor's cache
PADDING = 16  # bytes that must follow the piece of a file that is given, for rows of whole words


class Points(NamedTuple):
    """Points of one tag; `records` are their positions in the file (for the order), ascending."""

    tag: str
    records: np.ndarray
    steps: np.ndarray
    wall_times: np.ndarray
    values: np.ndarray


class Taken(NamedTuple):
    points: list[Points]
    left: list[int]  # records to read one by one
    wrong: int | None  # the first record whose checksum is wrong


def take(data: bytearray, starts: np.ndarray, lengths: np.ndarray) -> Taken:
    """All records of a piece of a file that can be taken in bulk, with their checksums verified."""
    buffer = np.frombuffer(data, np.uint8)
    points: list[Points] = []
    left: list[int] = []
    wrong: list[int] = []
    for length in different_values(lengths).tolist():
        records = np.flatnonzero(lengths == length)
        if len(records) < FEWEST or length > 4096:
            left.extend(records.tolist())
            continue
        for begin in range(0, len(records), _ROWS):
            for piece in _one_length(data, buffer, starts, records[begin : begin + _ROWS], length):
                if isinstance(piece, Points):
                    points.append(piece)
                elif isinstance(piece, int):
                    wrong.append(piece)
                else:
                    left.extend(piece.tolist())
    return Taken(points, sorted(left), min(wrong, default=None))


def _one_length(
    data, buffer: np.ndarray, starts: np.ndarray, records: np.ndarray, length: int
) -> Iterator[Points | int | np.ndarray]:
    """Points; the number of a record with a wrong checksum; or the records that must be read one by one."""
    width = -(-(length + FOOTER) // 8) * 8
    rows = np.lib.stride_tricks.sliding_window_view(buffer, width)[starts[records]]
    for _ in range(_ROUNDS):
        start = int(starts[records[0]])
        form = layout(data, start, start + length)
        if form.parse or not form.slots:
            yield records[:1]
            same = np.zeros(len(records), bool)
            same[0] = True
        else:
            same = yield from _one_layout(data, starts, records, rows, length, form)
        if same.all():
            return
        records, rows = records[~same], rows[~same]
        if len(records) < FEWEST:
            break
    yield records


def _one_layout(
    data: bytearray, starts: np.ndarray, records: np.ndarray, rows: np.ndarray, length: int, form: Layout
) -> Generator[Points | int, None, np.ndarray]:
    """Takes the records of one layout, whatever their tags; returns which of them these were (bool, one a record)."""
    fixed = _fixed(form, length, rows.shape[1])
    words = rows.view(np.uint64) & fixed
    first, group = _groups(words)
    forms = [layout(data, int(starts[records[i]]), int(starts[records[i]]) + length) for i in first]
    alike = np.array([f.shape == form.shape for f in forms])
    same = alike[group] & (words == words[first[group]]).all(axis=1)
    crcs = np.array([google_crc32c.value(bytes(rows[i, :length])) for i in first], np.uint32)
    heads = rows[first]
    if not same.all():
        records, rows, group = records[same], rows[same], group[same]
    sound = _checksums(rows, heads, crcs, group, length) == _column(rows, length, "<u4")
    if not sound.all():
        yield int(records[np.argmin(sound)])
    steps, wall_times = _steps(rows, form), _column(rows, form.wall_time, "<f8")
    members: list[np.ndarray | slice] = [slice(None)]
    if len(first) > 1:
        order = np.argsort(group, kind="stable")
        members = list(np.split(order, np.flatnonzero(np.diff(group[order])) + 1))
    for slot, (_, at, kind) in enumerate(form.slots):
        values = _column(rows, at, kind).astype("f8")
        for chosen in members:
            tag = forms[group[chosen][0]].slots[slot][0]
            yield Points(tag, records[chosen], steps[chosen], wall_times[chosen], values[chosen])
    return same


def _fixed(form: Layout, length: int, width: int) -> np.ndarray:
    """Which bits are the same in all records of a layout and a tag: all but wall time, step and values; uint64 words."""
    mask = np.zeros(width, np.uint8)
    mask[:length] = 0xFF
    if form.wall_time >= 0:
        mask[form.wall_time : form.wall_time + 8] = 0
    mask[form.step : form.step + form.step_bytes] = 0x80  # the bits that say how long a varint is
    for _, at, kind in form.slots:
        mask[at : at + size_of(kind)] = 0
    return mask.view(np.uint64)


def _groups(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the first row of each group, each row's group) of rows that are probably equal: their hashes are."""
    if (words == words[0]).all():
        return np.zeros(1, np.int64), np.zeros(len(words), np.int64)
    odd = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = words ^ (words >> np.uint64(29))
    _, first, group = np.unique((mixed * odd).sum(axis=1), return_index=True, return_inverse=True)
    return first, group


def _checksums(rows: np.ndarray, heads: np.ndarray, crcs: np.ndarray, group: np.ndarray, length: int) -> np.ndarray:
    """The masked CRC of each row, from that of its group's head and the bytes in which it differs from it."""
    many = len(heads) > 1
    differ = (rows.view(np.uint64) ^ (heads[group] if many else heads).view(np.uint64)).view(np.uint8)
    live = np.bitwise_or.reduce(differ.view(np.uint64), axis=0).view(np.uint8)[:length]
    result = crcs[group] if many else np.full(len(rows), crcs[0])
    for at in np.flatnonzero(live):
        result ^= crc_table(length - 1 - int(at)).take(differ[:, at])
    return ((result >> np.uint32(15)) | (result << np.uint32(17))) + np.uint32(0xA282EAD8)


def _steps(rows: np.ndarray, form: Layout) -> np.ndarray:
    steps = np.zeros(len(rows), np.uint64)
    for i in range(form.step_bytes):
        steps |= (rows[:, form.step + i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
    return steps.view(np.int64)


def _column(rows: np.ndarray, at: int, kind: str) -> np.ndarray:
    """The numbers at one place of every row; zeros where the record has no such field (`at` -1)."""
    if at < 0:
        return np.zeros(len(rows), kind)
    if kind == BFLOAT16:
        return (_column(rows, at, "<u2").astype("<u4") << np.uint32(16)).view("<f4")
    return np.ascontiguousarray(rows[:, at : at + size_of(kind)]).view(kind)[:, 0]
