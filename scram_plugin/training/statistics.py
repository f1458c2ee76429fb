"""Raw statistics as pure functions of arrays (any backend of Keras): lists of (names, values).

Of each entry, `values` is a scalar where `names` is a text, and a vector of the same length where it is a list of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from scram_plugin.schema import MAX_CHANNELS

Named = list[tuple[str | list[str], Any]]
Tensors = list[tuple[str, Any]]  # (name, array of numbers)

MAX_TENSORS = 8  # inputs, targets or outputs of one model that are measured; further ones are left out
# Of a layer's output at most about so many values are measured, those of the first examples of the batch: a mean over so many
# is exact to a percent, and a convolution's output can hold millions.
MAX_VALUES = 1 << 16
MAX_PROBED = 1 << 16  # variables up to this size are looked at as a whole after every batch, larger ones by a row and a column
SATURATED = 0.97  # of the way to a bound: there the slope of tanh is 6 % of its greatest (1 - 0.97 squared)


def as_numbers(tensor: Any) -> Any | None:
    """`tensor` as dense float32; None if it holds no numbers (strings), or is ragged, sparse or empty of dimensions."""
    dtype = getattr(tensor, "dtype", None)
    name = getattr(dtype, "name", str(dtype)).rpartition(".")[2]
    if not name.startswith(("float", "bfloat", "int", "uint", "bool")) or not hasattr(tensor, "shape"):
        return None
    if type(tensor).__name__ in ("RaggedTensor", "SparseTensor", "IndexedSlices") or len(tensor.shape) == 0:
        return None
    return ops.cast(tensor, "float32")


def count(where: Any) -> Any:
    """How many values of a boolean tensor are true."""
    return ops.sum(ops.cast(where, "float32"))


def moments(tensor: Any) -> tuple[Any, Any]:
    """Mean and standard deviation, of the differences to the first value, so that a large mean takes no digits away.

    Neither is finite if any value is not.
    """
    flat = ops.reshape(tensor, (-1,))
    shifted = flat - flat[0]
    mean = ops.mean(shifted)
    return flat[0] + mean, ops.sqrt(ops.maximum(ops.mean(ops.square(shifted)) - ops.square(mean), 0.0))


def norm(tensor: Any) -> Any:
    """The Euclidean norm; infinite where its square is beyond float32."""
    return ops.sqrt(ops.sum(ops.square(tensor)))


def nonfinite(tensor: Any) -> Any:
    return count(ops.logical_not(ops.isfinite(tensor)))


def bounds(name: str, tensor: Any) -> Named:
    """Smallest and largest value; of targets in every batch, since a single label out of range ruins a loss."""
    return [(f"{name}/min", ops.min(tensor)), (f"{name}/max", ops.max(tensor))]


def summary(name: str, tensor: Any) -> Named:
    """min, max, mean, std, fraction of zeros and number of non-finite values over all of a tensor, shape (batch, ...).

    Where the last of at least two axes has at most 64 entries, also min, max, mean and std of each of them (channels).
    """
    mean, std = moments(tensor)
    everything = [
        *bounds(name, tensor),
        (f"{name}/mean", mean),
        (f"{name}/std", std),
        (f"{name}/zero", count(ops.equal(tensor, 0.0)) / ops.cast(ops.size(tensor), "float32")),
        (f"{name}/nonfinite", nonfinite(tensor)),
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


def first_examples(tensor: Any) -> Any:
    """The first examples of a layer's output, shape (batch, ...): `MAX_VALUES` values of it, and at least one example."""
    shape = tensor.shape[1:]
    if len(tensor.shape) < 2 or any(size is None for size in shape):
        return tensor
    size = 1
    for length in shape:
        size *= int(length)
    return tensor[: max(MAX_VALUES // max(size, 1), 1)]


def activation(name: str, output: Any, kind: str | None) -> Named:
    """mean, std and fraction of zeros of a layer's output; of a bounded activation ("tanh", "sigmoid") also how much of it
    is `saturated`: within 3 % of a bound."""
    size = ops.cast(ops.size(output), "float32")
    mean, std = moments(output)
    statistics: Named = [(f"{name}/mean", mean), (f"{name}/std", std), (f"{name}/nonfinite", nonfinite(output))]
    if kind in ("relu", "relu6"):
        statistics.append((f"{name}/zero", count(ops.equal(output, 0.0)) / size))
    elif kind == "tanh":
        statistics.append((f"{name}/saturated", count(ops.greater(ops.abs(output), SATURATED)) / size))
    elif kind in ("sigmoid", "hard_sigmoid"):
        statistics.append((f"{name}/saturated", count(ops.greater(ops.abs(output - 0.5), SATURATED / 2)) / size))
    return statistics


def active_units(output: Any) -> Any:
    """Of each unit (entry of the last axis), whether its output is not 0 for any example or place; shape (units,)."""
    return ops.any(ops.not_equal(output, 0.0), axis=tuple(range(len(output.shape) - 1)))


def tensors(x: Tensors, y: Tensors, y_pred: Tensors) -> Named:
    """Summaries of inputs, targets and outputs, and how many examples are labelled, and predicted, as each class."""
    found: Named = []
    for name, tensor in [*x, *y, *y_pred]:
        found += summary(name, tensor)
    for (name, labels), (prediction, outputs) in zip(y, y_pred, strict=False):
        classes = outputs.shape[-1] if len(outputs.shape) == 2 else None
        if classes is None or not 1 < classes <= MAX_CHANNELS:
            continue
        if len(labels.shape) == 1 or labels.shape[-1] == 1:
            found += label_counts(name, labels, classes)
        elif labels.shape[-1] == classes:
            found += label_counts(name, ops.cast(ops.argmax(labels, axis=-1), "float32"), classes)
        found += label_counts(prediction, ops.cast(ops.argmax(outputs, axis=-1), "float32"), classes)
    return found


def change(name: str, gradient: Any | None, old: Any, new: Any) -> Named:
    """Of one variable in one step: norm of its gradient (or of its magnitudes), of itself after the step, and of the change."""
    found: Named = []
    if gradient is not None:
        found += [(f"gradient/{name}/norm", norm(gradient)), (f"gradient/{name}/nonfinite", nonfinite(gradient))]
    found += [(f"weight/{name}/norm", norm(new)), (f"weight/{name}/nonfinite", nonfinite(new))]
    return [*found, (f"update/{name}/norm", norm(new - old))]


def flaws(named: Sequence[tuple[str, np.ndarray]]) -> tuple[tuple[str, ...], np.ndarray]:
    """How many values of each array are NaN, and how many infinite; arrays of the same name are taken together."""
    found: dict[str, float] = {}
    for name, value in named:
        for kind, which in (("nan", np.isnan), ("infinite", np.isinf)):
            key = f"{name}/{kind}"
            found[key] = found.get(key, 0.0) + float(np.count_nonzero(which(np.asarray(value, np.float32))))
    return tuple(found), np.array(list(found.values()), np.float32)


def probe(variables: list[Any]) -> Any:
    """A sum of values of each variable, among which there is one that is not finite as soon as a gradient was not.

    A gradient of a kernel is a sum of products of what comes in with what flows back. NaN in one input makes NaN of all that
    it is multiplied with, so that it shows in the first column; NaN in what flows back to one unit shows in the first row.
    """
    parts = []
    for variable in variables:
        whole = len(variable.shape) < 2 or _size(variable) <= MAX_PROBED
        parts += [ops.sum(part) for part in ([variable] if whole else [variable[..., 0, :], variable[..., 0]])]
    return ops.sum(ops.stack([ops.cast(part, "float32") for part in parts]))


def _size(tensor: Any) -> int:
    size = 1
    for length in tensor.shape:
        size *= int(length)
    return size


def flatten(statistics: Named) -> tuple[tuple[str, ...], Any]:
    """All names, and all values as one float32 vector."""
    names: list[str] = []
    for name, _ in statistics:
        names += [name] if isinstance(name, str) else name
    return tuple(names), ops.concatenate([ops.reshape(ops.cast(values, "float32"), (-1,)) for _, values in statistics])
