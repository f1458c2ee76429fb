"""Raw statistics of PyTorch tensors: pairs of names and 0-dimensional tensors (or vectors) that stay on their device.

The columns are those of `training/keras/statistics.py`; `schema.py` explains them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scram_plugin.schema import MAX_CHANNELS, column, column_of
from scram_plugin.training.structures import leaves

Named = list[tuple[str | list[str], torch.Tensor]]
Tensors = list[tuple[str, torch.Tensor]]

MAX_TENSORS = 8  # so many inputs, targets and outputs each are measured, at most; further ones are left out
MAX_VALUES = 1 << 16  # values of a layer's output that are measured, of the first examples; their mean is accurate to 1 %
MAX_SPREAD = 1 << 18  # values of a batch of validation data that are measured, of examples that are evenly spread
MAX_SAMPLED = 1 << 14  # values of a large variable, drawn once, on which its update is measured, accurate to 1 %
SATURATED = 0.97  # share of the way to a bound; there the slope of tanh is 6 % of its maximum


def numbers(prefix: str, structure: Any) -> Tensors:
    """The dense tensors of a structure that hold numbers, detached, named ``x0``, ``x1``, ..."""
    found = []
    for i, leaf in enumerate(leaves(structure)[:MAX_TENSORS]):
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided and leaf.dim() and leaf.numel() and _plain(leaf):
            found.append((f"{prefix}{i}", local(leaf.detach())))
    return found


def _plain(tensor: torch.Tensor) -> bool:
    return not (tensor.is_complex() or tensor.is_quantized or tensor.is_nested or tensor.device.type == "meta")


def local(tensor: Any) -> Any:
    """The part of a sharded tensor (FSDP's parameters) that this process has; another tensor as it is.

    To gather the others' parts every process would have to ask at the same moment.
    """
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def nonfinite(tensor: torch.Tensor) -> torch.Tensor:
    """How many values are NaN or infinite."""
    return (tensor.numel() - torch.isfinite(tensor).sum()).float()


def _nonfinite(tensor: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """The same, where the standard deviation is known: if it is finite, so are all values. Elsewhere that would wait."""
    known = tensor.device.type == "cpu" and math.isfinite(float(deviation))
    return torch.zeros(()) if known else nonfinite(tensor)


def summary(name: str, tensor: torch.Tensor) -> Named:
    """min, max, mean, std, share of zeros and number of non-finite values of a tensor, shape (batch, ...).

    If there are 2 to 64 channels, also min, max, mean and std of each. Channels are the last axis of two or three, and the
    second of four or more, as in PyTorch's images.
    """
    values = tensor.float()
    axis = 1 if tensor.dim() >= 4 else -1
    channels = tensor.shape[axis] if tensor.dim() > 1 else 1
    apart = channels if 1 < channels <= MAX_CHANNELS else 0
    rows = values.movedim(axis, -1).reshape(-1, apart) if apart else values.reshape(-1, 1)
    low, high = torch.aminmax(rows, dim=0)
    variance, means = torch.var_mean(rows, dim=0, correction=0)
    overall = means.mean()
    everything: Named = [
        (column(name, None, "min"), low.min()),
        (column(name, None, "max"), high.max()),
        (column(name, None, "mean"), overall),
        (column(name, None, "std"), (variance + (means - overall).square()).mean().sqrt()),
        (column(name, None, "zero"), (values == 0).float().mean()),
        (column(name, None, "nonfinite"), nonfinite(values)),
    ]
    if apart:
        for statistic, found in (("min", low), ("max", high), ("mean", means), ("std", variance.sqrt())):
            everything.append(([column(name, None, statistic, str(channel)) for channel in range(apart)], found))
    return everything


def label_counts(name: str, labels: torch.Tensor, classes: int) -> Named:
    """How many labels of a batch, shape (batch,) or (batch, 1), belong to each class, and how many to none."""
    flat = labels.reshape(-1, 1).float()
    each = (flat == torch.arange(classes, device=flat.device)).sum(dim=0).float()
    return [
        ([column(name, None, "count", str(label)) for label in range(classes)], each),
        (column(name, None, "count", "other"), flat.shape[0] - each.sum()),
    ]


def tensors(x: Tensors, y: Tensors, y_pred: Tensors) -> Named:
    """Summaries of inputs, targets and outputs, and how many examples are labelled, and predicted, as each class."""
    found: Named = []
    for name, tensor in [*x, *y, *y_pred]:
        found += summary(name, tensor)
    for (name, labels), (prediction, outputs) in zip(y, y_pred, strict=False):
        classes = outputs.shape[-1] if outputs.dim() == 2 else 0
        if not 1 < classes <= MAX_CHANNELS:
            continue
        if labels.dim() == 1 or labels.shape[-1] == 1:
            found += label_counts(name, labels, classes)
        elif labels.shape[-1] == classes:
            found += label_counts(name, labels.argmax(dim=-1), classes)
        found += label_counts(prediction, outputs.argmax(dim=-1), classes)
    return found


def spread(named: Tensors) -> Tensors:
    """Every second, third, ... example of each tensor, so that there are about `MAX_SPREAD` values; at least one of each."""
    return [(name, t[:: min(-(-t.numel() // MAX_SPREAD), len(t))]) for name, t in named]


def first_examples(tensor: torch.Tensor) -> torch.Tensor:
    """The first examples of a layer's output, shape (batch, ...): at most `MAX_VALUES` values, but at least one example."""
    each = tensor.numel() // max(tensor.shape[0], 1)
    return tensor[: max(MAX_VALUES // max(each, 1), 1)]


ACTIVATED = {"relu": torch.relu, "relu6": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def activation(path: str, output: torch.Tensor, kind: str | None) -> Named:
    """Mean, standard deviation and number of non-finite values of one layer's output, after its activation `kind`.

    For ReLU also the share of zeros; for tanh and sigmoid also the share that is `saturated`: within 3 % of a bound.
    """
    deviation, middle = torch.std_mean(output, correction=0)
    found: Named = [
        (column("layer", path, "mean"), middle),
        (column("layer", path, "std"), deviation),
        (column("layer", path, "nonfinite"), _nonfinite(output, deviation)),
    ]
    if kind in ("relu", "relu6"):
        found.append((column("layer", path, "zero"), (output == 0).float().mean()))
    elif kind == "tanh":
        found.append((column("layer", path, "saturated"), (output.abs() > SATURATED).float().mean()))
    elif kind == "sigmoid":
        found.append((column("layer", path, "saturated"), ((output - 0.5).abs() > SATURATED / 2).float().mean()))
    return found


def active_units(output: torch.Tensor) -> torch.Tensor:
    """Whether each unit (entry of the last axis; of images the second) is nonzero for any example or position."""
    axis = 1 if output.dim() >= 4 else output.dim() - 1
    return (output != 0).movedim(axis, -1).reshape(-1, output.shape[axis]).any(dim=0)


def sampled(variable: torch.Tensor) -> torch.Tensor:
    """A flat copy of a variable; of a larger one `MAX_SAMPLED` values, drawn at random, but always the same."""
    flat = variable.detach().reshape(-1)
    if flat.numel() <= MAX_SAMPLED:
        return flat.float() if flat.dtype != torch.float32 else flat.clone()
    return flat[_drawn(flat.numel(), str(flat.device))].float()


@functools.lru_cache(maxsize=64)
def _drawn(size: int, device: str) -> torch.Tensor:
    return torch.from_numpy(np.sort(np.random.default_rng(0).choice(size, MAX_SAMPLED, replace=False))).to(device)


def changes(
    names: Sequence[str], gradients: torch.Tensor, variables: Sequence[torch.Tensor], before: Sequence[torch.Tensor]
) -> Named:
    """The gradient norm, the weight norm after the step, and the update norm of each variable.

    `gradients` are the gradient norms, shape (variables,); `before` are the `sampled` variables before the step.
    """
    if not names:
        return []
    weights = norms(variables)
    moved = [sampled(v) - old for v, old in zip(variables, before, strict=True)]
    shares = torch.tensor([old.numel() / max(v.numel(), 1) for v, old in zip(variables, before, strict=True)])
    updates = norms(moved) / shares.sqrt().to(weights.device)
    kinds = (("gradient", gradients), ("weight", weights), ("update", updates))
    return [([column(kind, name, "norm") for name in names], values) for kind, values in kinds]


def norms(tensors: Sequence[torch.Tensor], order: float = 2.0) -> torch.Tensor:
    """The norm of each tensor, Euclidean or of another order, shape (tensors,), on the device of the first."""
    whole = [t.detach() if t.dtype == torch.float32 else t.detach().float() for t in tensors]
    found = torch._foreach_norm(whole, order)
    return torch.stack([norm.to(found[0].device) for norm in found])


def flaws(named: Sequence[tuple[str, torch.Tensor]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns, and counts (float32) of the NaN and the infinite values of each tensor; tensors of one name are added up."""
    found: dict[str, float] = {}
    for name, value in named:
        for kind, which in (("nan", torch.isnan), ("infinite", torch.isinf)):
            key = column_of(name, kind)
            found[key] = found.get(key, 0.0) + float(which(value).sum())
    return tuple(found), np.array(list(found.values()), np.float32)


def flatten(statistics: Named) -> tuple[tuple[str, ...], torch.Tensor]:
    """All names, and all values as one float32 vector, shape (names,)."""
    names: list[str] = []
    for name, _ in statistics:
        names += [name] if isinstance(name, str) else name
    parts = [values.reshape(-1).float() for _, values in statistics]
    device = parts[0].device if parts else torch.device("cpu")
    return tuple(names), torch.cat([part.to(device) for part in parts]) if parts else torch.zeros(0)
