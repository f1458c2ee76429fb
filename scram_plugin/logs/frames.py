"""TFRecord frames in a piece of a file, and their checksums.

A frame is length (uint64, little endian), masked CRC-32C of the length, payload, masked CRC-32C of the payload.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

import google_crc32c
import numpy as np

HEADER, FOOTER = 12, 4  # bytes around a payload
LARGEST_RECORD = (1 << 31) - 1  # protobuf refuses messages of 2 GiB

_LENGTH = struct.Struct("<Q").unpack_from
_CHECKSUM = struct.Struct("<I").unpack_from
# Frames read one by one before the search for a repeating pattern, at first and at most. Patterns are at most half as long.
_STRETCH, _LONGEST_STRETCH = 16, 1024


class Frames(NamedTuple):
    """The whole frames at the start of a piece: first bytes and lengths of their payloads (int64, shape (frames,))."""

    starts: np.ndarray
    lengths: np.ndarray
    used: int  # bytes of the piece that whole, valid frames take
    needed: int  # bytes of the next frame; of its header only, if that is incomplete
    problem: str | None = None  # why no frame can follow


def masked(crc: int) -> int:
    """The form in which TFRecord stores a CRC."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The masked CRC-32C of `data`."""
    return masked(google_crc32c.value(data))


@lru_cache(4096)
def _length_crc(length: int) -> int:
    return masked_crc(length.to_bytes(8, "little"))


def find(data: bytes | bytearray, end: int) -> Frames:
    """The frames of ``data[:end]``. Their headers are checked here, their payloads are not.

    A frame can only be found from the one before it. If the lengths repeat in a pattern (tags written in turn), all frames that
    follow the pattern are found at once.
    """
    buffer = np.frombuffer(data, np.uint8)
    starts: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    at, stretch, done = 0, _STRETCH, False
    while not done:
        begun, sizes = [], []
        for _ in range(stretch):
            if at + HEADER > end:
                done = True
                break
            (size,) = _LENGTH(data, at)
            if at + HEADER + size + FOOTER > end:
                done = True
                break
            begun.append(at)
            sizes.append(size)
            at += HEADER + size + FOOTER
        starts.append(np.array(begun, np.int64))
        lengths.append(np.array(sizes, np.int64))
        period = 0 if done else _period(sizes)
        if period:
            pattern = np.array(sizes[-period:], np.int64)
            count = _repeats(buffer, at, end, pattern)
            inner = np.concatenate([[0], np.cumsum(pattern + HEADER + FOOTER)])
            starts.append((at + inner[-1] * np.arange(count)[:, None] + inner[:-1]).ravel())
            lengths.append(np.tile(pattern, count))
            at += count * int(inner[-1])
        stretch = _STRETCH if period else min(2 * stretch, _LONGEST_STRETCH)
    return _checked(data, buffer, np.concatenate(starts), np.concatenate(lengths), at, end)


def _period(sizes: list[int]) -> int:
    """The length of the shortest pattern that the last sizes repeat, or 0."""
    return next((p for p in range(1, len(sizes) // 2 + 1) if sizes[-p:] == sizes[-2 * p : -p]), 0)


def _repeats(buffer: np.ndarray, at: int, end: int, pattern: np.ndarray) -> int:
    """How often a pattern of payload lengths repeats from byte `at` on."""
    whole = int(pattern.sum()) + len(pattern) * (HEADER + FOOTER)
    count, inner = (end - at) // whole, at
    for size in pattern:
        if not count:
            break
        found = np.ndarray((count,), "<i8", buffer, inner, (whole,))
        same = found == size
        count = count if same.all() else int(np.argmin(same))
        inner += int(size) + HEADER + FOOTER
    return count


def windows(buffer: np.ndarray, width: int) -> np.ndarray:
    """The `width` bytes from each byte of a buffer on, as rows, shape (bytes - width + 1, width); a view."""
    return np.ndarray((max(len(buffer) - width + 1, 0), width), np.uint8, buffer, 0, (1, 1))


def different_values(lengths: np.ndarray) -> np.ndarray:
    """The different lengths, ascending; fast if none is large."""
    if len(lengths) and lengths.max() < 1 << 16:
        return np.flatnonzero(np.bincount(lengths))
    return np.unique(lengths)


def _checked(data: bytes | bytearray, buffer: np.ndarray, starts: np.ndarray, lengths: np.ndarray, at: int, end: int) -> Frames:
    """The frames up to the first whose header is wrong."""
    stored = windows(buffer, 4)[starts + 8].view("<u4")[:, 0]
    different = different_values(lengths)
    expected = np.array([_length_crc(int(n)) for n in different], np.uint32)[np.searchsorted(different, lengths)]
    wrong = stored != expected
    if wrong.any():
        first = int(np.argmax(wrong))
        at = int(starts[first])
        starts, lengths = starts[:first], lengths[:first]
        return Frames(starts + HEADER, lengths, at, 0, "the checksum of a record's length is wrong")
    needed, problem = HEADER, None
    if at + HEADER <= end:  # the frame that is not complete: is its header valid?
        (size,) = _LENGTH(data, at)
        if _CHECKSUM(data, at + 8)[0] != masked_crc(bytes(data[at : at + 8])):
            problem = "the checksum of a record's length is wrong"
        elif size > LARGEST_RECORD:
            problem = f"a record claims to be {size:,} bytes long"
        needed = HEADER + size + FOOTER
    return Frames(starts + HEADER, lengths, at, needed, problem)


@lru_cache(4096)
def crc_table(behind: int) -> np.ndarray:
    """What each value of a byte, followed by `behind` bytes, adds (XOR) to a CRC-32C; uint32, shape (256,).

    A CRC is affine: for two messages of equal length, crc(a) ^ crc(b) depends only on a ^ b, byte by byte.
    """
    zeros = bytes(behind)
    none = google_crc32c.value(b"\0" + zeros)
    table = np.zeros(256, np.uint32)
    for bit in range(8):
        one = google_crc32c.value(bytes([1 << bit]) + zeros) ^ none
        table[1 << bit : 2 << bit] = table[: 1 << bit] ^ np.uint32(one)
    return table
