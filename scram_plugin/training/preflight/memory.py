"""Measures how much memory a training step needs with small batches, and extrapolates to larger ones."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from scram_plugin.training.preflight.subject import Batch

MIB = 1 << 20
WARM = 2  # examples of the first steps, which also allocate memory that stays
ROUNDS = 4  # steps of each size; after the first ones a framework may not have allocated all that it keeps
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # constants of malloc.h


def probe(
    step: Callable[[Batch], Any], held: Callable[[], int], batch: Batch, size: int, budget: float | None = None
) -> dict[str, Any]:
    """The peak memory (MiB) of a training with batches of `size` examples, extrapolated by a line through smaller batches.

    `step` runs one training step; `held` returns the bytes of the weights and the optimizer state. `budget` is in MiB; None
    stands for the available memory of the device or this machine. Call it before anything larger was computed, since an
    allocator may keep memory that it once had. Raises OSError if the memory in use cannot be read.
    """
    small, larger = max(size // 4, 1), max(size // 2, 2)
    measured = peaks(step, held, batch, (small, larger))
    least = held() / MIB
    slope = max((measured[larger] - measured[small]) / (larger - small), 0.0)
    fixed = measured[larger] - slope * larger
    if fixed < least:  # random variation must not count as memory that grows with the batch
        sizes = np.array(list(measured), float)
        fixed, slope = least, float(sizes @ (np.array(list(measured.values())) - least) / (sizes @ sizes))
    available, what = (budget, "budget") if budget is not None else _available()
    if available is not None and budget is None:
        available += least  # which is in use already
    found: dict[str, Any] = {
        "batch_size": size,
        "measured": [[n, round(value, 1)] for n, value in measured.items()],
        "held": round(least, 1),
        "fixed": round(fixed, 1),
        "per_example": slope,
        "peak": round(fixed + slope * size, 1),
        "available": round(available, 1) if available is not None else None,
        "of": what,
    }
    if available is not None and slope > 0.0:
        found["largest"] = int(max((available - fixed) / slope, 0.0))
    return found


def peaks(step: Callable[[Batch], Any], held: Callable[[], int], batch: Batch, sizes: Sequence[int]) -> dict[int, float]:
    """Batch size (examples), ascending -> peak memory (MiB) of a training with such batches.

    It is the memory of the weights and the optimizer state, plus the increase during a step over the level after the first
    steps.
    """
    with _returned_at_once():
        for _ in range(ROUNDS):
            step(_of(batch, WARM))
        gc.collect()
        level = _Level()
        found = {}
        for size in sizes:
            for _ in range(ROUNDS):
                step(_of(batch, size))
            found[size] = held() / MIB + level.peak()
        return found


def _of(batch: Batch, size: int) -> Batch:
    """A batch of so many examples, repeated as often as necessary."""
    return batch.at(np.resize(np.arange(len(batch)), size))


@contextlib.contextmanager
def _returned_at_once() -> Iterator[None]:
    """Let the allocator take blocks above 128 KiB from the system, and return them as soon as they are freed.

    glibc raises this threshold during use, up to 32 MiB. Tensors below it then share a fragmented heap, which is larger than
    the memory in use by up to a third, and varies from run to run.
    """
    libc = ctypes.CDLL(None)
    if _cuda() is not None or not hasattr(libc, "mallopt"):
        yield
        return
    try:
        libc.mallopt(M_MMAP_THRESHOLD, 128 << 10)
        yield
    finally:  # the values at which glibc's own adjustment ends
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


class _Level:
    """Measures how far the memory in use rises above its present level, in MiB."""

    def __init__(self) -> None:
        self._device = _cuda()
        if self._device is not None:
            self._device.reset_peak_memory_stats()
            self._before = self._device.memory_allocated() / MIB
            return
        with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc
            ctypes.CDLL(None).malloc_trim(0)  # memory that the allocator keeps for later is not in use
        self._before = _status("VmRSS")
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # resets the high-water mark

    def peak(self) -> float:
        """The highest level since then, minus the first one (MiB)."""
        now = self._device.max_memory_allocated() / MIB if self._device is not None else _status("VmHWM")
        return float(max(now - self._before, 0.0))


def _status(name: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return float(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}")


def _available() -> tuple[float | None, str]:
    """The memory that is still available (MiB; None if not known), and where: "device" or "machine"."""
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
