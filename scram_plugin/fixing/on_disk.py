"""A training run with its program as it is on the disk, in the place of what the log holds of it.

What is put into a program is made of this program, never of the one in the log: the log says which check found what, and with
which numbers. Its texts count only where the disk has them, too.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import difflib
import io
import os
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from scram_plugin import schema
from scram_plugin.fixing.lines import split
from scram_plugin.heuristics.edits import Edit
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.redaction import redacted

LARGEST_PROGRAM = 1 << 20  # bytes of a file that is changed; no program is as long; by definition
PLAIN = re.compile(r"\w+(?:[./:-]\w+)*")  # a dotted name, or the path of a layer
_NAMED = re.compile(r"""name=["']([\w./-]+)["']""")  # names of layers stay in a log


class DoesNotFit(ValueError):
    """A change that cannot be made; a sentence that says why."""


@dataclass(frozen=True)
class Source:
    """A file as it is on the disk: its bytes, how they are encoded, and its text, with its own ends of lines."""

    path: Path
    content: bytes
    encoding: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return split(self.text)


def read(name: str, folder: Path) -> Source:
    """A Python file in or below a directory. A log names the file, so no other one is read. Raises DoesNotFit."""
    if name.startswith(schema.CELL):
        raise DoesNotFit(f"{name}: a notebook is changed by hand; `scram check` and the tab show which lines")
    given = PurePosixPath(name.replace(os.sep, "/"))
    if given.is_absolute() or ".." in given.parts or Path(name).is_absolute() or given.suffix != ".py":
        raise DoesNotFit(
            f"{name}: only a Python file in or below {folder} can be changed; start in the directory of the program"
        )
    path = folder / name
    if not path.is_file():
        raise DoesNotFit(f"{name}: there is no such file in {folder}; name the directory of the program by --directory")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DoesNotFit(f"{name}: it lies outside of {folder}, by a link")
    if path.stat().st_size > LARGEST_PROGRAM:
        raise DoesNotFit(f"{name}: it is longer than any program")
    content = path.read_bytes()
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        return Source(path, content, encoding, content.decode(encoding))
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise DoesNotFit(f"{name}: it cannot be read as Python ({error})") from None


class OnDisk:
    """The program of a training run on the disk.

    `run` is the training run whose facts tell of these files, and hold no other text that is not a plain name.
    """

    def __init__(self, run: TrainingRun, folder: Path) -> None:
        self.folder = folder
        told = run.facts.get("source") or {}
        self._recorded = _recorded(told)
        self._read: dict[str, Source | DoesNotFit] = {}
        self.run = copy.copy(run)
        self.run.facts = self._facts(run.facts, told)

    def source(self, name: str) -> Source:
        """One of its files. Raises DoesNotFit."""
        if name not in self._read:
            try:
                self._read[name] = read(name, self.folder)
            except DoesNotFit as error:
                self._read[name] = error
        found = self._read[name]
        if isinstance(found, DoesNotFit):
            raise found
        return found

    @property
    def sources(self) -> dict[str, Source]:
        """The files that the log names and that can be read, by their names."""
        found = {}
        for name in self._recorded:
            with contextlib.suppress(DoesNotFit):
                found[name] = self.source(name)
        return found

    def check(self, edit: Edit) -> None:
        """Raises DoesNotFit where lines that an edit changes are not as the log has them."""
        for place in edit.places:
            if place.file not in self._recorded:
                continue  # of a check of the user's own
            known, count = self._recorded[place.file].split("\n"), place.before.count("\n") + 1
            before = self._shown(place.file)[place.line - 1 : place.line - 1 + count]
            if len(before) < count or not any(known[at : at + count] == before for at in range(len(known))):
                raise changed(place)

    def _facts(self, facts: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
        main, line, sources = str(told.get("file") or ""), int(told.get("line") or 0), self.sources
        if main in sources and told.get("files"):
            line = _line_now(line, self._recorded[main].split("\n"), self._shown(main))
        here = "\n".join("\n".join(self._shown(name)) for name in sources)
        others = {key: value for key, value in facts.items() if key != "source"}
        known = _known(others, lambda text: PLAIN.fullmatch(text) is not None or text in here)
        files = [{"file": name, "text": _alike(_plain(s.text), self._recorded[name])} for name, s in sources.items()]
        return {**known, "source": {**told, "statements": [], "files": files, "line": line}}

    def _shown(self, name: str) -> list[str]:
        """The lines of a file as a log has them."""
        plain = _plain(self.source(name).text)
        hidden = redacted(plain, frozenset(_NAMED.findall(self._recorded[name])))
        return (plain if hidden is None else hidden).split("\n")


def changed(place: Edit) -> DoesNotFit:
    return DoesNotFit(f"{place.file}, line {place.line}: it has changed since, so that the fix does not fit any more")


def _recorded(told: Mapping[str, Any]) -> dict[str, str]:
    """File -> its text, as a log holds it; of logs of earlier versions, the statements of the only file."""
    files = {str(file["file"]): str(file["text"]) for file in told.get("files") or ()}
    if not files and told.get("statements"):
        files = {str(told.get("file")): "\n".join(str(one["text"]) for one in told["statements"])}
    return files


def _known(value: Any, is_known: Callable[[str], bool]) -> Any:
    """A value of the facts with an empty text in the place of each text that is not known, also among the keys."""
    if isinstance(value, str):
        return value if is_known(value) else ""
    if isinstance(value, Mapping):
        return {key: _known(item, is_known) for key, item in value.items() if is_known(key)}
    return [_known(item, is_known) for item in value] if isinstance(value, list) else value


def _plain(text: str) -> str:
    """A text with the ends of lines that Python sees."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_now(line: int, before: Sequence[str], now: Sequence[str]) -> int:
    """The number of a line (from 1) in a file that may have changed in other lines; the same where it is not there."""
    for block in difflib.SequenceMatcher(None, before, now, autojunk=False).get_matching_blocks():
        if block.a <= line - 1 < block.a + block.size:
            return line + block.b - block.a
    return line


def _alike(text: str, recorded: str) -> str:
    """The text with empty lines for the functions and classes that the recorder left out: the program uses none of them."""
    try:
        now, then = ast.parse(text), ast.parse(recorded)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    kept = {node.name for node in then.body if isinstance(node, kinds)}
    lines = text.split("\n")
    for node in now.body:
        if isinstance(node, kinds) and node.name not in kept:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - first + 1)
    return "\n".join(lines)
