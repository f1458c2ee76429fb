"""The data of a training with PyTorch, read without changing their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from scram_plugin.training.preflight.subject import Batch

USED_UP = "the data are an iterator, which would be used up: pass a DataLoader, a pair of tensors or a list of batches"


def copied(loader: DataLoader) -> DataLoader:
    """A second loader of the same data, in this process: it starts no workers, and does not use those of the first."""
    if isinstance(loader.dataset, IterableDataset):
        return DataLoader(
            loader.dataset, batch_size=loader.batch_size, collate_fn=loader.collate_fn, drop_last=loader.drop_last
        )
    if loader.batch_sampler is not None:
        return DataLoader(loader.dataset, batch_sampler=loader.batch_sampler, collate_fn=loader.collate_fn)
    return DataLoader(loader.dataset, batch_size=None, sampler=loader.sampler, collate_fn=loader.collate_fn)


class TorchData:
    """Batches of a training that can be read repeatedly.

    Raises ValueError for an iterator, which can be read only once, and for data that cannot be iterated over.
    """

    def __init__(self, data: Any, batch_size: int | None = None) -> None:
        if isinstance(data, Iterator):
            raise ValueError(USED_UP)
        if isinstance(data, tuple) and len(data) == 2 and all(hasattr(part, "shape") for part in data):
            x, y = (torch.as_tensor(part) for part in data)
            data = DataLoader(TensorDataset(x, y), batch_size or 32, shuffle=True)
        elif not hasattr(data, "__iter__"):
            raise ValueError(f"the data are a {type(data).__name__}: {USED_UP.partition(': ')[2]}")
        self.given = data
        self.loader: Any = copied(data) if isinstance(data, DataLoader) else data

    def __iter__(self) -> Iterator[Batch]:
        yield from (parts(batch) for batch in self.loader)


def parts(batch: Any) -> Batch:
    """Inputs and targets of a loader's batch. One that is no pair goes to the model as a whole, which computes the loss."""
    if isinstance(batch, tuple | list) and len(batch) >= 2:
        return Batch(batch[0] if len(batch) == 2 else list(batch[:-1]), batch[-1])
    return Batch(dict(batch) if isinstance(batch, Mapping) else batch, None)
