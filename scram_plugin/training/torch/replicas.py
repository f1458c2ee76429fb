"""One training in several processes (`torch.distributed`): each rank records its part of a batch, and rank 0 writes for all.

The other ranks put their rows into the store of the process group. Unlike in a collective operation, no rank waits for another.
If a rank does not record, or has ended, only the statistics of its part are missing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from scram_plugin import schema
from scram_plugin.training.merging import merge
from scram_plugin.training.sampling import Thinning
from scram_plugin.training.summary_writer import SummaryWriter

PATIENCE = 10.0  # seconds that rank 0 waits for other ranks to report, and at the end for their last rows
HELLO = b"hello"
SENT = "sent"  # the key of the number of messages
MERGED = (schema.BATCHES, schema.STATISTICS)
MOST_PENDING = 4096  # steps that may wait for a rank that lags behind
_watches = 0  # in this process so far; the n-th watch of one rank belongs to the n-th of every other


def writer(log_dir: str, on_error: Callable[[Exception], None]) -> SummaryWriter:
    """The writer of this process: on rank 0 one that merges the rows of all ranks, on others one that sends them to rank 0.

    Without other ranks it is the usual writer.
    """
    global _watches
    _watches += 1
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return SummaryWriter(log_dir, lambda: None, on_error)
    try:
        store = distributed.distributed_c10d._get_default_store()
    except (AttributeError, RuntimeError):  # a version of PyTorch that has it elsewhere
        store = None
    rank, size, name = distributed.get_rank(), distributed.get_world_size(), f"scram/{_watches}"
    if rank > 0:
        return Teller(store, f"{name}/{rank}", on_error)
    if store is None:
        return SummaryWriter(log_dir, lambda: None, on_error)
    return Merger(log_dir, on_error, store, [f"{name}/{other}" for other in range(1, size)])


def replicas() -> int:
    """How many processes train together."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def first() -> bool:
    """Whether this process is rank 0, or the only one."""
    return replicas() == 1 or torch.distributed.get_rank() == 0


class Teller(SummaryWriter):
    """The writer of the other ranks: sends the rows of this rank to rank 0, and writes nothing itself."""

    def __init__(self, store: Any, name: str, on_error: Callable[[Exception], None]) -> None:
        self._store, self._name, self._on_error = store, name, on_error
        self._count = 0
        self._tell(HELLO)

    def scalars(self, *_: Any) -> None: ...

    def text(self, *_: Any) -> None: ...

    def flush(self, timeout: float = 0.0) -> None: ...

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        steps: np.ndarray,
        wall_times: np.ndarray,
        values: np.ndarray | list[Any],
        thinning: Thinning | None = None,
    ) -> None:
        if self._store is None or table not in (*MERGED, schema.ORIGIN) or not len(steps):
            return
        matrix = np.stack([np.asarray(v, np.float32) for v in values])
        held = io.BytesIO()
        np.savez(held, table=table, columns=np.array(columns), steps=steps, times=wall_times, values=matrix)
        self._tell(held.getvalue())

    def stop(self, error: Exception) -> None:
        self.close()

    def close(self) -> None:
        self._tell(b"")
        self._store = None

    def _tell(self, message: bytes) -> None:
        if self._store is None:
            return
        try:
            self._store.set(f"{self._name}/{self._count}", message)
            self._count += 1
            self._store.add(f"{self._name}/{SENT}", 1)
        except Exception as error:  # rank 0 has ended
            self._store = None
            self._on_error(error)


