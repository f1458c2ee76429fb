"""Writes statistics to event files in a background thread, so that it never blocks the training or raises into it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.event_writer import EventWriter, Reserve
from scram_plugin.training.gap import MOST_TRIES, PASSING, Gap, Paused
from scram_plugin.training.guarded import warn_of_gap
from scram_plugin.training.sampling import Thinning

_TYPES = {"float32": types_pb2.DT_FLOAT, "float64": types_pb2.DT_DOUBLE, "int64": types_pb2.DT_INT64}
IDLE_SECONDS = 5.0  # after so long without new data, `on_idle` is called and files are flushed


def directory(log_dir: str | os.PathLike[str]) -> str:
    """The path of a log directory. Raises TypeError for anything that is no path."""
    path = os.fspath(log_dir) if isinstance(log_dir, str | os.PathLike) else None
    if not isinstance(path, str):
        what = "None" if log_dir is None else f"of type {type(log_dir).__name__}"
        raise TypeError(f'log_dir is {what}: give the path of a directory, such as "logs/exp1"')
    return path


class SummaryWriter:
    """Writes into TensorBoard runs below `log_dir`. All methods except `flush` and `close` return at once.

    `on_idle` is called in the writer's thread after `IDLE_SECONDS` without new data. `on_error` is called once, with the first
    exception that does not pass; after it nothing more is written.

    An error that may pass, such as a full disk, makes a gap: what comes is left out, and from time to time, in the writer's
    thread, writing is tried again, into new files. The log tells of the gap (see `schema.py`), also while it lasts.
    """

    def __init__(self, log_dir: str, on_idle: Callable[[], None], on_error: Callable[[Exception], None]) -> None:
        self.log_dir, self._on_idle, self._on_error = log_dir, on_idle, on_error
        self._files: dict[str, EventWriter] = {}
        self._columns: dict[str, Sequence[str]] = {}
        self._queue: queue.Queue[Any] = queue.Queue()
        self._broken = False
        self._gap: Gap | None = None  # while nothing can be written
        self._warned = False
        self._tries = 0
        self._reserve: Reserve | None = None
        self._thread = threading.Thread(target=self._work, name="scram-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def scalars(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Write ordinary scalars in the form of TensorFlow 2, so that other tabs show them too."""
        summary = summary_pb2.Summary()
        for tag, value in values.items():
            metadata = summary_pb2.SummaryMetadata(data_class=summary_pb2.DATA_CLASS_SCALAR)
            metadata.plugin_data.plugin_name = "scalars"
            summary.value.add(tag=tag, tensor=_tensor(np.float32(value)), metadata=metadata)
        self._put(run, event_pb2.Event(wall_time=time.time(), step=step, summary=summary))

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        steps: np.ndarray,
        wall_times: np.ndarray,
        values: np.ndarray | list[Any],
        thinning: Thinning | None = None,
    ) -> None:
        """Write a block of rows of one of SCRAM's tables. Wall times are in seconds since 1970.

        `values` has shape (rows, columns), or is a list of vectors that may still be on the device. `thinning` decides, in the
        writer's thread, which rows are written.
        """
        if len(steps):
            self._queue.put((table, tuple(columns), np.asarray(steps), np.asarray(wall_times), values, thinning))

    def text(self, tag: str, text: str) -> None:
        """Write one of SCRAM's texts: the facts as JSON, or how the fit ended."""
        self._put(schema.RUN, _text(tag, text, time.time()))

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until everything so far is on disk, for `timeout` seconds at most."""
        done = threading.Event()
        self._queue.put(done)
        if self._thread.is_alive():
            done.wait(timeout)

    def stop(self, error: Exception) -> None:
        """Let the writer write the rest, and that `error` ended the recording, and end, without waiting for it.

        It may be called from the writer's own thread.
        """
        self._queue.put(error)
        self._queue.put(None)

    def close(self) -> None:
        """Write the rest and end; waits for that, for 10 seconds at most."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(10.0)

    def _put(self, run: str, event: event_pb2.Event) -> None:
        self._queue.put((run, event))

    def _work(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._guarded(self._on_idle)
                self._guarded(self._flush_files)
                continue
            if item is None:
                self._guarded(self._close_files, last=True)
                return
            if isinstance(item, threading.Event):
                self._guarded(self._flush_files)
                item.set()
            elif isinstance(item, Exception):
                self._guarded(partial(self._tell_of_stop, item), last=True)
            elif len(item) == 2:
                self._guarded(partial(self._write_event, *item), item)
            else:
                self._guarded(partial(self._write_rows, *item), item)

    def _guarded(self, action: Callable[[], None], item: Sequence[Any] = (), last: bool = False) -> None:
        """Do something, unless writing is not possible now. `item`: what it writes. `last`: nothing follows that can wait."""
        if self._broken:
            return
        try:
            if self._gap is not None:
                self._try_again(last)
            action()
        except Paused:
            assert self._gap is not None
            self._gap.without(item)
        except Exception as error:
            if not self._pause(error, item):
                self._broken = True
                self._cut_files()
                self._reserved(Gap(error))
                self._on_error(error)

    # ---- a gap, while nothing can be written

    def _pause(self, error: Exception, item: Sequence[Any]) -> bool:
        """Begin a gap, or go on with it. Returns False if there is nothing to wait for."""
        if not isinstance(error, OSError) or error.errno not in PASSING or self._tries >= MOST_TRIES:
            return False
        if self._gap is None:
            self._gap = Gap(error)
        self._gap.without(item)
        self._gap.put_off()
        self._cut_files()
        self._reserved(self._gap)
        if not self._warned:
            self._warned = True
            with contextlib.suppress(Warning):  # a program may have made it an exception
                warn_of_gap(error)
        return True

    def _try_again(self, last: bool) -> None:
        """Write of the gap into a new file, which shows whether there is room again. Raises `Paused` where it is too early."""
        assert self._gap is not None
        if time.monotonic() < self._gap.next and not last:
            raise Paused
        self._tries += 1
        file = self._file(schema.RUN, time.time())
        file.add(_text(schema.GAP_TAG, self._gap.as_json(time.time()), time.time()))
        for event in self._gap.texts.values():
            file.add(event)
        file.flush()
        self._gap = None

    def _tell_of_stop(self, error: Exception) -> None:
        self._write_event(schema.RUN, _text(schema.GAP_TAG, Gap(error).as_json(None), time.time()))
        self._flush_files()

    def _reserved(self, gap: Gap) -> None:
        """Tell of a gap that has no end yet, in the room that was kept for it."""
        if self._reserve is not None:
            self._reserve.use(_text(schema.GAP_TAG, gap.as_json(None), time.time()))
            self._reserve = None

    def _cut_files(self) -> None:
        """What could not be written cannot be written now, either; and what follows a torn record cannot be read."""
        for file in self._files.values():
            file.cut()
        self._files, self._columns = {}, {}

    # ---- writing

    def _write_event(self, run: str, event: event_pb2.Event) -> None:
        file = self._file(run, event.wall_time)
        file.add(event)
        file.flush()  # what is only buffered would be lost without a trace

    def _file(self, run: str, began: float) -> EventWriter:
        if run not in self._files:
            self._files[run] = EventWriter(os.path.join(self.log_dir, run), began)
            if run == schema.RUN and self._reserve is None:
                self._reserve = Reserve(os.path.join(self.log_dir, run))
        return self._files[run]

    def _write_rows(
        self,
        table: str,
        columns: tuple[str, ...],
        steps: np.ndarray,
        wall_times: np.ndarray,
        values: Any,
        thinning: Thinning | None,
    ) -> None:
        if thinning is not None:
            steps, wall_times, values = thinning.merge(columns, steps, wall_times, values)
        if not len(steps):
            return
        matrix = np.stack([np.asarray(v, np.float32) for v in values]) if isinstance(values, list) else values
        # column names are written only when they change, not with every block
        content = {"version": schema.VERSION}
        if self._columns.get(table) != columns:
            content["columns"] = columns  # type: ignore[assignment]
            self._columns[table] = columns
        event = event_pb2.Event(wall_time=float(wall_times[-1]), step=int(steps[-1]))
        for tag, array in (
            (schema.steps_tag(table), steps.astype(np.int64)),
            (schema.wall_times_tag(table), wall_times.astype(np.float64)),
            (schema.values_tag(table), np.asarray(matrix, np.float32)),
        ):
            own = content if tag == schema.values_tag(table) else {"version": schema.VERSION}
            event.summary.value.add(tag=tag, tensor=_tensor(array), metadata=_metadata(json.dumps(own).encode()))
        file = self._file(schema.RUN, event.wall_time)
        file.add(event)
        file.flush()

    def _flush_files(self) -> None:
        for file in self._files.values():
            file.flush()

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()
        if self._reserve is not None:
            self._reserve.remove()


def _text(tag: str, text: str, wall_time: float) -> event_pb2.Event:
    content = json.dumps({"version": schema.VERSION}).encode()
    summary = summary_pb2.Summary()
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape={}, string_val=[text.encode()])
    summary.value.add(tag=tag, tensor=tensor, metadata=_metadata(content))
    return event_pb2.Event(wall_time=wall_time, summary=summary)


def _tensor(values: np.ndarray | np.float32) -> tensor_pb2.TensorProto:
    """The message for an array. TensorBoard's own function imports all of its file systems, for a tenth of a second."""
    shape = {"dim": [{"size": size} for size in values.shape]}
    content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return tensor_pb2.TensorProto(dtype=_TYPES[values.dtype.name], tensor_shape=shape, tensor_content=content)


def _metadata(content: bytes) -> summary_pb2.SummaryMetadata:
    metadata = summary_pb2.SummaryMetadata(data_class=summary_pb2.DATA_CLASS_TENSOR)
    metadata.plugin_data.plugin_name = schema.PLUGIN_NAME
    metadata.plugin_data.content = content
    return metadata
