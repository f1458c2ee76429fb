"""Writes event files: TFRecord frames, on any file system that TensorBoard can write to."""

from __future__ import annotations

import contextlib
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
        self.path = os.path.join(directory, _file_name())
        self._whole = self._added = 0  # bytes that are on the disk for sure, and that were added
        self._file: Any = tf.io.gfile.GFile(self.path, "wb") if remote else open(self.path, "wb")  # noqa: SIM115
        try:
            self.add(_version(began or time.time()))
            self.flush()
        except BaseException:
            self.cut()
            raise

    def add(self, event: event_pb2.Event) -> None:
        data = _record(event)
        self._added += len(data)
        self._file.write(data)

    def flush(self) -> None:
        """Write what is buffered. Raises FileNotFoundError if the file was removed."""
        self._file.flush()
        # writing to an open file succeeds even after it was removed, so the data would be lost silently
        if "://" not in self.path and not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path} was removed while SCRAM was writing to it")
        self._whole = self._added

    def close(self) -> None:
        self._file.close()

    def cut(self) -> None:
        """Close a file that could not be written to, without the record that did not fit; never raises."""
        with contextlib.suppress(Exception):  # it tries to write what is buffered, and is closed all the same
            self._file.close()
        with contextlib.suppress(OSError):  # of a remote file system, too, whose path is none here
            if self._whole:
                os.truncate(self.path, self._whole)
            else:
                os.remove(self.path)


class Reserve:
    """A small file that takes room on the disk from the start, so that one event can be written when the disk is full.

    It has no name that a reader knows until it is used. Nothing here raises: without it the event is lost.
    """

    SIZE = 4096  # bytes: a block of the usual file systems; by definition

    def __init__(self, directory: str) -> None:
        self._used = os.path.join(directory, _file_name())
        self._path = os.path.join(directory, f".{os.path.basename(self._used).replace('tfevents', 'reserve')}")
        if "://" in directory:
            return
        with contextlib.suppress(OSError), open(self._path, "xb") as file:
            file.write(b"\1" * self.SIZE)

    def use(self, event: event_pb2.Event) -> None:
        """Make it an event file with this event. It is written into its own room, and gets its name at last."""
        data = _record(_version(event.wall_time)) + _record(event)
        if len(data) > self.SIZE:
            return
        with contextlib.suppress(OSError):
            with open(self._path, "r+b") as file:
                file.write(data)
                file.truncate()
            os.rename(self._path, self._used)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            os.remove(self._path)


def _version(wall_time: float) -> event_pb2.Event:
    """The first event of a file."""
    return event_pb2.Event(wall_time=wall_time, file_version="brain.Event:2")


def _record(event: event_pb2.Event) -> bytes:
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return b"".join((length, _checksum(length), data, _checksum(data)))


def _file_name() -> str:
    # readers sort the files of a directory by name, so the names must sort in the order of creation
    number = f"{os.getpid()}.{next(_number):06}"
    return f"events.out.tfevents.{int(time.time()):010}.{socket.gethostname()}.{number}.scram"


def _checksum(data: bytes) -> bytes:
    """CRC-32C of `data`, masked as in TensorFlow (`tensorflow/tsl/lib/hash/crc32c.h`)."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
