"""Records that need the protobuf parser: SCRAM's own blocks and facts, settings, and scalars in an unusual encoding."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from scram_plugin import schema
from scram_plugin.logs.configs import HPARAMS, LARGEST_TEXT, TEXT, TEXTS, Garbled, of_hparams, of_text
from scram_plugin.logs.facts import LONGEST_FACTS, clean, clean_gap, clean_proof
from scram_plugin.logs.other_settings import told
from scram_plugin.logs.settings import Told

# Data types of TensorFlow's types.proto -> NumPy. A bfloat16 is the upper half of a float32, and is widened by hand.
_FLOAT, _DOUBLE, _INT64, _BOOL, _BFLOAT16, _HALF, _UINT32, _UINT64 = 1, 2, 9, 10, 14, 19, 22, 23
_NUMPY_OF: dict[int, np.dtype[Any]] = {
    number: np.dtype(kind)
    for number, kind in {
        _FLOAT: "<f4",
        _DOUBLE: "<f8",
        3: "<i4",
        4: "<u1",
        5: "<i2",
        6: "<i1",
        _INT64: "<i8",
        _BOOL: "?",
        _BFLOAT16: "<u2",
        17: "<u2",
        _HALF: "<f2",
        _UINT32: "<u4",
        _UINT64: "<u8",
    }.items()
}
_FIELD_OF = {
    _FLOAT: "float_val",
    _DOUBLE: "double_val",
    _INT64: "int64_val",
    _UINT32: "uint32_val",
    _UINT64: "uint64_val",
    _BOOL: "bool_val",
}
_BITS = (_HALF, _BFLOAT16)  # their repeated field holds the bits of the number


MOST_TOLD = 20  # texts with settings in one file: a training writes a few at its start; by definition

MOST_GAPS = 1_000  # of one file: the recorder tries again 200 times at most; by definition
CLEANED = {schema.FACTS_TAG: clean, schema.PROOF_TAG: clean_proof, schema.GAP_TAG: clean_gap}  # texts that are JSON


class Block(NamedTuple):
    """Rows of one of SCRAM's tables: steps (rows,), wall times (rows,) in seconds since 1970, values (rows, names)."""

    table: str
    names: tuple[str, ...]
    steps: np.ndarray
    wall_times: np.ndarray
    values: np.ndarray


class Unreadable(ValueError):
    """Reading must end at this record; the message says why."""


