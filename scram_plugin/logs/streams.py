"""What is asked of an open file, local or remote."""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

PIECE = 1 << 20  # bytes read at once


def checksum(stream: BinaryIO, length: int) -> bytes:
    """Of the next `length` bytes; by it a file is recognised that was written again."""
    seen = hashlib.sha256()
    while length > 0 and (piece := stream.read(min(length, PIECE))):
        seen.update(piece)
        length -= len(piece)
    return seen.digest()


def read_all(stream: BinaryIO, length: int) -> bytes:
    """`length` bytes, or those that there are."""
    parts, left = [], length
    while left > 0 and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def written_at(stream: BinaryIO) -> float:
    """When an open file was last written, seconds since 1970; 0 where its storage does not say."""
    try:
        return os.fstat(stream.fileno()).st_mtime
    except (OSError, AttributeError, ValueError):
        return 0.0
