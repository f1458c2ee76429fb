"""Raw statistics as pure functions of arrays (any backend of Keras): lists of (names, values).

Of each entry, `values` is a scalar where `names` is a text, and a vector of the same length where it is a list of texts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from scram_plugin.schema import MAX_CHANNELS
from scram_plugin.training.structures import leaves

Named = list[tuple[str | list[str], Any]]
Tensors = list[tuple[str, Any]]  # (name, array of numbers)

MAX_TENSORS = 8  # inputs, targets or outputs of one model that are measured; further ones are left out
# Of a layer's output at most about so many values are measured, those of the first examples of the batch: a mean over so many
# is exact to a percent, and a convolution's output can hold millions.
MAX_VALUES = 1 << 16
# The change of a variable is measured on at most so many of its values, drawn once: it needs a copy from before the step, and
# the norm of so many is exact to a percent.
MAX_SAMPLED = 1 << 14
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


def flawed(named: Tensors, totals: Named) -> Named:
    """How many values of each tensor are not finite; see `in_depth`."""
    return [(name, nonfinite(tensor)) for name, tensor in named]


def bounds(name: str, tensor: Any) -> Named:
    """Smallest and largest value; of targets in every batch, since a single label out of range ruins a loss."""
    return [(f"{name}/min", ops.min(tensor)), (f"{name}/max", ops.max(tensor))]


def nonfinite(tensor: Any) -> Any:
    return ops.cast(ops.size(tensor), "float32") - count(ops.isfinite(tensor))


def summary(name: str, tensor: Any) -> Named:
    """min, max, mean, std, fraction of zeros and number of non-finite values over all of a tensor, shape (batch, ...).

    Where the last of at least two axes has at most 64 entries, also min, max, mean and std of each of them (channels).
    """
    channels = tensor.shape[-1] if len(tensor.shape) > 1 else None
    apart = channels if channels is not None and 1 < channels <= MAX_CHANNELS else 0
    rows = ops.reshape(tensor, (-1, apart or 1))
    low, high, mean = ops.min(rows, axis=0), ops.max(rows, axis=0), ops.mean(rows, axis=0)
    variance = ops.mean(ops.square(rows - mean), axis=0)
    overall = ops.mean(mean)
    size = ops.cast(ops.size(tensor), "float32")
    everything: Named = [
        (f"{name}/min", ops.min(low)),
        (f"{name}/max", ops.max(high)),
        (f"{name}/mean", overall),
        (f"{name}/std", ops.sqrt(ops.mean(variance + ops.square(mean - overall)))),
        (f"{name}/zero", count(ops.equal(tensor, 0.0)) / size),
        (f"{name}/nonfinite", nonfinite(tensor)),
    ]
    if apart:
        for statistic, values in (("min", low), ("max", high), ("mean", mean), ("std", ops.sqrt(variance))):
            everything.append(([f"{name}/{statistic}/{channel}" for channel in range(apart)], values))
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
    return tensor[: max(MAX_VALUES // max(math.prod(shape), 1), 1)]


def activations(named: Tensors, kinds: Mapping[str, str | None]) -> Named:
    """Of each layer's output mean and standard deviation; by the kind of its activation ("relu", "tanh", "sigmoid") also the
    fraction of zeros, or how much of it is `saturated`: within 3 % of a bound."""
    if not named:
        return []
    names = [name for name, _ in named]
    means = ops.stack([ops.mean(output) for _, output in named])
    squares = ops.stack([ops.mean(ops.square(output)) for _, output in named])
    deviations = ops.sqrt(ops.maximum(squares - ops.square(means), 0.0))
    found: Named = [([f"layer/{name}/mean" for name in names], means), ([f"layer/{name}/std" for name in names], deviations)]
    for name, output in named:
        kind, size = kinds.get(name), ops.cast(ops.size(output), "float32")
        if kind in ("relu", "relu6"):
            found.append((f"layer/{name}/zero", count(ops.equal(output, 0.0)) / size))
        elif kind == "tanh":
            found.append((f"layer/{name}/saturated", count(ops.greater(ops.abs(output), SATURATED)) / size))
        elif kind in ("sigmoid", "hard_sigmoid"):
            found.append((f"layer/{name}/saturated", count(ops.greater(ops.abs(output - 0.5), SATURATED / 2)) / size))
    return found


def in_depth(
    outputs: Mapping[str, Any],
    kinds: Mapping[str, str | None],
    changed: list[tuple[str, Any, Any, Any]],
    counts: Callable[[Tensors, Named], Named],
) -> tuple[Named, dict[str, Any]]:
    """The statistics of each layer's output and of each trained variable (see `activations`, `changes`), and which units of
    layers with ReLU were active. `counts(tensors, totals)` gives how many values of each tensor are not finite."""
    detail = activations(list(outputs.items()), kinds) + changes(changed)
    looked_at = [(f"layer/{path}/nonfinite", output) for path, output in outputs.items()]
    looked_at += [(f"gradient/{name}/nonfinite", gradient) for name, gradient, _, _ in changed]
    looked_at += [(f"weight/{name}/nonfinite", new) for name, _, _, new in changed]
    detail += counts(looked_at, detail)
    rectified = {path: output for path, output in outputs.items() if kinds.get(path) in ("relu", "relu6")}
    active = {p: active_units(o) for p, o in rectified.items() if len(o.shape) > 1 and o.shape[-1] is not None}
    return detail, active


def active_units(output: Any) -> Any:
    """Of each unit (entry of the last axis), whether its output is not 0 for any example or place; shape (units,)."""
    return ops.any(ops.not_equal(output, 0.0), axis=tuple(range(len(output.shape) - 1)))


def numbers(prefix: str, structure: Any) -> Tensors:
    """The tensors of numbers in a structure, with their names: ``x0``, ``x1``."""
    flat = leaves(structure)[:MAX_TENSORS] if structure is not None else []
    found = ((f"{prefix}{i}", as_numbers(tensor)) for i, tensor in enumerate(flat))
    return [(name, tensor) for name, tensor in found if tensor is not None]


def of_step(x: Any, y: Any, y_pred: Any) -> dict[str, Tensors]:
    """The tensors of numbers that go into a step and come out of it, by ``x``, ``y`` and ``y_pred``."""
    return {name: numbers(name, structure) for name, structure in (("x", x), ("y", y), ("y_pred", y_pred))}


def row(loss: Any, step: Mapping[str, Tensors], variables: list[Any]) -> Named:
    """What is recorded of every step (`of_step`): the loss, means, bounds of the targets, the probe of the weights after it."""
    found: Named = [("loss", loss)] if loss is not None else []
    for name, tensor in (*step["x"], *step["y"], *step["y_pred"]):
        found.append((f"{name}/mean", ops.mean(tensor)))
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
    """The values of a variable, or `MAX_SAMPLED` of a larger one, always the same, drawn at random."""
    size = math.prod(variable.shape)
    if size <= MAX_SAMPLED:
        return variable
    return ops.take(ops.reshape(variable, (-1,)), _drawn(size))


@functools.lru_cache(maxsize=64)
def _drawn(size: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(size, MAX_SAMPLED, replace=False)).astype("int32")


def changes(named: list[tuple[str, Any, Any, Any]]) -> Named:
    """Of each (name, gradient or its magnitudes, `sampled` variable before the step, and the variable after): the norms of the
    gradient, of the variable after the step, and of the change; infinite where the square of one is beyond float32."""
    if not named:
        return []
    squares = []
    for _, gradient, old, new in named:
        some = sampled(new)
        share = math.prod(some.shape) / max(math.prod(new.shape), 1)
        squares += [ops.sum(ops.square(gradient)), ops.sum(ops.square(new))]
        squares.append(ops.sum(ops.square(some - ops.cast(old, "float32"))) / share)
    kinds = ("gradient", "weight", "update")
    return [([f"{kind}/{name}/norm" for name, _, _, _ in named for kind in kinds], ops.sqrt(ops.stack(squares)))]


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
        whole = len(variable.shape) < 2 or math.prod(variable.shape) <= MAX_PROBED
        parts += [ops.sum(part) for part in ([variable] if whole else [variable[..., 0, :], variable[..., 0]])]
    return ops.sum(ops.stack([ops.cast(part, "float32") for part in parts]))


def flatten(statistics: Named) -> tuple[tuple[str, ...], Any]:
    """All names, and all values as one float32 vector."""
    names: list[str] = []
    for name, _ in statistics:
        names += [name] if isinstance(name, str) else name
    return tuple(names), ops.concatenate([ops.reshape(ops.cast(values, "float32"), (-1,)) for _, values in statistics])
