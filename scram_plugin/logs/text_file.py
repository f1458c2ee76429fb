"""Logs in text files: CSV, JSON lines, or Hugging Face's ``trainer_state.json``. Read as they are written.

They become scalars under the tags that the same framework uses in TensorBoard (``eval_loss`` is ``eval/loss``).
Every number is kept as the csv or json module reads it; what is no number is left out.
"""

from __future__ import annotations

import array
import csv
import hashlib
import io
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, BinaryIO

import numpy as np

from scram_plugin.logs.configs import MOST_VALUES, Garbled, flat
from scram_plugin.logs.conventions import meaning
from scram_plugin.logs.event_file import PointBuffer
from scram_plugin.logs.json_stream import members
from scram_plugin.logs.other_settings import told
from scram_plugin.logs.parsed import Own
from scram_plugin.logs.streams import PIECE, checksum, read_all, written_at
from scram_plugin.logs.tags import Tags

STATE = "trainer_state.json"
JSON_LINES = (".jsonl", ".ndjson")
SEPARATED = (".csv", ".tsv", ".log")
NAMED = (STATE, "scalars.json", "progress.json")
MONITOR = re.compile(r"(?:\d+\.)?monitor\.csv")

HEAD = 16_384  # bytes that tell whether a file is a log
LARGEST = 256 << 20  # bytes; a longer file is no log of a training
LONGEST_LINE = 4 << 20  # characters
MOST_NUMBERS = 20_000_000  # of one file: 480 MB; in 256 MiB of CSV as trainings write it there are about as many
MOST_TAGS = 20_000
SETTLED = 10.0  # seconds after which a last line without its end is taken as whole
OF_STATES = 2  # rank of the settings in a state, which has few: others come before
ROW = 1e-6  # seconds from row to row: nothing is said of the time, but the order counts

# Columns that count the rows, the best first; and what else says where a training is, which is no curve.
STEPS = (
    *("step", "global_step", "_step", "current_steps", "iteration", "iterations", "iter", "time/total_timesteps"),
    *(
        "total_timesteps",
        "timesteps",
        "timestep",
        "num_timesteps",
        "global_episode",
        "episode",
        "episodes",
        "steps",
        "epoch",
        "epochs",
        "t",
    ),
)
EPOCHS = ("epoch", "epochs")
EPISODES = ("episode", "episodes", "global_episode")  # then a bare "reward" is that of an episode
PLACES = frozenset(
    {*STEPS, "total_steps", "percentage", "time", "elapsed_time", "remaining_time", "timestamp", "wall_time", "_timestamp"}
)


def may_be_log(name: str) -> bool:
    """Whether a file of this name may be a log: then its head must tell."""
    low = name.lower()
    return low in NAMED or low.endswith(JSON_LINES + SEPARATED)


def is_log(name: str, head: bytes) -> bool:
    """Whether the first bytes of a file are those of a log: it has a number for a tag that means something in a training."""
    low = name.lower()
    if low == STATE:
        return b'"log_history"' in head or b'"global_step"' in head or b'"best_metric"' in head
    text = head.decode("utf-8", "replace")
    lines = text.splitlines() if len(head) < HEAD else text.splitlines()[:-1]
    if low.endswith(JSON_LINES) or low.endswith(".json"):
        rows = [row for line in lines[:20] if isinstance(row := _parsed(line), dict)]
        return any(_is_of_training(low, list(dict(_numbers(row)))) for row in rows)
    header, rest = _header(lines)
    if header is None or (not rest and low not in ("progress.csv", "metrics.csv", "results.csv")):
        return False
    first = next(csv.reader(rest[:1], delimiter=_delimiter(header)), [])
    names = _cells(header)
    numbers = [name for name, cell in zip(names, first, strict=False) if _number(cell) is not None or not cell.strip()]
    return len(set(names)) == len(names) and 2 * len(numbers) >= len(names) and _is_of_training(low, names)


def _plain(column: str) -> str:
    """The name of a column in small letters, with an underscore for a space."""
    return column.lower().replace(" ", "_")


