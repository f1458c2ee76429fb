"""Writes one event file: TFRecord frames, on any file system that TensorBoard can write to."""

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


class EventWriter:
    """A new event file in `directory`, which is created if it does not exist.

    `began` is the wall time of the first event (seconds since 1970), if the event is older than the file. Raises OSError, or
    an error of TensorFlow for a remote file system.

    `tensorboard.summary.writer` is not used: its errors occur in a thread of its own, and its checksums are slow Python code.
    """

    def __init__(self, directory: str, began: float | None = None) -> None:
        remote = "://" in directory
        if remote:  # imported only when needed: importing TensorFlow takes seconds
            from tensorboard.compat import tf

            tf.io.gfile.makedirs(directory)
        else:
            os.makedirs(directory, exist_ok=True)
        # readers sort the files of a directory by name, so the names must sort in the order of creation
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
        """Write what is buffered. Raises FileNotFoundError if the file was removed."""
        self._file.flush()
        # writing to an open file succeeds even after it was removed, so the data would be lost silently
        if "://" not in self.path and not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path} was removed while SCRAM was writing to it")

    def close(self) -> None:
        self._file.close()


def _checksum(data: bytes) -> bytes:
    """CRC-32C of `data`, masked as in TensorFlow (`tensorflow/tsl/lib/hash/crc32c.h`)."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
