"""Event files for tests, written byte by byte or by TensorBoard's own writer."""

import struct
from pathlib import Path

import google_crc32c
import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def payloads(data):
    """The records of an event file."""
    found, at = [], 0
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 12 : at + 12 + length])
        at += length + 16
    return found


def event(step: int, wall_time: float = 0.0, **values: float) -> event_pb2.Event:
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=t, simple_value=v) for t, v in values.items()])
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def tensor_event(step: int, tag: str, tensor: tensor_pb2.TensorProto, wall_time: float = 0.0, plugin: str = "scalars"):
    value = summary_pb2.Summary.Value(tag=tag, tensor=tensor)
    value.metadata.plugin_data.plugin_name = plugin
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary_pb2.Summary(value=[value]))


ENCODINGS = {
    "float content": (types_pb2.DT_FLOAT, "tensor_content", np.float32),
    "float list": (types_pb2.DT_FLOAT, "float_val", np.float32),
    "double content": (types_pb2.DT_DOUBLE, "tensor_content", np.float64),
    "double list": (types_pb2.DT_DOUBLE, "double_val", np.float64),
    "half content": (types_pb2.DT_HALF, "tensor_content", np.float16),
    "half list": (types_pb2.DT_HALF, "half_val", np.float16),
    "bfloat16 content": (types_pb2.DT_BFLOAT16, "tensor_content", np.float32),
    "bfloat16 list": (types_pb2.DT_BFLOAT16, "half_val", np.float32),
    "int32 content": (types_pb2.DT_INT32, "tensor_content", np.int32),
    "int32 list": (types_pb2.DT_INT32, "int_val", np.int32),
    "int64 content": (types_pb2.DT_INT64, "tensor_content", np.int64),
    "int64 list": (types_pb2.DT_INT64, "int64_val", np.int64),
    "uint8 list": (types_pb2.DT_UINT8, "int_val", np.uint8),
    "uint8 content": (types_pb2.DT_UINT8, "tensor_content", np.uint8),
    "int8 content": (types_pb2.DT_INT8, "tensor_content", np.int8),
    "int16 content": (types_pb2.DT_INT16, "tensor_content", np.int16),
    "uint16 content": (types_pb2.DT_UINT16, "tensor_content", np.uint16),
    "uint32 content": (types_pb2.DT_UINT32, "tensor_content", np.uint32),
    "uint64 content": (types_pb2.DT_UINT64, "tensor_content", np.uint64),
}


def scalar_tensor(encoding: str, value: float) -> tensor_pb2.TensorProto:
    dtype, field, kind = ENCODINGS[encoding]
    tensor = tensor_pb2.TensorProto(dtype=dtype, tensor_shape=tensor_shape_pb2.TensorShapeProto())
    number = kind(value)
    if dtype == types_pb2.DT_BFLOAT16:
        number = np.uint16(int(number.view(np.uint32)) >> 16)  # the upper half; the values of the tests lose nothing by it
    if field == "tensor_content":
        tensor.tensor_content = number.tobytes()
    elif field == "half_val":
        tensor.half_val.append(int(number.view(np.uint16)))
    else:
        getattr(tensor, field).append(number.item())
    return tensor


def write(path: Path, events, version: bool = True) -> Path:
    """An event file with these events at `path`; its directory is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = [event_pb2.Event(wall_time=1.0, file_version="brain.Event:2")] if version else []
    path.write_bytes(b"".join(record(e.SerializeToString()) for e in [*first, *events]))
    return path


def curve(directory: Path, tag: str, values, first_step: int = 0, wall_time: float = 1.6e9) -> Path:
    """One tag over consecutive steps, a second apart, in a new file of `directory`."""
    number = len(list(directory.glob("*tfevents*"))) if directory.exists() else 0
    events = [event(first_step + i, wall_time + i, **{tag: float(v)}) for i, v in enumerate(values)]
    return write(directory / f"events.out.tfevents.{1000 + number}.host", events)
