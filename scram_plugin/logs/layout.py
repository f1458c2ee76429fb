"""Finds where the numbers are in one record of scalars, without the protobuf parser.

A training writes long series of records that differ only in wall time, step and value. They all have the same layout, so they
can be read in bulk (`bulk.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scram_plugin.logs.configs import HPARAMS, TEXTS

Data = bytes | bytearray | memoryview

BFLOAT16 = "bf16"  # the upper half of a float32; NumPy has no name for it
# Data types of TensorFlow's types.proto whose scalars are consecutive bytes: in tensor_content, or in the field of the type.
CONTENT = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "<u1",
    5: "<i2",
    6: "<i1",
    9: "<i8",
    14: BFLOAT16,
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
_SIMPLE, _TEXT = "<f4", 7
OWN = "scram/"  # how SCRAM's own tags begin (schema.py); their blocks are parsed
PARSED = TEXTS | {HPARAMS}  # other tags whose values are parsed: the settings of a training

_ONE_OF = 0b1_0111_1100  # the fields of a Summary.Value of which at most one may be there
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Layout:
    """The layout of one payload: first bytes of wall time, step (and its length) and values; -1: absent, so its value is 0."""

    __slots__ = ("parse", "slots", "step", "step_bytes", "wall_time")

    def __init__(self, parse: bool = False) -> None:
        self.wall_time, self.step, self.step_bytes = -1, -1, 0
        self.slots: list[tuple[str, int, str]] = []  # (tag, byte of the value, its type)
        self.parse = parse  # the record must go through the protobuf parser

    def fixed(self, length: int) -> bytearray:
        """A mask of the bits that all records of this layout and these tags share: all but wall time, step and values."""
        mask = bytearray(b"\xff" * length)
        if self.wall_time >= 0:
            mask[self.wall_time : self.wall_time + 8] = bytes(8)
        mask[self.step : self.step + self.step_bytes] = b"\x80" * self.step_bytes  # the bits that say how long a varint is
        for _, at, kind in self.slots:
            mask[at : at + size_of(kind)] = bytes(size_of(kind))
        return mask

    @property
    def shape(self) -> tuple[Any, ...]:
        """What is equal in two layouts with different tags if their records can be read together."""
        return self.wall_time, self.step, self.step_bytes, self.parse, [(at, kind) for _, at, kind in self.slots]


def size_of(kind: str) -> int:
    """Bytes of a number of one of the types of `CONTENT`."""
    return 2 if kind == BFLOAT16 else int(kind[2])


class _Unusual(Exception):
    """This module cannot read the form of the record: the protobuf parser must do it."""


class Layouts:
    """Finds layouts, and keeps those that it has found: a log directory has one, for all its files.

    Nearly all records of all runs have one of a few layouts, and looking it up is ten times faster than finding it. What is
    kept is bounded, since there may be any number of tags, of any length.
    """

    MOST_OF_LENGTH = 32  # layouts of records of one length, which are tried in turn
    MOST_BYTES = 4 << 20  # a layout takes twice the bytes of its record

    def __init__(self) -> None:
        # length -> (mask of the fixed bits, their values, layout)
        self._known: dict[int, Sequence[tuple[int, int, Layout]]] = {}
        self._bytes_left = self.MOST_BYTES

    def find(self, data: Data, start: int, end: int) -> Layout:
        """The layout of the payload ``data[start:end]``; offsets are bytes from `start`.

        Values that are not scalars (images, histograms, texts, tensors with dimensions) have no slot and are skipped.
        """
        length = end - start
        payload = int.from_bytes(memoryview(data)[start:end], "little")
        known = self._known.get(length, ())
        for fixed, bits, form in known:
            if payload & fixed == bits:
                return form
        form = Layout()
        try:
            _event(data, start, end, form)
        except (_Unusual, IndexError):
            return Layout(parse=True)
        if form.slots and len(known) < self.MOST_OF_LENGTH and 2 * length <= self._bytes_left:
            fixed = int.from_bytes(form.fixed(length), "little")
            self._known[length] = [*known, (fixed, payload & fixed, form)]
            self._bytes_left -= 2 * length
        return form


def _event(data: Data, start: int, end: int, result: Layout) -> None:
    at, what = start, 0
    while at < end:
        key, at = _small(data, at)
        number, kind = key >> 3, key & 7
        if number == 1 and kind == _FIXED64 and result.wall_time < 0:
            result.wall_time = at - start
            at += 8
        elif number == 2 and kind == _VARINT and result.step < 0:
            result.step, begin = at - start, at
            while data[at] & 0x80:
                at += 1
            at += 1
            result.step_bytes = at - begin
            if result.step_bytes > 10:
                raise _Unusual
        elif 3 <= number <= 10 and kind == _BYTES and not what:
            what = number
            size, at = _varint(data, at)
            if at + size > end:
                raise _Unusual
            if number == 5:
                _summary(data, at, at + size, start, result)
            at += size
        else:
            raise _Unusual
    if at != end:
        raise _Unusual


def _summary(data: Data, at: int, end: int, start: int, result: Layout) -> None:
    while at < end:
        if data[at] != 0x0A:
            raise _Unusual
        size, at = _varint(data, at + 1)
        if at + size > end:
            raise _Unusual
        _value(data, at, at + size, start, result)
        at += size


def _value(data: Data, at: int, end: int, start: int, result: Layout) -> None:
    """One Summary.Value: node_name 7, tag 1, metadata 9, and one of simple_value 2, image 4, histo 5, audio 6, tensor 8."""
    tag = b""
    found: tuple[int, str] | None = None
    seen = 0
    while at < end:
        key, at = _small(data, at)
        number, kind = key >> 3, key & 7
        if seen >> number & 1:
            raise _Unusual
        seen |= 1 << number
        if number == 2 and kind == _FIXED32:
            found = (at - start, _SIMPLE)
            at += 4
            continue
        if kind != _BYTES or not 1 <= number <= 9 or number == 2:
            raise _Unusual
        size, at = _varint(data, at)
        if at + size > end:
            raise _Unusual
        if number == 1:
            tag = bytes(data[at : at + size])
        elif number == 8:
            found = _tensor(data, at, at + size, start)
        at += size
    if at != end or bin(seen & _ONE_OF).count("1") > 1:
        raise _Unusual
    try:
        name = tag.decode()
    except UnicodeDecodeError:
        raise _Unusual from None
    if name.startswith(OWN) or name in PARSED:
        raise _Unusual
    if found is not None:
        result.slots.append((name, *found))


def _tensor(data: Data, at: int, end: int, start: int) -> tuple[int, str] | None:
    """(byte, type) of the number in a tensor without dimensions; None for a tensor that is not a number."""
    dtype, content, number_of, shaped = 0, None, 0, False
    last = 0
    while at < end:
        key, at = _small(data, at)
        number, kind = key >> 3, key & 7
        if number <= last:
            raise _Unusual  # repeated, or in an order that no writer uses
        last = number
        if kind == _VARINT and number == 1:
            dtype, at = _varint(data, at)
        elif kind == _VARINT and number == 3:
            _, at = _varint(data, at)
        elif kind == _BYTES and number == 2:
            size, at = _varint(data, at)
            shaped = size > 0
            at += size
        elif kind == _BYTES and number <= 17:
            size, at = _varint(data, at)
            if content is not None:
                raise _Unusual
            content, number_of = (at - start, size), number
            at += size
        else:
            raise _Unusual
    if at != end:
        raise _Unusual
    if shaped:
        return None
    if dtype == _TEXT:
        return None
    form = CONTENT.get(dtype)
    if form is None:
        raise _Unusual
    right_field = number_of == 4 or (number_of, dtype) in ((5, 1), (6, 2))
    if content is None or not right_field or content[1] != size_of(form):
        raise _Unusual
    return content[0], form


def _small(data: Data, at: int) -> tuple[int, int]:
    """The key of a field, and the byte after it. All known keys take one byte, or two from field 16 on."""
    key = data[at]
    if key < 0x80:
        return key, at + 1
    return (key & 0x7F) | data[at + 1] << 7, at + 2


def _varint(data: Data, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _Unusual
