"""What a `DataLoader` tells of the data as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, Subset, TensorDataset, WeightedRandomSampler

MOST_CLASSES = 1_000
MOST_LABELS = 50_000_000


def loader_facts(loader: DataLoader[Any]) -> dict[str, Any]:
    """``batch_size``, ``steps``, ``samples`` and ``shuffle`` of one pass, without what cannot be known."""
    found: dict[str, Any] = {"batch_size": getattr(loader, "batch_size", None)}
    for key, thing in (("steps", loader), ("samples", loader.dataset)):
        try:
            found[key] = len(thing)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):  # a stream
            found[key] = None
    sampler: Any = getattr(loader, "sampler", None)
    if isinstance(sampler, RandomSampler | WeightedRandomSampler):
        found["shuffle"] = True
    elif isinstance(sampler, SequentialSampler):
        found["shuffle"] = False
    elif hasattr(sampler, "shuffle"):  # a DistributedSampler
        found["shuffle"] = bool(sampler.shuffle)
    return {key: value for key, value in found.items() if value is not None}


def data_facts(loader: DataLoader[Any]) -> dict[str, Any]:
    """``samples``, and of labels that lie in memory ``counts`` (of each class) and ``changes`` (between neighbours)."""
    try:
        found: dict[str, Any] = {"samples": len(loader.dataset)}  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return {}
    labels = _labels(loader.dataset)
    if labels is None or labels.size == 0 or labels.size > MOST_LABELS or labels.dtype.kind not in "iufb":
        return found
    labels = labels.reshape(-1) if labels.ndim == 1 or labels.shape[1:] == (1,) else np.zeros(0)
    whole = bool(labels.size and np.isfinite(labels).all() and (labels == np.round(labels)).all())
    if whole and labels.min() >= 0 and labels.max() < MOST_CLASSES:
        found["counts"] = np.bincount(labels.astype(np.int64)).tolist()
        found["changes"] = int(np.count_nonzero(labels[1:] != labels[:-1]))
    return found


def _labels(dataset: Any) -> np.ndarray | None:
    """The labels of a data set, where it keeps them as one array: `TensorDataset`, or `targets` as torchvision has them."""
    if isinstance(dataset, Subset):
        whole = _labels(dataset.dataset)
        return whole[np.asarray(dataset.indices)] if whole is not None else None
    if isinstance(dataset, TensorDataset):
        return dataset.tensors[-1].detach().cpu().numpy() if len(dataset.tensors) > 1 else None
    labels = getattr(dataset, "targets", None)
    if isinstance(labels, torch.Tensor):
        return labels.cpu().numpy()
    return np.asarray(labels) if isinstance(labels, list | np.ndarray) and len(labels) and np.ndim(labels[0]) == 0 else None
