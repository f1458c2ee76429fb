"""A change of the user's files: made of the edits of findings, checked against the disk, shown as a diff, applied whole."""

from __future__ import annotations

import ast
import contextlib
import difflib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scram_plugin.fixing.lines import Replacement, narrowed
from scram_plugin.fixing.on_disk import DoesNotFit, OnDisk, Source, changed
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.edits.words import is_known

CONTEXT = 3  # lines around a change in a diff; the usual number of `diff -u`


@dataclass(frozen=True)
class Hunk:
    """One place of a patch, and why it changes."""

    file: str
    line: int  # from 1
    change: Replacement
    reason: str


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
        return self.sources[hunk.file].lines[hunk.change.first : hunk.change.first + hunk.change.count]

    def joined(self, other: Patch) -> Patch | None:
        """Both changes as one; None where they change the same lines in different ways."""
        more = [hunk for hunk in other.hunks if all((h.file, h.change) != (hunk.file, hunk.change) for h in self.hunks)]
        if any(h.file == hunk.file and h.change.meets(hunk.change) for hunk in more for h in self.hunks):
            return None
        return Patch(self.folder, {**self.sources, **other.sources}, (*self.hunks, *more))

    def diff(self) -> str:
        """The patch as `diff -u` writes it, for `git apply` and `patch -p1`; reasons stand behind the places."""
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


def made(edit: Edit, reason: str, disk: OnDisk) -> Patch:
    """The patch of one fix, all places of it: the only way from an edit to a file.

    `edit` changes the lines of the files as they are on the disk. Raises DoesNotFit, with a sentence, where it changes others,
    or brings in anything that is neither there nor in a template of SCRAM.
    """
    sources = {place.file: disk.source(place.file) for place in edit.places}
    own = [source.text for source in (*disk.sources.values(), *sources.values())]
    hunks: list[Hunk] = []
    for place in edit.places:
        old, new = place.before.split("\n"), place.after.split("\n") if place.before or place.after else []
        first = place.line - 1
        if first < 0 or sources[place.file].lines[first : first + len(old)] != old:
            raise changed(place)
        change = narrowed(first, old, new)
        if not is_known("\n".join(change.new), own):
            raise DoesNotFit(f"{place.file}, line {place.line}: the fix has words that are not in the program, and not SCRAM's")
        if any(hunk.file == place.file and hunk.change.meets(change) for hunk in hunks):
            raise DoesNotFit(f"{place.file}, line {place.line}: two changes of the fix meet there")
        hunks.append(Hunk(place.file, change.first + 1, change, place.reason or reason))
    patch = Patch(disk.folder, sources, tuple(hunks))
    for file in patch.files:
        _still_python(patch, file)
    return patch


def apply(patch: Patch) -> None:
    """Write all files, or none. Raises DoesNotFit where one has changed since the patch was made, and OSError."""
    for file in patch.files:
        source = patch.sources[file]
        if source.path.read_bytes() != source.content:
            raise DoesNotFit(f"{file}: it has changed in the meantime; nothing was written")
    replace_all({Path(os.path.realpath(patch.sources[file].path)): patch.after(file) for file in patch.files})


def replace_all(contents: Mapping[Path, bytes]) -> None:
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
