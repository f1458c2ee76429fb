"""Facts of a data set as a whole, read from the iterator of a `DataLoader`."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch
from torch.utils.data import RandomSampler, SequentialSampler, Subset, TensorDataset, WeightedRandomSampler

from scram_plugin.training.labels import class_counts
from scram_plugin.training.torch import patches, statistics
from scram_plugin.training.torch.graph import Loss

FEWEST_ALIKE = 4  # examples with the same inputs; by definition
MOST_LABELS = 50_000_000
ROUNDED = 1e-3  # difference from 1 of the sum of shares, as one-hot labels and smoothed ones have; by definition


class LoaderPass:
    """One pass over a `DataLoader`, read from its iterator: the data set, and how it is sampled."""

    def __init__(self, iterator: Any) -> None:
        self.dataset = getattr(iterator, "_dataset", None)
        self.batches = getattr(iterator, "_index_sampler", None)
        self.iterator = weakref.ref(iterator)

    @staticmethod
    def begins(iterator: Any) -> bool:
        """Whether the iterator has just returned its first batch."""
        return getattr(iterator, "_num_yielded", 0) == 1

    def same(self, other: LoaderPass | None) -> bool:
        """Whether both come from the same loader."""
        return other is not None and self.batches is not None and self.batches is other.batches

    def of_same_data(self, other: LoaderPass | None) -> bool:
        """Whether both are passes over the same data set."""
        return other is not None and (self.same(other) or (self.dataset is not None and self.dataset is other.dataset))

    def facts(self) -> dict[str, Any]:
        """``batch_size``, ``steps``, ``samples`` and ``shuffle`` of one epoch; what cannot be known is left out."""
        found: dict[str, Any] = {"batch_size": getattr(self.batches, "batch_size", None)}
        found["steps"], found["samples"] = _length(self.batches), _length(self.dataset)
        sampler: Any = getattr(self.batches, "sampler", self.batches)
        if isinstance(sampler, RandomSampler | WeightedRandomSampler):
            found["shuffle"] = True
        elif isinstance(sampler, SequentialSampler):
            found["shuffle"] = False
        elif hasattr(sampler, "shuffle"):  # a DistributedSampler
            found["shuffle"] = bool(sampler.shuffle)
        return {key: value for key, value in found.items() if value is not None}

    def data(self, labelled: bool) -> dict[str, Any]:
        """``samples``; if `labelled`, and labels are in memory, also their ``counts`` and ``changes`` (see `class_counts`)."""
        samples = _length(self.dataset)
        found: dict[str, Any] = {} if samples is None else {"samples": samples}
        if (kept := _kept(self.dataset, samples)) is not None:
            found["kept"] = kept
        labels = _labels(self.dataset) if labelled else None
        if labels is None or labels.size == 0 or labels.size > MOST_LABELS or labels.dtype.kind not in "iufb":
            return found
        single = labels.ndim == 1 or labels.shape[1:] == (1,)
        return {**found, **class_counts(labels.reshape(-1))} if single else found


def are_labels(given: torch.Tensor | None, losses: list[Loss]) -> bool:
    """Whether the second part of a loader's batches is the target of the loss; True if that cannot be known.

    A target with one number per class, a share of each, may stand for a label. The pixels of an image do not.
    """
    seen = losses[0].target if len(losses) == 1 else None
    if given is None or seen is None:
        return True
    if seen.numel() == given.numel():
        return bool(torch.equal(seen.flatten().double().cpu(), given.flatten().double().cpu()))
    if seen.dim() != 2 or len(seen) != len(given):
        return False
    return bool(((seen.double().sum(dim=1) - 1).abs() < ROUNDED).all())


def _length(thing: Any) -> int | None:
    try:
        return len(thing)
    except (TypeError, NotImplementedError):  # a stream without a length
        return None


def _kept(dataset: Any, samples: int | None) -> int | None:
    """The rows of an array of a data set that has more of them than the data set has examples, and as many columns as that."""
    held = getattr(dataset, "__dict__", {}).values()
    shapes = [a.shape for a in held if isinstance(a, np.ndarray) or (isinstance(a, torch.Tensor) and not a.is_nested)]
    return next((shape[0] for shape in shapes if samples and len(shape) > 1 and shape[0] > samples == shape[-1]), None)


def _labels(dataset: Any) -> np.ndarray | None:
    """The labels of a data set that keeps them in one array: a `TensorDataset`, or one with `targets`, as in torchvision."""
    if isinstance(dataset, Subset):
        whole = _labels(dataset.dataset)
        return whole[np.asarray(dataset.indices)] if whole is not None else None
    if isinstance(dataset, TensorDataset):
        return dataset.tensors[-1].detach().cpu().numpy() if len(dataset.tensors) > 1 else None
    labels = getattr(dataset, "targets", None)
    if isinstance(labels, torch.Tensor):
        return np.asarray(labels.cpu().numpy())
    return np.asarray(labels) if isinstance(labels, list | np.ndarray) and len(labels) and np.ndim(labels[0]) == 0 else None


def targets(losses: list[Loss], x: statistics.Tensors) -> statistics.Tensors:
    """The targets that the losses used; if they are unknown, the second part of the loader's batch. `x`: inputs by name."""
    y = [loss.target for loss in losses if loss.target is not None and loss.target.numel()]
    given = patches.last_labels()
    if not y and x and given is not None and given.dim() and len(given) == len(x[0][1]):
        y = [given]
    return [(f"y{i}", target) for i, target in enumerate(y)]


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor can be cut and compared as an array."""
    return tensor.layout == torch.strided and not tensor.is_nested


def alike(x: statistics.Tensors, target: torch.Tensor | None) -> int:
    """How many examples a batch has, if all of them have the same inputs and not the same target; or 0."""
    given = [tensor for _, tensor in x if tensor.dim()]
    if target is None or not target.dim() or not given or not all(map(is_plain, (target, *given))):
        return 0
    rows = len(target)
    if rows < FEWEST_ALIKE or any(len(t) != rows for t in given):
        return 0
    if any(t.dim() > target.dim() > 1 and t.shape[:2] == target.shape[:2] for t in given) or target.dim() == given[0].dim() > 2:
        return 0  # the first axis may be that of time
    same = all(torch.equal(t, t[:1].expand_as(t)) for t in given)
    return rows if same and not torch.equal(target, target[:1].expand_as(target)) else 0
