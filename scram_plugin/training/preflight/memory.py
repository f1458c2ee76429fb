"""How much memory a step takes, measured on small batches, and what it will be for larger ones."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from scram_plugin.training.preflight.subject import Batch

MIB = 1 << 20
ROUNDS = 3  # steps of each size that are measured


def probe(step: Callable[[Batch], Any], batch: Batch, size: int, budget: float | None) -> dict[str, Any]:
    """The peak (MiB) of a training with batches of `size`, as a line through what smaller ones take.

    `step` makes one step of a training. `budget` is in MiB; None for what the device, or this machine, has. Raises OSError
    where memory cannot be read.
    """
    small, larger = max(size // 4, 1), max(size // 2, 2)
    measured = {n: growth(lambda n=n: step(_of(batch, n))) for n in (small, larger)}  # type: ignore[misc]
    slope = max((measured[larger] - measured[small]) / (larger - small), 0.0)
    fixed = max(measured[larger] - slope * larger, 0.0)
    available, what = (budget, "budget") if budget is not None else _available()
    found: dict[str, Any] = {
        "batch_size": size,
        "measured": [[n, round(value, 1)] for n, value in measured.items()],
        "fixed": round(fixed, 1),
        "per_example": slope,
        "peak": round(fixed + slope * size, 1),
        "available": round(available, 1) if available is not None else None,
        "of": what,
    }
    if available is not None and slope > 0.0:
        found["largest"] = int(max((available - fixed) / slope, 0.0))
    return found


def _of(batch: Batch, size: int) -> Batch:
    """A batch of so many examples, each as often as it takes."""
    return batch.at(np.resize(np.arange(len(batch)), size))


def growth(step: Callable[[], Any]) -> float:
    """By how much (MiB) the memory in use is larger, at its peak within a step, than before the step."""
    step()  # what is made once
    device = _cuda()
    peaks = []
    for _ in range(ROUNDS):
        gc.collect()
        if device is not None:
            device.reset_peak_memory_stats()
            before = device.memory_allocated()
            step()
            peaks.append((device.max_memory_allocated() - before) / MIB)
        else:
            _trim()
            with _Highest() as highest:
                step()
            peaks.append(highest.growth)
    return float(np.median(peaks))


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _trim() -> None:
    """Give back what the C library keeps for later, so that a step has to ask for it again."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class _Highest:
    """The most that the process had in memory within a block, beyond what it had before (MiB)."""

    def __enter__(self) -> _Highest:
        self.growth = 0.0
        self._before = _status("VmRSS")
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the high-water mark begins anew
        return self

    def __exit__(self, *_: object) -> None:
        self.growth = max(_status("VmHWM") - self._before, 0.0)


def _status(name: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return float(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}")


def _available() -> tuple[float | None, str]:
    """What there is for more (MiB), and of what."""
    device = _cuda()
    if device is not None:
        free, _ = device.mem_get_info()
        return (free + device.memory_reserved() - device.memory_allocated()) / MIB, "device"
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
        known = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in file if "kB" in line}
        left = known["MemAvailable"]
        for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as limit:
                left = min(left, float(limit.read()) / MIB - _status("VmRSS"))
        return left, "machine"
    return None, "machine"
