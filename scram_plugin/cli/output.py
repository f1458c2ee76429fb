"""Where a report goes: standard output, or a file that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

from scram_plugin.errors import BadOption


def write(output: str | None, text: str) -> None:
    """Write to a file, or to standard output for None and "-". Raises BadOption."""
    if output not in (None, "-"):
        try:
            _replace(Path(output), text.encode(errors="replace"))
        except (OSError, ValueError) as error:
            raise BadOption(f"--output: {output} could not be written ({getattr(error, 'strerror', error)})") from None
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: if the disk is full, the previous report stays."""
    if path.exists() and not path.is_file():  # a pipe or a device
        path.write_bytes(content)
        return
    path = path.resolve()
    new = path.with_name(f".scram-{os.getpid()}")
    try:
        new.write_bytes(content)
        if path.exists():
            shutil.copymode(path, new)
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise
        path.write_bytes(content)  # for example a mounted file, or a directory in which no file can be created