def _means(name: str, by_episodes: bool) -> bool:
    return bool(meaning("", of_episodes(name) if by_episodes else name))


def of_episodes(name: str) -> str:
    """The tag of a column of a file whose rows are episodes: that of the return says so."""
    return name if meaning("", name) or not meaning("", f"episode/{name}") else f"episode/{name}"


def _is_of_training(name: str, columns: Sequence[str]) -> bool:
    low = [_plain(column) for column in columns]
    if MONITOR.fullmatch(name):
        return {"r", "l"} <= set(low)
    by_episodes = any(column in EPISODES for column in low)
    known = [tag for tag, column in zip(columns, low, strict=True) if column not in PLACES and _means(tag, by_episodes)]
    counted = any(column in STEPS for column in low)
    return bool(known) and (counted or bool(re.search(r"log|hist|loss|metric|train|progress|result|curve", name)))


def _header(lines: list[str]) -> tuple[str | None, list[str]]:
    """The line with the names of the columns, and what follows; comments before it are left out."""
    for i, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            cells = _cells(line)
            # pandas leaves the name of its index empty
            named = len(cells) > 1 and all(cells[1:]) and not any(_number(cell) is not None for cell in cells)
            return (line, lines[i + 1 :]) if named else (None, [])
    return None, []


def _delimiter(header: str) -> str:
    return max(",\t;", key=header.count)


