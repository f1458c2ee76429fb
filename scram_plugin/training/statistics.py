"""Raw statistics of batches, as pure functions of arrays (any backend of Keras): lists of (names, values).

Of each entry, `values` is a scalar where `names` is a text, and a vector of the same length where it is a list of texts.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from scram_plugin.schema import MAX_CHANNELS

Named = list[tuple[str | list[str], Any]]

MAX_TENSORS = 8  # inputs, targets or outputs of one model that are measured; further ones are left out


def as_numbers(tensor: Any) -> Any | None:
    """`tensor` as dense float32; None if it holds no numbers (strings), or is ragged, sparse or empty of dimensions."""
    dtype = getattr(tensor, "dtype", None)
    name = getattr(dtype, "name", str(dtype)).rpartition(".")[2]
    if not name.startswith(("float", "bfloat", "int", "uint", "bool")) or not hasattr(tensor, "shape"):
        return None
    if type(tensor).__name__ in ("RaggedTensor", "SparseTensor", "IndexedSlices") or len(tensor.shape) == 0:
        return None
    return ops.cast(tensor, "float32")


def mean(name: str, tensor: Any) -> Named:
    """What is taken of every batch: one pass and nothing allocated. It is not finite if any value is not."""
    return [(f"{name}/mean", ops.mean(tensor))]


def bounds(name: str, tensor: Any) -> Named:
    """Smallest and largest value; of targets in every batch, since a single label out of range ruins a loss."""
    return [(f"{name}/min", ops.min(tensor)), (f"{name}/max", ops.max(tensor))]


def summary(name: str, tensor: Any) -> Named:
    """min, max, mean, std, fraction of zeros and number of non-finite values over all of a tensor, shape (batch, ...).

    Where the last of at least two axes has at most 64 entries, also min, max, mean and std of each of them (channels).
    """
    everything = [
        *bounds(name, tensor),
        *mean(name, tensor),
        (f"{name}/std", ops.std(tensor)),
        (f"{name}/zero", ops.mean(ops.cast(ops.equal(tensor, 0.0), "float32"))),
        (f"{name}/nonfinite", ops.sum(ops.cast(ops.logical_not(ops.isfinite(tensor)), "float32"))),
    ]
    channels = tensor.shape[-1] if len(tensor.shape) > 1 else None
    if channels is None or not 1 < channels <= MAX_CHANNELS:
        return everything
    axes = tuple(range(len(tensor.shape) - 1))
    for statistic, function in (("min", ops.min), ("max", ops.max), ("mean", ops.mean), ("std", ops.std)):
        everything.append(([f"{name}/{statistic}/{channel}" for channel in range(channels)], function(tensor, axis=axes)))
    return everything


def label_counts(name: str, labels: Any, classes: int) -> Named:
    """How many labels of a batch belong to each class, and how many to none; `labels` has shape (batch,) or (batch, 1)."""
    flat = ops.reshape(labels, (-1, 1))
    each = ops.sum(ops.cast(ops.equal(flat, ops.arange(classes, dtype="float32")), "float32"), axis=0)
    other = ops.cast(ops.shape(flat)[0], "float32") - ops.sum(each)
    return [([f"{name}/count/{label}" for label in range(classes)], each), (f"{name}/count/other", other)]


def flatten(statistics: Named) -> tuple[tuple[str, ...], Any]:
    """All names, and all values as one float32 vector."""
    names: list[str] = []
    for name, _ in statistics:
        names += [name] if isinstance(name, str) else name
    return tuple(names), ops.concatenate([ops.reshape(ops.cast(values, "float32"), (-1,)) for _, values in statistics])
