"""Raw statistics as pure functions of arrays (any backend of Keras): lists of (names, values).

In each entry, `values` is a scalar if `names` is one text, and a vector of the same length if it is a list of texts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from scram_plugin.schema import MAX_CHANNELS, column, column_of
from scram_plugin.training.structures import leaves

Named = list[tuple[str | list[str], Any]]
Tensors = list[tuple[str, Any]]  # (name, array of numbers)

MAX_TENSORS = 8  # so many inputs, targets and outputs each are measured, at most; further ones are left out
# Of a layer's output about so many values are measured, at most: those of the first examples of the batch. A convolution's
# output can have millions of values, and the mean of so many is accurate to 1 %.
MAX_VALUES = 1 << 16
# The update of a variable is measured on so many of its values, at most, drawn once at random. It needs a copy from before the
# step, and the norm of so many values is accurate to 1 %.
MAX_SAMPLED = 1 << 14
MAX_PROBED = 1 << 16  # after every batch, variables up to this size are probed as a whole, larger ones by a row and a column
SATURATED = 0.97  # share of the way to a bound; there the slope of tanh is 6 % of its maximum (1 - 0.97 squared)


def as_numbers(tensor: Any) -> Any | None:
    """`tensor` as dense float32; None if it holds no numbers (strings, for example), or is ragged, sparse or a scalar."""
    dtype = getattr(tensor, "dtype", None)
    name = getattr(dtype, "name", str(dtype)).rpartition(".")[2]
    if not name.startswith(("float", "bfloat", "int", "uint", "bool")) or not hasattr(tensor, "shape"):
        return None
    if type(tensor).__name__ in ("RaggedTensor", "SparseTensor", "IndexedSlices") or not axes(tensor):
        return None
    return ops.cast(tensor, "float32")


def axes(tensor: Any) -> int | None:
    """How many axes a tensor has; None if that is not known, or it is none."""
    shape = getattr(tensor, "shape", None)
    return None if shape is None or getattr(shape, "rank", 0) is None else len(shape)


def count(where: Any) -> Any:
    """How many values of a boolean tensor are true."""
    return ops.sum(ops.cast(where, "float32"))


def flawed(named: Tensors, totals: Named) -> Named:
    """How many values of each tensor are not finite; a `counts` for `in_depth` that counts in any case."""
    return [(name, nonfinite(tensor)) for name, tensor in named]


def bounds(name: str, tensor: Any) -> Named:
    """Smallest and largest value. Targets need them in every batch, since a single label out of range spoils the loss."""
    return [(column(name, None, "min"), ops.min(tensor)), (column(name, None, "max"), ops.max(tensor))]


def nonfinite(tensor: Any) -> Any:
    """How many values are NaN or infinite."""
    return ops.cast(ops.size(tensor), "float32") - count(ops.isfinite(tensor))


def summary(name: str, tensor: Any) -> Named:
    """min, max, mean, std, share of zeros and number of non-finite values of a tensor, shape (batch, ...).

    If it has at least two axes, and the last one has 2 to 64 entries (channels), also min, max, mean and std of each channel.
    """
    channels = tensor.shape[-1] if len(tensor.shape) > 1 else None
    apart = channels if channels is not None and 1 < channels <= MAX_CHANNELS else 0
    rows = ops.reshape(tensor, (-1, apart or 1))
    low, high, mean = ops.min(rows, axis=0), ops.max(rows, axis=0), ops.mean(rows, axis=0)
    variance = ops.mean(ops.square(rows - mean), axis=0)
    overall = ops.mean(mean)
    size = ops.cast(ops.size(tensor), "float32")
    everything: Named = [
        (column(name, None, "min"), ops.min(low)),
        (column(name, None, "max"), ops.max(high)),
        (column(name, None, "mean"), overall),
        (column(name, None, "std"), ops.sqrt(ops.mean(variance + ops.square(mean - overall)))),
        (column(name, None, "zero"), count(ops.equal(tensor, 0.0)) / size),
        (column(name, None, "nonfinite"), nonfinite(tensor)),
    ]
    if apart:
        for statistic, values in (("min", low), ("max", high), ("mean", mean), ("std", ops.sqrt(variance))):
            everything.append(([column(name, None, statistic, str(channel)) for channel in range(apart)], values))
    return everything


def label_counts(name: str, labels: Any, classes: int) -> Named:
    """How many labels of a batch belong to each class, and how many to none; `labels` has shape (batch,) or (batch, 1)."""
    flat = ops.reshape(labels, (-1, 1))
    each = ops.sum(ops.cast(ops.equal(flat, ops.arange(classes, dtype="float32")), "float32"), axis=0)
    other = ops.cast(ops.shape(flat)[0], "float32") - ops.sum(each)
    return [
        ([column(name, None, "count", str(label)) for label in range(classes)], each),
        (column(name, None, "count", "other"), other),
    ]


def first_examples(tensor: Any) -> Any:
    """The first examples of a layer's output, shape (batch, ...): at most `MAX_VALUES` values, but at least one example."""
    shape = tensor.shape[1:]
    if len(tensor.shape) < 2 or any(size is None for size in shape):
        return tensor
    return tensor[: max(MAX_VALUES // max(math.prod(shape), 1), 1)]


def activations(named: Tensors, kinds: Mapping[str, str | None]) -> Named:
    """Mean and standard deviation of each layer's output; `kinds` names its activation.

    For "relu" also the share of zeros; for "tanh" and "sigmoid" also the share that is `saturated`: within 3 % of a bound.
    """
    if not named:
        return []
    names = [name for name, _ in named]
    means = ops.stack([ops.mean(output) for _, output in named])
    squares = ops.stack([ops.mean(ops.square(output)) for _, output in named])
    deviations = ops.sqrt(ops.maximum(squares - ops.square(means), 0.0))
    found: Named = [
        ([column("layer", name, "mean") for name in names], means),
        ([column("layer", name, "std") for name in names], deviations),
    ]
    for name, output in named:
        kind, size = kinds.get(name), ops.cast(ops.size(output), "float32")
        if kind in ("relu", "relu6"):
            found.append((column("layer", name, "zero"), count(ops.equal(output, 0.0)) / size))
        elif kind == "tanh":
            found.append((column("layer", name, "saturated"), count(ops.greater(ops.abs(output), SATURATED)) / size))
        elif kind in ("sigmoid", "hard_sigmoid"):
            found.append((column("layer", name, "saturated"), count(ops.greater(ops.abs(output - 0.5), SATURATED / 2)) / size))
    return found


def in_depth(
    outputs: Mapping[str, Any],
    kinds: Mapping[str, str | None],
    changed: list[tuple[str, Any, Any, Any]],
    counts: Callable[[Tensors, Named], Named],
) -> tuple[Named, dict[str, Any]]:
    """Statistics of each layer's output and each trained variable (see `activations`, `changes`), and the active ReLU units.

    The units are path -> bool, shape (units,). `counts(tensors, totals)` counts the non-finite values of each tensor.
    """
    detail = activations(list(outputs.items()), kinds) + changes(changed)
    looked_at = [(column("layer", path, "nonfinite"), output) for path, output in outputs.items()]
    looked_at += [(column("gradient", name, "nonfinite"), gradient) for name, gradient, _, _ in changed]
    looked_at += [(column("weight", name, "nonfinite"), new) for name, _, _, new in changed]
    detail += counts(looked_at, detail)
    rectified = {path: output for path, output in outputs.items() if kinds.get(path) in ("relu", "relu6")}
    active = {p: active_units(o) for p, o in rectified.items() if len(o.shape) > 1 and o.shape[-1] is not None}
    return detail, active


def active_units(output: Any) -> Any:
    """Whether the output of each unit (entry of the last axis) is nonzero for some example or position; shape (units,)."""
    return ops.any(ops.not_equal(output, 0.0), axis=tuple(range(len(output.shape) - 1)))


def numbers(prefix: str, structure: Any) -> Tensors:
    """The numeric tensors of a structure as float32, with their names: ``x0``, ``x1``."""
    flat = leaves(structure)[:MAX_TENSORS] if structure is not None else []
    found = ((f"{prefix}{i}", as_numbers(tensor)) for i, tensor in enumerate(flat))
    return [(name, tensor) for name, tensor in found if tensor is not None]


def of_step(x: Any, y: Any, y_pred: Any) -> dict[str, Tensors]:
    """The numeric tensors that go into a step and come out of it, under ``x``, ``y`` and ``y_pred``."""
    return {name: numbers(name, structure) for name, structure in (("x", x), ("y", y), ("y_pred", y_pred))}


def row(loss: Any, step: Mapping[str, Tensors], variables: list[Any]) -> Named:
    """What is recorded of every step (see `of_step`): loss, means, bounds of the targets, probe of the weights after it."""
    found: Named = [("loss", loss)] if loss is not None else []
    for name, tensor in (*step["x"], *step["y"], *step["y_pred"]):
        found.append((column(name, None, "mean"), ops.mean(tensor)))
    for name, tensor in step["y"]:
        found += bounds(name, tensor)
    return [*found, ("weights/probe", probe(variables))] if variables else found


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


def sampled(variable: Any) -> Any:
    """The values of a variable; of a larger one `MAX_SAMPLED` values, drawn at random, but always the same."""
    size = math.prod(variable.shape)
    if size <= MAX_SAMPLED:
        return variable
    return ops.take(ops.reshape(variable, (-1,)), _drawn(size))


def sampled_shape(variable: Any) -> tuple[int, ...]:
    """The shape of what `sampled` gives."""
    return tuple(variable.shape) if math.prod(variable.shape) <= MAX_SAMPLED else (MAX_SAMPLED,)


@functools.lru_cache(maxsize=64)
def _drawn(size: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(size, MAX_SAMPLED, replace=False)).astype("int32")


def changes(named: list[tuple[str, Any, Any, Any]]) -> Named:
    """The gradient norm, the weight norm after the step, and the update norm of each variable.

    An entry is (name, gradient or its magnitudes, `sampled` variable before the step, variable after it). A norm is infinite
    where its square exceeds float32.
    """
    if not named:
        return []
    squares = []
    for _, gradient, old, new in named:
        some = sampled(new)
        share = math.prod(some.shape) / max(math.prod(new.shape), 1)
        squares += [ops.sum(ops.square(gradient)), ops.sum(ops.square(new))]
        squares.append(ops.sum(ops.square(some - ops.cast(old, "float32"))) / share)
    kinds = ("gradient", "weight", "update")
    return [([column(kind, name, "norm") for name, _, _, _ in named for kind in kinds], ops.sqrt(ops.stack(squares)))]


def flaws(named: Sequence[tuple[str, np.ndarray]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns, and counts (float32) of the NaN and the infinite values of each array; arrays of one name are added up."""
    found: dict[str, float] = {}
    for name, value in named:
        for kind, which in (("nan", np.isnan), ("infinite", np.isinf)):
            key = column_of(name, kind)
            found[key] = found.get(key, 0.0) + float(np.count_nonzero(which(np.asarray(value, np.float32))))
    return tuple(found), np.array(list(found.values()), np.float32)


def probe(variables: list[Any]) -> Any:
    """A scalar that is not finite if a gradient was not: the sum of the variables, or of parts of them.

    The first column and the first row suffice for a kernel, shape (inputs, units). Its gradient is a sum of products of inputs
    and output gradients. NaN in one input makes a whole row NaN, which shows in the first column. NaN in the output gradient of
    one unit makes a whole column NaN, which shows in the first row.
    """
    parts = []
    for variable in variables:
        whole = len(variable.shape) < 2 or math.prod(variable.shape) <= MAX_PROBED
        parts += [ops.sum(part) for part in ([variable] if whole else [variable[..., 0, :], variable[..., 0]])]
    return ops.sum(ops.stack([ops.cast(part, "float32") for part in parts]))


def flatten(statistics: Named) -> tuple[tuple[str, ...], Any]:
    """All names, and all values as one float32 vector, shape (names,)."""
    names: list[str] = []
    for name, _ in statistics:
        names += [name] if isinstance(name, str) else name
    return tuple(names), ops.concatenate([ops.reshape(ops.cast(values, "float32"), (-1,)) for _, values in statistics])
