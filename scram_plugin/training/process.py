"""Measures what the training uses: time, memory of the process, and memory of an accelerator where it can be read."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections import deque
from typing import Any

import numpy as np

MIB = 1 << 20


class Clock:
    """Durations of steps, and of waits for data, in seconds."""

    def __init__(self) -> None:
        self.waits: deque[float] = deque(maxlen=1024)  # seconds that the training waited for each batch
        self._last = math.nan  # end of the last batch that was written, seconds since 1970

    def row(self, times: list[float]) -> dict[str, float]:
        """A row of the table ``process``, column -> value, for batches that ended at these times (seconds since 1970)."""
        row = memory()
        between = np.diff([self._last, *times])
        if np.isfinite(between).any():
            row["step_seconds"] = float(np.nanmedian(between))
        if self.waits:
            row["wait_seconds"] = float(np.median(self.waits))
            self.waits.clear()
        if times:
            self._last = times[-1]
        return row


def memory() -> dict[str, float]:
    """MiB in use now: ``memory`` (resident, of the process), ``device_memory`` and ``device_peak`` (of the first GPU).

    What cannot be read is left out.
    """
    found = {}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            found["memory"] = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    with contextlib.suppress(Exception):  # a device that does not report its memory
        if (tf := sys.modules.get("tensorflow")) is not None and tf.config.list_logical_devices("GPU"):
            info: dict[str, Any] = tf.config.experimental.get_memory_info("GPU:0")
            found["device_memory"], found["device_peak"] = info["current"] / MIB, info["peak"] / MIB
        elif (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
            found["device_memory"] = torch.cuda.memory_allocated() / MIB
            found["device_peak"] = torch.cuda.max_memory_allocated() / MIB
    return found