@cache
def _protobuf() -> tuple[Any, type[Exception]]:
    """The class Event and the error of its parser; imported late, since most files need no parser and the import is slow."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import event_pb2

    return event_pb2.Event, DecodeError


class Own:
    """What one file has that is no scalar, of SCRAM's recorder or of another tool, and remarks on what was ignored there."""

    def __init__(self) -> None:
        self.facts: list[tuple[float, dict[str, Any]]] = []  # (wall time, facts of one fit)
        self.proofs: list[tuple[float, dict[str, Any]]] = []  # (wall time, what came of fixes that were tried)
        self.gaps: list[dict[str, Any]] = []  # what could not be recorded (see `schema.py`), in the order of writing
        self.ends: list[tuple[float, str]] = []  # (wall time, how the fit ended)
        self.settings: list[Told] = []  # of the training, as another tool wrote them
        self.remarks: list[str] = []  # sentences on what was ignored
        self._texts = 0  # that may have settings
        self._columns: dict[str, tuple[str, ...]] = {}  # table -> names, from the last metadata

    def parse(self, payload: bytes) -> tuple[int, float, list[tuple[str, float]], list[Block]]:
        """Step, wall time (seconds), scalars (tag, value) and blocks of SCRAM's tables of one record. Raises Unreadable."""
        event_class, decode_error = _protobuf()
        try:
            event = event_class.FromString(payload)
        except decode_error:
            raise Unreadable("a record is not a TensorBoard event") from None
        try:
            return event.step, event.wall_time, *self._values(event)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            raise Unreadable(f"a record could not be decoded ({type(error).__name__}: {str(error)[:100]})") from None

    def _values(self, event: Any) -> tuple[list[tuple[str, float]], list[Block]]:
        scalars: list[tuple[str, float]] = []
        own: dict[str, np.ndarray] = {}
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if value.tag in TEXTS or value.tag == HPARAMS:
                self._take_settings(value, event.wall_time)
            if kind == "simple_value":
                scalars.append((value.tag, value.simple_value))
            elif kind == "tensor":
                if value.tag.startswith("scram/"):
                    self._own(value, event.wall_time, own)
                elif not value.tensor.tensor_shape.dim:
                    number = _array(value.tensor)
                    if number is not None and number.size == 1:
                        scalars.append((value.tag, float(number[0])))
        return scalars, self._blocks(own)

    def _take_settings(self, value: Any, wall_time: float) -> None:
        """Keep the settings that a text has, or what the plugin hparams wrote."""
        self._texts += 1
        if self._texts > MOST_TOLD:
            return
        content = value.metadata.plugin_data.content if value.tag == HPARAMS else b"".join(value.tensor.string_val[:1])
        source = "hparams" if value.tag == HPARAMS else value.tag.removesuffix(TEXT)
        if not content:
            return
        try:
            if len(content) > LARGEST_TEXT:
                raise Garbled(f"it is longer than {LARGEST_TEXT >> 20:,} MiB")
            pairs = of_hparams(content) if value.tag == HPARAMS else of_text(value.tag, content.decode("utf-8", "replace"))
            self.settings.append(told(wall_time, 0, source, pairs))
        except Garbled as reason:
            self.remark(f"the settings in {value.tag!r} were not read: {reason}")

    def _own(self, value: Any, wall_time: float, own: dict[str, np.ndarray]) -> None:
        """Keep one of SCRAM's own values; a value that does not follow `schema` becomes a remark."""
        metadata = value.metadata
        if metadata.HasField("plugin_data") and metadata.plugin_data.content:
            try:
                if len(metadata.plugin_data.content) > LONGEST_FACTS:
                    raise ValueError
                content = json.loads(metadata.plugin_data.content)
                version, columns = content["version"], content.get("columns")
                if not isinstance(version, int) or not (columns is None or all(isinstance(c, str) for c in columns)):
                    raise TypeError
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.remark(f"the plugin data of {value.tag[:80]!r} are not in SCRAM's format; its values are ignored")
                self._columns.pop(value.tag, None)
                return
            if version > schema.VERSION:
                self.remark(
                    f"{value.tag[:80]!r} was written by a newer SCRAM (schema {version}; this one reads up to "
                    f"{schema.VERSION}); its values are ignored. Update SCRAM to read them"
                )
                self._columns.pop(value.tag, None)
                return
            if columns is not None:
                self._columns[value.tag] = tuple(columns)
        if value.tag in CLEANED or value.tag == schema.END_TAG:
            text = value.tensor.string_val[0] if value.tensor.string_val else b""
            try:
                if value.tag == schema.END_TAG:
                    self.ends.append((wall_time, text.decode()))
                else:
                    facts = json.loads(text) if len(text) <= LONGEST_FACTS else None
                    if not isinstance(facts, dict):
                        raise ValueError
                    facts, lost = CLEANED[value.tag](facts)
                    if lost:
                        self.remark(f"parts of {value.tag!r} are not in SCRAM's format; they are ignored")
                    if value.tag == schema.GAP_TAG:
                        self._keep_gap(facts)
                    else:
                        (self.proofs if value.tag == schema.PROOF_TAG else self.facts).append((wall_time, facts))
            except (ValueError, RecursionError):
                self.remark(f"{value.tag!r} is not in SCRAM's format; it is ignored")
            return
        numbers = _array(value.tensor)
        if numbers is not None:
            shape = [dim.size for dim in value.tensor.tensor_shape.dim]
            if all(size >= 0 for size in shape) and math.prod(shape) == numbers.size:
                own[value.tag] = numbers.reshape(shape)

    def _keep_gap(self, gap: dict[str, Any]) -> None:
        if len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)
        else:
            self.remark(f"it tells of more than {MOST_GAPS:,} gaps; the others are ignored")

    def _blocks(self, own: dict[str, np.ndarray]) -> list[Block]:
        blocks: list[Block] = []
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
                self.remark(f"a block of {tag[:80]!r} does not match its columns; it is ignored")
                continue
            blocks.append(Block(table, names, steps.astype("i8"), times.astype("f8"), values))
        return blocks

    def remark(self, sentence: str) -> None:
        if sentence not in self.remarks and len(self.remarks) < 20:
            self.remarks.append(sentence)


def _array(tensor: Any) -> np.ndarray | None:
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
    if tensor.dtype == _BFLOAT16:
        return (flat.astype("<u4") << 16).view("<f4")
    return flat
