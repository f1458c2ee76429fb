"""What the training takes of the machine: memory of the process, and of an accelerator where it can be read."""

from __future__ import annotations

import os
from typing import Any

MIB = 1 << 20


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
    try:
        import tensorflow as tf

        if tf.config.list_logical_devices("GPU"):
            info: dict[str, Any] = tf.config.experimental.get_memory_info("GPU:0")
            found["device_memory"], found["device_peak"] = info["current"] / MIB, info["peak"] / MIB
    except Exception:  # a device that does not tell
        pass
    return found
