"""How much memory a step takes, measured on small batches, and what it will be for larger ones."""

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
WARM = 2  # examples of the first step, in which much is made once
ROUNDS = 4  # steps of each size; in the first ones a framework may not have all that it keeps
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def probe(
    step: Callable[[Batch], Any], held: Callable[[], int], batch: Batch, size: int, budget: float | None = None
) -> dict[str, Any]:
    """The peak (MiB) of a training with batches of `size`, as a line through what smaller ones take.

    `step` makes one step of a training; `held` gives the bytes of weights and of what the optimiser keeps. `budget` is in MiB;
    None for what the device, or this machine, has. To be called before anything larger was computed, since an allocator may
    keep what it once had. Raises OSError where memory cannot be read.
    """
    small, larger = max(size // 4, 1), max(size // 2, 2)
    measured = peaks(step, held, batch, (small, larger))
    least = held() / MIB
    slope = max((measured[larger] - measured[small]) / (larger - small), 0.0)
    fixed = measured[larger] - slope * larger
    if fixed < least:  # what happened at random is no memory that grows with the batch
        sizes = np.array(list(measured), float)
        fixed, slope = least, float(sizes @ (np.array(list(measured.values())) - least) / (sizes @ sizes))
    available, what = (budget, "budget") if budget is not None else _available()
    if available is not None and budget is None:
        available += least  # which is there already
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
    """Number of examples, growing -> the most (MiB) that a training with such batches has in memory: weights, what the
    optimiser keeps, and by how much more a step takes at its peak than there was after the first one."""
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
    """A batch of so many examples, each as often as it takes."""
    return batch.at(np.resize(np.arange(len(batch)), size))


@contextlib.contextmanager
def _returned_at_once() -> Iterator[None]:
    """Whatever is larger than 128 KiB comes from the system, and goes back to it as soon as it is free.

    glibc's allocator raises its threshold for that with use, up to 32 MiB. Tensors below it then share a heap with holes, whose
    size is that of the memory in use and, from run to run, up to a third more.
    """
    libc = ctypes.CDLL(None)
    if _cuda() is not None or not hasattr(libc, "mallopt"):
        yield
        return
    try:
        libc.mallopt(M_MMAP_THRESHOLD, 128 << 10)
        yield
    finally:  # where the threshold, and twice of it, would end by themselves
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


class _Level:
    """The level of the memory in use as it is now, and the most above it since."""

    def __init__(self) -> None:
        self._device = _cuda()
        if self._device is not None:
            self._device.reset_peak_memory_stats()
            self._before = self._device.memory_allocated() / MIB
            return
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)  # what it keeps for later is not in use
        self._before = _status("VmRSS")
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the high-water mark begins anew

    def peak(self) -> float:
        now = self._device.max_memory_allocated() / MIB if self._device is not None else _status("VmHWM")
        return max(now - self._before, 0.0)


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
