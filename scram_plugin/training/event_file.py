"""One event file to write: records in TensorFlow's framing, on any file system that TensorBoard can write to."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from typing import Any

import google_crc32c
from tensorboard.compat.proto import event_pb2

_number = itertools.count()


class EventFile:
    """A new event file in `directory`. Raises what the file system raises: OSError, or an error of TensorFlow's.

    `began`: the wall time of its first event, where that was made before the file.

    Not with `tensorboard.summary.writer`, which has a thread of its own to fail in, and a checksum in plain Python.
    """

    def __init__(self, directory: str, began: float | None = None) -> None:
        remote = "://" in directory
        if remote:  # TensorFlow takes seconds to be imported, where it is there
            from tensorboard.compat import tf

            tf.io.gfile.makedirs(directory)
        else:
            os.makedirs(directory, exist_ok=True)
        # readers take the files of a directory in the order of their names: that of their making
        number = f"{os.getpid()}.{next(_number):06}"
        name = f"events.out.tfevents.{int(time.time()):010}.{socket.gethostname()}.{number}.scram"
        self.path = os.path.join(directory, name)
        self._file: Any = tf.io.gfile.GFile(self.path, "wb") if remote else open(self.path, "wb")  # noqa: SIM115
        self.add(event_pb2.Event(wall_time=began or time.time(), file_version="brain.Event:2"))
        self.flush()

    def add(self, event: event_pb2.Event) -> None:
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, _checksum(length), data, _checksum(data))))

    def flush(self) -> None:
        self._file.flush()
        # an open file can be written to after it was removed, and nobody would ever see that
        if "://" not in self.path and not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path} was removed while it was written")

    def close(self) -> None:
        self._file.close()


def _checksum(data: bytes) -> bytes:
    """CRC-32C, masked as TensorFlow does it (`tensorflow/tsl/lib/hash/crc32c.h`)."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