class Merger(SummaryWriter):
    """The writer of rank 0: writes the merged row of a step once all ranks have sent theirs."""

    def __init__(self, log_dir: str, on_error: Callable[[Exception], None], store: Any, names: list[str]) -> None:
        super().__init__(log_dir, lambda: None, on_error)
        self._store = store
        self._heard = dict.fromkeys(names, 0)  # name of another rank -> number of its messages so far
        self._rows: dict[tuple[str, int], dict[str, tuple[tuple[str, ...], float, np.ndarray]]] = {}
        self._thinnings: dict[tuple[str, ...], Thinning | None] = {}
        self._known: set[str] = set()  # ranks that record
        self._ended: set[str] = set()
        self._begun = time.monotonic()

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        steps: np.ndarray,
        wall_times: np.ndarray,
        values: np.ndarray | list[Any],
        thinning: Thinning | None = None,
    ) -> None:
        if table not in MERGED:
            super().rows(table, columns, steps, wall_times, values, thinning)
            return
        self._thinnings[tuple(columns)] = thinning
        self._take("", table, tuple(columns), steps, wall_times, values)
        self._listen()
        self._write(len(self._rows) > MOST_PENDING)

    def flush(self, timeout: float = 10.0) -> None:
        self._listen()
        self._write(False)
        super().flush(timeout)

    def close(self) -> None:
        until = time.monotonic() + PATIENCE
        while self._awaited() and time.monotonic() < until:
            self._listen()
            time.sleep(0.02)
        self._write(True)
        super().close()

    def _listen(self) -> None:
        for name in self._heard:
            while name not in self._ended:
                key = f"{name}/{self._heard[name]}"
                try:
                    if self._heard[name] >= self._store.add(f"{name}/{SENT}", 0):  # older versions of PyTorch have no `check`
                        break
                    message = self._store.get(key)
                    self._store.delete_key(key)
                except Exception:  # the store ended with its process
                    self._ended.add(name)
                    break
                self._heard[name] += 1
                if not message:
                    self._ended.add(name)
                    break
                self._known.add(name)
                if message == HELLO:
                    continue
                told = np.load(io.BytesIO(message))
                table, columns = str(told["table"]), tuple(str(c) for c in told["columns"])
                if table == schema.ORIGIN:
                    super().rows(table, columns, told["steps"], told["times"], told["values"])
                else:
                    self._take(name, table, columns, told["steps"], told["times"], told["values"])

    def _awaited(self) -> set[str]:
        """The ranks that may still send rows; after `PATIENCE` seconds only those that have sent a message."""
        names = self._known if time.monotonic() > self._begun + PATIENCE else set(self._heard)
        return names - self._ended

    def _take(self, name: str, table: str, columns: tuple[str, ...], steps: np.ndarray, times: np.ndarray, values: Any) -> None:
        for step, when, row in zip(steps.tolist(), times.tolist(), values, strict=True):
            self._rows.setdefault((table, step), {})[name] = columns, when, np.asarray(row, np.float32)

    def _write(self, whatever: bool) -> None:
        """Write the steps whose rows all ranks have sent, in order; `whatever`: also steps for which rows are missing."""
        awaited = self._awaited()
        for table in MERGED:
            ready = []
            for step in sorted(step for of, step in self._rows if of == table):
                told = self._rows[table, step]
                if "" not in told or (awaited - set(told) and not whatever):
                    if not whatever:
                        break
                    continue
                ready.append(step)
            self._put_together(table, ready)

    def _put_together(self, table: str, steps: list[int]) -> None:
        """Write the merged rows of these steps, in blocks with the same columns."""
        block: list[tuple[int, float, np.ndarray]] = []
        of_block: tuple[str, ...] = ()
        for step in [*steps, None]:
            told = self._rows.pop((table, step)) if step is not None else {}
            columns, when, _ = told.get("", ((), 0.0, None))
            if block and columns != of_block:
                numbers, times, rows = zip(*block, strict=True)
                thinning = self._thinnings.get(of_block)
                super().rows(table, of_block, np.array(numbers), np.array(times), np.stack(rows), thinning)
                block = []
            if step is not None:
                of_block = columns
                alike = [row for names, _, row in told.values() if names == columns]
                block.append((step, when, merge(columns, np.stack(alike))))
