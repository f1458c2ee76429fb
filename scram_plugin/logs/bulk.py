"""Reads the scalars of many records at once: NumPy copies the values of all records of one layout, whatever their tags."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import google_crc32c
import numpy as np

from scram_plugin.logs.frames import FOOTER, crc_table, windows
from scram_plugin.logs.layout import BFLOAT16, Layout, Layouts, size_of

FEWEST = 6  # records; fewer of one length are read faster one by one
_ROUNDS = 12  # layouts that are tried for records of one length; the remaining records are read one by one
_ROWS = 16384  # records that are processed together, so that they stay in the processor's cache
PADDING = 16  # bytes that must follow the given piece of a file, so that rows consist of whole words


class Points(NamedTuple):
    """Points of one tag, arrays of shape (points,); `records` are the numbers of their records, ascending."""

    tag: str
    records: np.ndarray
    steps: np.ndarray
    wall_times: np.ndarray
    values: np.ndarray


class Taken(NamedTuple):
    points: list[Points]
    left: list[int]  # records to read one by one
    wrong: int | None  # the first record whose checksum is wrong


def take(data: bytearray, starts: np.ndarray, lengths: np.ndarray, layouts: Layouts) -> Taken:
    """Read all records of a piece of a file that can be read in bulk, and verify their checksums."""
    buffer = np.frombuffer(data, np.uint8)
    points: list[Points] = []
    left: list[int] = []
    wrong: list[int] = []
    order = np.argsort(lengths.astype(np.uint16) if lengths.max() < 1 << 16 else lengths, kind="stable")
    for records in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        length = int(lengths[records[0]])
        if len(records) < FEWEST or length > 4096:
            left.extend(records.tolist())
            continue
        for begin in range(0, len(records), _ROWS):
            for piece in _one_length(data, buffer, starts, records[begin : begin + _ROWS], length, layouts):
                if isinstance(piece, Points):
                    points.append(piece)
                elif isinstance(piece, int):
                    wrong.append(piece)
                else:
                    left.extend(piece.tolist())
    return Taken(points, sorted(left), min(wrong, default=None))


def _one_length(
    data: bytearray, buffer: np.ndarray, starts: np.ndarray, records: np.ndarray, length: int, layouts: Layouts
) -> Iterator[Points | int | np.ndarray]:
    """Yields points, the number of a record with a wrong checksum, or the records that must be read one by one."""
    width = -(-(length + FOOTER) // 8) * 8
    rows = windows(buffer, width)[starts[records]]
    for _ in range(_ROUNDS):
        start = int(starts[records[0]])
        form = layouts.find(data, start, start + length)
        if form.parse or not form.slots:
            yield records[:1]
            same = np.zeros(len(records), bool)
            same[0] = True
        else:
            same = yield from _one_layout(data, starts, records, rows, length, form, layouts)
        if same.all():
            return
        records, rows = records[~same], rows[~same]
        if len(records) < FEWEST:
            break
    yield records


def _one_layout(
    data: bytearray, starts: np.ndarray, records: np.ndarray, rows: np.ndarray, length: int, form: Layout, layouts: Layouts
) -> Generator[Points | int, None, np.ndarray]:
    """Reads the records of one layout, whatever their tags. Returns which records these were, bool, shape (records,)."""
    fixed = np.frombuffer(form.fixed(length).ljust(rows.shape[1], b"\0"), np.uint64)
    forms, heads, group = [form], rows[:1], np.zeros(1, np.int64)
    same = np.ones(len(records), bool)
    differ = _differences(rows, heads)  # to the first record
    telling = np.flatnonzero(np.bitwise_or.reduce(differ, axis=1) & fixed)
    if len(telling):  # not all of one layout and one tag
        members, group = _groups(differ[telling] & fixed[telling, None])
        forms = [layouts.find(data, int(starts[records[i]]), int(starts[records[i]]) + length) for i in members]
        alike = np.array([f.shape == form.shape for f in forms])
        place = np.append(np.where(alike, np.cumsum(alike) - 1, -1), -1)  # the last entry is for records without a group
        group = place[group]
        same = group >= 0
        forms, heads = [f for f in forms if f.shape == form.shape], rows[members[alike]]
        if not same.all():
            records, rows, group, differ = records[same], rows[same], group[same], differ.compress(same, axis=1)
        # so far these are differences to the first record; from here on to the first record of each group
        for word, others in zip(differ, _differences(heads, heads[:1]), strict=True):
            if others.any():
                word ^= others.take(group)
    crcs = np.array([google_crc32c.value(head[:length].tobytes()) for head in heads], np.uint32)
    sound = _checksums(differ, crcs[group], length) == _column(rows, length, "<u4")
    if not sound.all():
        yield int(records[np.argmin(sound)])
    steps, wall_times = _steps(rows, form), _column(rows, form.wall_time, "<f8")
    tags: list[np.ndarray | slice] = [slice(None)]
    if len(heads) > 1:
        order = np.argsort(group, kind="stable")
        tags = list(np.split(order, np.flatnonzero(np.diff(group[order])) + 1))
    for slot, (_, at, kind) in enumerate(form.slots):
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one; that needs no warning
            values = _column(rows, at, kind).astype("f8")
        for chosen in tags:
            tag = forms[group[chosen][0]].slots[slot][0]
            yield Points(tag, records[chosen], steps[chosen], wall_times[chosen], values[chosen])
    return same


def _groups(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups of records with equal `words`, shape (words, records): the first record of each, and each record's group or -1.

    Under the mask of another layout, records look all different. So groups with very few members are left out, except the first
    group, and so are records whose short hash is that of another group. A later round reads these.
    """
    key = np.zeros(words.shape[1], np.uint64)
    for word in words:
        key = (key ^ word ^ (word >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    # 16 bits, because NumPy sorts them by radix
    _, first, group = np.unique((key >> np.uint64(48)).astype(np.uint16), return_index=True, return_inverse=True)
    common = np.bincount(group) >= FEWEST // 2
    common[group[0]] = True
    first, group = first[common], np.where(common, np.cumsum(common) - 1, -1)[group]
    group[(words != words[:, first[group]]).any(axis=0)] = -1
    return first, group


def _differences(rows: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The bits in which each row differs from its head; uint64, shape (words, rows), since long vectors are fast."""
    words, theirs = rows.view(np.uint64).T.copy(), heads.view(np.uint64).T
    words ^= theirs
    return words


def _checksums(differ: np.ndarray, crcs: np.ndarray, length: int) -> np.ndarray:
    """The masked CRC of each row, from that of its head and the bits in which it differs from it."""
    live = np.bitwise_or.reduce(differ, axis=1).view(np.uint8)[:length]
    octets = differ.view(np.uint8).reshape(len(differ), -1, 8)
    result = np.zeros(differ.shape[1], np.uint32)
    result ^= crcs  # one value, or one per row
    for at in np.flatnonzero(live).tolist():
        result ^= crc_table(length - 1 - at).take(octets[at >> 3, :, at & 7])
    return ((result >> np.uint32(15)) | (result << np.uint32(17))) + np.uint32(0xA282EAD8)


def _steps(rows: np.ndarray, form: Layout) -> np.ndarray:
    steps = np.zeros(len(rows), np.uint64)
    for i in range(form.step_bytes):
        steps |= (rows[:, form.step + i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
    return steps.view(np.int64)


def _column(rows: np.ndarray, at: int, kind: str) -> np.ndarray:
    """The numbers at byte `at` of every row; zeros if the records have no such field (`at` is -1)."""
    if at < 0:
        return np.zeros(len(rows), kind)
    if kind == BFLOAT16:
        return (_column(rows, at, "<u2").astype("<u4") << np.uint32(16)).view("<f4")
    return np.ascontiguousarray(rows[:, at : at + size_of(kind)]).view(kind)[:, 0]
