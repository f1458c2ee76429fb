"""The runs of a proof, kept in the log directory, with what came of it in the logs of the program as it is."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.event_writer import EventWriter

SEED = ", seed "  # in the names of runs, before the number


def keep(home: Path, logs: Mapping[str, Path], bases: Sequence[str], tried: Sequence[Mapping[str, Any]]) -> None:
    """Put the logs below `home`, by their names, instead of those of an earlier proof.

    `bases`: the names of the runs of the program as it is. `tried`: what came of each fix (see `schema.py`).
    """
    home.mkdir(parents=True, exist_ok=True)
    ready = Path(tempfile.mkdtemp(dir=home, prefix=".new-"))  # complete before an earlier proof is removed
    try:
        for name, log in logs.items():
            if any(log.iterdir()):
                shutil.copytree(log, ready / name)
                if tried and name in bases:
                    _tell(ready / name / schema.RUN, {"tried": list(tried)})
        for old in home.iterdir():
            if old.is_dir() and _is_ours(old):
                shutil.rmtree(old)
        for log in ready.iterdir():
            log.rename(home / log.name)
    finally:
        shutil.rmtree(ready, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether a proof made this directory: by its name, and by what is in it."""
    return SEED in folder.name and all(
        entry.name in (schema.RUN, "train", "validation", "eval", "test") for entry in folder.iterdir()
    )


def _tell(directory: Path, content: Mapping[str, Any]) -> None:
    summary = summary_pb2.Summary()
    metadata = summary_pb2.SummaryMetadata(data_class=summary_pb2.DATA_CLASS_TENSOR)
    metadata.plugin_data.plugin_name = schema.PLUGIN_NAME
    metadata.plugin_data.content = json.dumps({"version": schema.VERSION}).encode()
    text = json.dumps(content, allow_nan=False).encode()
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape={}, string_val=[text])
    summary.value.add(tag=schema.PROOF_TAG, tensor=tensor, metadata=metadata)
    writer = EventWriter(str(directory))
    writer.add(event_pb2.Event(wall_time=time.time(), summary=summary))
    writer.close()