def _cells(header: str) -> list[str]:
    """The names of the columns; Ultralytics pads them."""
    return [cell.strip() for cell in next(csv.reader([header], delimiter=_delimiter(header)), [])]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _numbers(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """The numbers of an object by their names, those of objects inside it after a slash."""
    for name, value in row.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            try:
                yield prefix + name, float(value)
            except OverflowError:  # an integer beyond all floats
                yield prefix + name, math.inf if value > 0 else -math.inf
        elif isinstance(value, str) and value.lower() in ("nan", "inf", "-inf", "infinity", "-infinity"):
            yield prefix + name, float(value)
        elif isinstance(value, dict) and depth < 3:
            yield from _numbers(value, f"{prefix}{name}/", depth + 1)


def of_trainer(name: str) -> str:
    """The tag under which Hugging Face's callback for TensorBoard writes a value of the Trainer."""
    for part in ("eval", "test"):
        if name.startswith(f"{part}_"):
            return f"{part}/{name.removeprefix(f'{part}_')}"
    return f"train/{name}"


class TextFile:
    """What was read of one text file so far: the same as an `EventFile` to those who ask."""

    def __init__(self, name: str, tags: Tags | None = None) -> None:
        self.name = name.lower()
        self._tags = tags or Tags()  # of the whole TensorBoard run
        self.scalars: dict[str, PointBuffer] = {}
        self.own = Own()  # SCRAM writes none; a state has settings
        self.offset, self.size = 0, 0  # bytes read, and of the file
        self.last_wall_time = 0.0
        self.problem: str | None = None
        self.unreadable: str | None = None
        self.by_epochs = False
        self.waits = False  # whether the last line may be half-written
        self._start()

    def _start(self) -> None:
        self.scalars = {}
        self.offset, self._seen, self._rows = 0, b"", 0  # _seen: the first bytes; of a state, the checksum of all
        self._columns: list[str] = []
        self._delimiter = ","
        self._counter = ""  # the column that counts the rows
        self._counts_from = 0.0
        self._last_step = -1.0
        self._cut = False  # whether the last line was taken without its end
        self._numbers = 0
        self._rest: dict[str, tuple[array.array[int], array.array[int], array.array[float]]] = {}

    @property
    def framework(self) -> str | None:
        """The framework that names its file and orders its columns so; None if many may have written it."""
        if self.name == STATE:
            return "hugging face"
        if self.name == "metrics.csv" and {"epoch", "step"} <= set(self._columns):
            return "lightning"
        first, rest = self._columns[:1], self._columns[1:]
        of_keras = first == ["epoch"] and not self._counts_from and "loss" in rest and rest == sorted(rest)
        return "keras" if of_keras else None

    def forget(self) -> None:
        """Free the points."""
        self.scalars = {}

    def take(self, again: TextFile) -> None:
        """Take over the points of the same file, which was read again."""
        self.scalars = again.scalars

    def same(self, stream: BinaryIO) -> bool:
        """Whether the file still begins with what was read."""
        stream.seek(0)
        if self.name == STATE:  # its end changes with each row, and numbers at its beginning
            return not self.offset or checksum(stream, self.offset) == self._seen
        return read_all(stream, len(self._seen)) == self._seen

    def read(self, stream: BinaryIO, size: int) -> bool:
        """Read what was added up to `size` (bytes). Returns whether anything new was decoded.

        A half-written last line, or object, is left for the next call.
        """
        self.size = size
        if self._cut and size > self.offset:  # the last line goes on
            self._start()
        if size > LARGEST:
            self.problem = f"it is longer than {LARGEST >> 20:,} MiB: too long for a log"
            return False
        if self._numbers > MOST_NUMBERS:
            return False
        stream.seek(self.offset)
        written = written_at(stream)
        before = self.offset
        if self.name == STATE:
            self._read_state(stream, written)
        else:
            self._read_lines(stream, written)
        if self._numbers > MOST_NUMBERS:
            self.problem = f"it has more than {MOST_NUMBERS:,} numbers; the others were left out"
        return self.offset > before

    def _read_state(self, stream: BinaryIO, written: float) -> None:
        seen, left = hashlib.sha256(), self.size - self.offset

        def read(most: int) -> bytes:
            nonlocal left
            piece = stream.read(min(most, left)) or b""
            seen.update(piece)
            left -= len(piece)
            return piece

        of_training: dict[str, Any] = {}
        before, has_rows = (self._rows, self._last_step, self._numbers), False
        try:
            for key, value in members(read, "log_history"):
                has_rows |= key == "log_history"
                if key != "log_history" and len(of_training) <= MOST_VALUES:  # so many are refused as settings
                    of_training[key] = value
                elif key == "log_history" and isinstance(value, dict) and self._numbers <= MOST_NUMBERS:
                    values = dict(_numbers(value))
                    step = values.pop("step", float(self._rows))
                    self._add(step, {of_trainer(name): number for name, number in values.items()})
            if not has_rows:
                raise KeyError
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._rest, (self._rows, self._last_step, self._numbers) = {}, before
            half = isinstance(error, ValueError) and time.time() - written < SETTLED
            self.waits = half
            self.problem = None if half else f"it is not the state of a Trainer ({type(error).__name__})"
            return
        self.offset, self.waits, self._seen = self.size - left, False, seen.digest()
        self._flush(written)
        try:
            self.own.settings = [told(written, OF_STATES, STATE, flat(of_training))]
        except Garbled as reason:
            self.own.remark(f"its settings were not read: {reason}")

    def _read_lines(self, stream: BinaryIO, written: float) -> None:
        settled, rest, last = time.time() - written >= SETTLED, b"", False
        while not last and self._numbers <= MOST_NUMBERS:
            piece = read_all(stream, min(PIECE, self.size - self.offset - len(rest)))
            data, last = rest + piece, not piece or self.offset + len(rest) + len(piece) >= self.size
            end = data.rfind(b"\n") + 1
            if last:
                self.waits = end < len(data) and not settled
                if settled:
                    self._cut, end = end < len(data), len(data)
            lines = data[:end].decode("utf-8-sig" if self.offset == 0 else "utf-8", "replace").splitlines()
            if len(self._seen) < HEAD:
                self._seen = (self._seen + data[:end])[:HEAD]
            self.offset += end
            rest = data[end:]
            if self.name.endswith(JSON_LINES) or self.name.endswith(".json"):
                self._take_objects(lines)
            else:
                self._take_rows(lines)
        self._flush(written)

    def _take_objects(self, lines: list[str]) -> None:
        for line in lines:
            row = _parsed(line) if len(line) < LONGEST_LINE else None
            if not isinstance(row, dict):
                if line.strip():
                    self.own.remark("a line is not an object of JSON; it was left out")
                continue
            values = dict(_numbers(row))
            if not self._counter:
                self._counter = next((name for step in STEPS for name in values if _plain(name) == step), "")
            # validations of mmengine count epochs under the same name as the steps of their training
            aside = self.name == "scalars.json" and "iter" not in values
            step = self._last_step if aside else values.get(self._counter, self._last_step + 1)
            if self.name == "trainer_log.jsonl":
                kept = PLACES - set(EPOCHS)  # it is measured, as in a state of the Trainer
                values = {name if name in kept else of_trainer(name): value for name, value in values.items()}
            # beside a `data_time`, as in detectron2 and mmengine, `time` is that of a step
            places = PLACES - {"time"} if "data_time" in values else PLACES
            self._add(step, self._without(places, values))

    def _take_rows(self, lines: list[str]) -> None:
        if not self._columns:
            header, lines = _header(lines)
            if header is None:
                return
            self._delimiter, self._columns = _delimiter(header), _cells(header)
            low = [_plain(name) for name in self._columns]
            found = next((name for name in STEPS if name in low), "")
            self._counter = self._columns[low.index(found)] if found else ""
            validated = any(name.startswith("val_") for name in low)  # as Keras names it, at the end of each epoch
            self.by_epochs = found in EPOCHS or (not found and validated)
        is_monitor = MONITOR.fullmatch(self.name) is not None
        for cells in csv.reader(io.StringIO("\n".join(lines)), delimiter=self._delimiter):
            if not cells or cells[0].startswith("#") or [cell.strip() for cell in cells] == self._columns:
                continue  # a program that ran again wrote its header again
            if len(cells) > len(self._columns):
                self.own.remark("a line has more cells than there are columns; it was left out")
                continue
            found_values = zip(self._columns, map(_number, cells), strict=False)
            values = {name: value for name, value in found_values if value is not None and name}
            if is_monitor:
                step = max(self._last_step, 0.0) + values.get("l", 1.0)
                values = {f"{self.name.removesuffix('.csv')}/{name}": value for name, value in values.items() if name != "t"}
            else:
                step = values.get(self._counter, self._last_step if self._counter else self._last_step + 1)
                if self.by_epochs and not self._rows and step == 1:
                    self._counts_from = 1.0  # it counts as people do
                step -= self._counts_from if self._counter in values else 0
            self._add(step, self._without(PLACES, values))

    def _without(self, places: Set[str], values: Mapping[str, float]) -> dict[str, float]:
        """The values that do not count the rows, by their tags."""
        if _plain(self._counter) not in EPISODES:
            return {name: value for name, value in values.items() if _plain(name) not in places}
        return {of_episodes(name): value for name, value in values.items() if _plain(name) not in places}

    def _add(self, step: float, values: Mapping[str, float]) -> None:
        if not math.isfinite(step) or abs(step) >= 2**62:
            step = self._last_step + 1
        self._last_step, self._rows, self._numbers = step, self._rows + 1, self._numbers + len(values)
        for tag, value in values.items():
            if tag not in self._rest and tag not in self.scalars and len(self._rest) + len(self.scalars) >= MOST_TAGS:
                self.own.remark(f"it has more than {MOST_TAGS:,} columns; the others were left out")
                continue
            if tag not in self._rest and not self._tags.keeps(tag):
                continue
            steps, rows, numbers = self._rest.setdefault(tag, (array.array("q"), array.array("q"), array.array("d")))
            steps.append(int(step))
            rows.append(self._rows)
            numbers.append(value)

    def _flush(self, written: float) -> None:
        """Make points of the rows that were taken. The last row gets the time at which the file was written."""
        if self._rest:
            self.last_wall_time = written
        for tag in list(self._rest):
            steps, rows, values = self._rest.pop(tag)
            times = written - ROW * (self._rows - np.array(rows, np.float64))
            self.scalars.setdefault(tag, PointBuffer()).extend(np.array(steps, np.int64), times, np.array(values, np.float64))
