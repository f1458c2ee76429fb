"""A file beside a log that has the settings of the training: ``args.yaml``, ``hparams.yaml``, ``.hydra/config.yaml``, ..."""

from __future__ import annotations

import hashlib
import itertools
import os
from typing import BinaryIO

from scram_plugin.logs.configs import LARGEST_TEXT, Garbled, of_json, of_yaml
from scram_plugin.logs.event_file import PointBuffer
from scram_plugin.logs.other_settings import told
from scram_plugin.logs.parsed import Own
from scram_plugin.logs.streams import checksum, read_all, written_at

_STEMS = (
    "args",
    "hparams",
    "hyperparams",
    "hyperparameters",
    "config",
    "params",
    "opt",
    "hyp",
    "training_args",
    "flags",
    "agent",
)
_NAMES = frozenset(stem + end for stem, end in itertools.product(_STEMS, (".yaml", ".yml", ".json")))
HYDRA = ".hydra"  # the directory, in that of a job, into which Hydra writes its configuration
OF_FILES = 1  # rank: what an event file says comes before


def has_settings(name: str) -> bool:
    """Whether a file of this name has settings."""
    return name.lower() in _NAMES


class SettingsFile:
    """What was read of one such file: the same as an `EventFile` to those who ask, without a point."""

    waits = False  # a file that changes is read again

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path)
        inside = os.path.basename(os.path.dirname(path))
        self._source = f"{HYDRA}/{self.name}" if inside == HYDRA else self.name
        self.scalars: dict[str, PointBuffer] = {}
        self.own = Own()
        self.offset, self.size = 0, 0  # bytes read, and of the file
        self.last_wall_time = 0.0
        self.problem: str | None = None
        self.unreadable: str | None = None
        self._seen = b""

    def forget(self) -> None:
        """Nothing: there are no points."""

    def take(self, again: SettingsFile) -> None:
        """Nothing: there are no points."""

    def same(self, stream: BinaryIO) -> bool:
        """Whether the file still begins with what was read."""
        stream.seek(0)
        return not self.offset or checksum(stream, self.offset) == self._seen

    def read(self, stream: BinaryIO, size: int) -> bool:
        """Read the whole file, which has `size` bytes now. Returns whether it was read; what is broken costs a note."""
        self.size, self.offset, self.own, self.problem = size, 0, Own(), None
        if size > LARGEST_TEXT:
            self.problem = f"it is longer than {LARGEST_TEXT >> 20:,} MiB: too long for settings"
            return False
        stream.seek(0)
        data = read_all(stream, size)
        self.offset, self._seen = len(data), hashlib.sha256(data).digest()
        try:
            text = data.decode("utf-8-sig", "replace")
            pairs = of_json(text) if self.name.lower().endswith(".json") else of_yaml(text)
            self.own.settings.append(told(written_at(stream), OF_FILES, self._source, pairs))
        except Garbled as reason:
            self.own.remark(f"its settings were not read: {reason}")
        return True
