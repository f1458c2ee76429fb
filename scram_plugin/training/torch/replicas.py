"""One training in several processes (`torch.distributed`): each watches its part, and the first one writes for all.

The others put their rows into the store that the processes share. Nobody waits for anybody there, as in a collective: a process
that does not watch, or has died, costs the statistics of its part and nothing else.
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

PATIENCE = 10.0  # seconds within which another process says that it watches; and tells the rest, at the end
HELLO = b"hello"
MERGED = (schema.BATCHES, schema.STATISTICS)
MOST_PENDING = 4096  # steps that may wait for a process that lags behind
_watches = 0  # in this process, so far: the n-th of one is the n-th of all


def writer(log_dir: str, on_error: Callable[[Exception], None]) -> SummaryWriter:
    """What to write with: the usual writer, one that merges what all processes tell, or one that tells the first of them."""
    global _watches
    _watches += 1
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return SummaryWriter(log_dir, lambda: None, on_error)
    try:
        store = distributed.distributed_c10d._get_default_store()
    except (AttributeError, RuntimeError):  # a version that keeps it elsewhere
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
    return replicas() == 1 or torch.distributed.get_rank() == 0


class Teller(SummaryWriter):
    """In the place of a writer: tells the first process the rows of this one, and writes nothing."""

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

    def stop(self) -> None:
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
        except Exception as error:  # the first process has gone
            self._store = None
            self._on_error(error)


class Merger(SummaryWriter):
    """Writes each row when all processes have told theirs of the same step."""

    def __init__(self, log_dir: str, on_error: Callable[[Exception], None], store: Any, names: list[str]) -> None:
        super().__init__(log_dir, lambda: None, on_error)
        self._store = store
        self._heard = dict.fromkeys(names, 0)  # name of another process -> messages of it so far
        self._rows: dict[tuple[str, int], dict[str, tuple[tuple[str, ...], float, np.ndarray]]] = {}
        self._thinnings: dict[tuple[str, ...], Thinning | None] = {}
        self._known: set[str] = set()  # those that watch
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
                    if not self._store.check([key]):
                        break
                    message = self._store.get(key)
                    self._store.delete_key(key)
                except Exception:  # the store has gone with the process that had it
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
        """Those that may still tell something: after a while only who has said that it watches."""
        names = self._known if time.monotonic() > self._begun + PATIENCE else set(self._heard)
        return names - self._ended

    def _take(self, name: str, table: str, columns: tuple[str, ...], steps: np.ndarray, times: np.ndarray, values: Any) -> None:
        for step, when, row in zip(steps.tolist(), times.tolist(), values, strict=True):
            self._rows.setdefault((table, step), {})[name] = columns, when, np.asarray(row, np.float32)

    def _write(self, whatever: bool) -> None:
        """Write the steps that all have told of, in their order; `whatever`: also those that some have not."""
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
        """Blocks of rows with the same columns, merged."""
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
