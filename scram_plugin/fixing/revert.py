"""Takes applied patches back. What files were before is kept among the user's own data, and never in a log directory."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from scram_plugin.errors import BadOption
from scram_plugin.fixing.patch import Patch, replace_all

MOST = 20  # applied patches of one directory that can be taken back; by definition


def remember(patch: Patch) -> None:
    """Keep what the files of a patch were before it was applied. Raises OSError."""
    kept = _place(patch.folder)
    entry = {
        file: {
            "before": base64.b64encode(patch.sources[file].content).decode(),
            "after": _digest(patch.after(file)),
        }
        for file in patch.files
    }
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(kept, [*_read(kept), entry][-MOST:])


def revert(folder: Path) -> list[str]:
    """Take back the last patch that was applied in a directory; returns the names of its files.

    Raises BadOption, with a sentence, where there is none, or where a file has changed since.
    """
    kept = _place(folder)
    applied = _read(kept)
    if not applied:
        raise BadOption(f"{folder}: no fix was applied here, or each was taken back")
    contents: dict[Path, bytes] = {}
    for file, content in applied[-1].items():
        path = Path(os.path.realpath(folder / file))
        if not path.is_file() or _digest(path.read_bytes()) != content["after"]:
            raise BadOption(f"{file}: it has changed since the fix was applied; nothing was taken back")
        contents[path] = base64.b64decode(content["before"])
    replace_all(contents)
    _write(kept, applied[:-1])
    return sorted(applied[-1])


def _place(folder: Path) -> Path:
    name = hashlib.sha256(os.path.realpath(folder).encode(errors="surrogateescape")).hexdigest()[:32]
    return Path(platformdirs.user_state_dir("scram", appauthor=False)) / "applied" / f"{name}.json"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(kept: Path) -> list[Mapping[str, Any]]:
    """What was applied, the last one at the end; empty where nothing can be read."""
    with contextlib.suppress(OSError, ValueError, binascii.Error):
        found = json.loads(kept.read_text(encoding="utf-8"))
        return found if isinstance(found, list) else []
    return []


def _write(kept: Path, applied: list[Mapping[str, Any]]) -> None:
    if not applied:
        kept.unlink(missing_ok=True)
        return
    part = kept.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(applied), encoding="utf-8")
    os.replace(part, kept)
