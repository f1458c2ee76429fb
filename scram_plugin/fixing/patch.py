"""A change of the user's files: made of the edits of findings, checked against the disk, shown as a diff, and applied whole."""

from __future__ import annotations

import ast
import contextlib
import difflib
import io
import os
import re
import shutil
import tempfile
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scram_plugin import schema
from scram_plugin.fixing.lines import Changed, Replacement, carried_over, split
from scram_plugin.heuristics.edits import Edit

LARGEST_PROGRAM = 1 << 20  # bytes of a file that is changed; no program is as long; by definition
CONTEXT = 3  # lines around a change in a diff; the usual number of `diff -u`


class DoesNotFit(ValueError):
    """A change that cannot be made; a sentence that says why."""


@dataclass(frozen=True)
class Hunk:
    """One place of a patch, and why it changes."""

    file: str
    line: int  # from 1
    change: Replacement
    reason: str


@dataclass(frozen=True)
class Source:
    """A file as it is on the disk: its bytes, how they are encoded, and its text, with its own ends of lines."""

    path: Path
    content: bytes
    encoding: str
    text: str


@dataclass(frozen=True)
class Patch:
    """Changes of files below one directory, which belong together."""

    folder: Path
    sources: Mapping[str, Source]
    hunks: tuple[Hunk, ...]

    @property
    def files(self) -> list[str]:
        return sorted({hunk.file for hunk in self.hunks})

    def after(self, file: str) -> bytes:
        """The content of a file with the change."""
        source = self.sources[file]
        return _changed(source.text, [h.change for h in self.hunks if h.file == file]).encode(source.encoding)

    def lines(self, hunk: Hunk) -> list[str]:
        """The lines of a place before the change."""
        old = split(self.sources[hunk.file].text)
        return old[hunk.change.first : hunk.change.first + hunk.change.count]

    def joined(self, other: Patch) -> Patch | None:
        """Both changes as one; None where they change the same lines in different ways."""
        more = [hunk for hunk in other.hunks if all((h.file, h.change) != (hunk.file, hunk.change) for h in self.hunks)]
        if any(h.file == hunk.file and h.change.meets(hunk.change) for hunk in more for h in self.hunks):
            return None
        return Patch(self.folder, {**self.sources, **other.sources}, (*self.hunks, *more))

    def diff(self) -> str:
        """The patch as `diff -u` writes it, for `patch -p1` and `git apply`; reasons stand behind the places."""
        return "".join(self._diff(file) for file in self.files)

    def _diff(self, file: str) -> str:
        old = self.sources[file].text
        new = self.after(file).decode(self.sources[file].encoding)
        lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{file}", f"b/{file}", n=CONTEXT)
        return "".join(self._with_reason(file, line) for line in lines)

    def _with_reason(self, file: str, line: str) -> str:
        found = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
        if found is None:
            return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        first, last = int(found[1]), int(found[1]) + int(found[2] or 1)
        said = [h.reason for h in self.hunks if h.file == file and first <= h.change.first + 1 <= last and h.reason]
        return f"{line.rstrip()} {' '.join(dict.fromkeys(said))}".rstrip() + "\n"


def made(edit: Edit, reason: str, folder: Path) -> Patch:
    """The patch of one fix, all places of it. Raises DoesNotFit, with a sentence, where the files are not as they were."""
    sources: dict[str, Source] = {}
    hunks: list[Hunk] = []
    for place in edit.places:
        source = sources.get(place.file) or read(place.file, folder)
        sources[place.file] = source
        try:
            change = carried_over(source.text, place.line, place.before, place.after)
        except Changed as error:
            raise DoesNotFit(f"{place.file}, line {place.line}: {error}, so that the fix does not fit any more") from None
        if any(hunk.file == place.file and hunk.change.meets(change) for hunk in hunks):
            raise DoesNotFit(f"{place.file}, line {place.line}: two changes of the fix meet there")
        hunks.append(Hunk(place.file, change.first + 1, change, place.reason or reason))
    patch = Patch(folder, sources, tuple(hunks))
    for file in patch.files:
        _still_python(patch, file)
    return patch


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


def apply(patch: Patch) -> None:
    """Write all files, or none. Raises DoesNotFit where one has changed since the patch was made, and OSError."""
    for file in patch.files:
        source = patch.sources[file]
        if source.path.read_bytes() != source.content:
            raise DoesNotFit(f"{file}: it has changed in the meantime; nothing was written")
    _replace_all({Path(os.path.realpath(patch.sources[file].path)): patch.after(file) for file in patch.files})


def _replace_all(contents: Mapping[Path, bytes]) -> None:
    """Replace files by new ones, which are complete before the first is put in place."""
    ready: list[tuple[Path, Path]] = []
    done: list[tuple[Path, bytes]] = []
    try:
        for path, content in contents.items():
            number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            ready.append((Path(name), path))
            with os.fdopen(number, "wb") as file:
                file.write(content)
            shutil.copymode(path, name)
        for new, path in ready:
            before = path.read_bytes()
            os.replace(new, path)
            done.append((path, before))
    except BaseException:
        for path, before in done:
            path.write_bytes(before)
        raise
    finally:
        for new, _ in ready:
            with contextlib.suppress(OSError):
                new.unlink()


def _changed(text: str, changes: Iterable[Replacement]) -> str:
    """The text with changed lines; lines that stay keep their ends, new ones have those of the lines around."""
    lines = _lines(text)
    usual = _end(lines[0]) if lines else "\n"
    for change in sorted(changes, key=lambda change: change.first, reverse=True):
        old = lines[change.first : change.first + change.count]
        around = old or lines[max(change.first - 1, 0) : change.first + 1]
        end = next((_end(line) for line in around if _end(line)), usual or "\n")
        new = [f"{line}{end}" for line in change.new]
        if new and change.first + change.count == len(lines) and lines and not _end(lines[-1]):
            if change.count:
                new[-1] = new[-1][: -len(end)]  # the last line of the file had no end
            else:
                lines[-1] += end
        lines[change.first : change.first + change.count] = new
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _still_python(patch: Patch, file: str) -> None:
    """Raises DoesNotFit where the change would leave no Python: the recorded statement was another one."""
    try:
        compile(patch.after(file), file, "exec", flags=ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise DoesNotFit(f"{file}: it would be no Python with the fix ({error})") from None
