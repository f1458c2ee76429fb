"""The data of a training with Keras, read without changing their state."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from scram_plugin.training.preflight.subject import Batch, rows
from scram_plugin.training.structures import leaves

USED_UP = (
    "the data are an iterator, which would be used up: pass arrays, a tf.data.Dataset, a PyDataset, a DataLoader or a list of "
    "batches"
)


class KerasData:
    """Data as `fit` takes them: arrays with their targets, or an iterable of batches that can be read repeatedly.

    Raises ValueError for an iterator, which can be read only once, and for data of an unknown kind.
    """

    def __init__(self, x: Any, y: Any = None, weights: Any = None, batch_size: int | None = None, shuffle: bool = True) -> None:
        if isinstance(x, tuple) and y is None and 2 <= len(x) <= 3 and all(_array(leaf) for leaf in leaves(x)):
            x, y, weights = (*x, None)[:3]
        self.given, self.x, self.y, self.weights, self.shuffle = x, x, y, weights, shuffle
        self.arrays = y is not None or all(_array(leaf) for leaf in leaves(x))
        if self.arrays:
            self.batch_size = batch_size or 32
            self.length = len(leaves(x)[0])
            self.steps: int | None = math.ceil(self.length / self.batch_size)
        else:
            if isinstance(x, Iterator):
                raise ValueError(USED_UP)
            self.x, self.steps = _copied(x), _length(x)

    def __iter__(self) -> Iterator[Batch]:
        if not self.arrays:
            yield from (Batch(*_parts(batch)) for batch in self.x)
            return
        order = np.arange(self.length)
        if self.shuffle:
            np.random.default_rng(0).shuffle(order)
        for start in range(0, self.length, self.batch_size):
            places = order[start : start + self.batch_size]
            yield Batch(*(rows(part, self.length, places) for part in (self.x, self.y, self.weights)))

    def fit(self, model: keras.Model, steps: int, validation: KerasData | None, callbacks: list[Any]) -> None:
        """Run some steps of `fit`. No validation is run, but the callbacks see the validation data."""
        given = (
            {"x": self.x, "y": self.y, "sample_weight": self.weights, "batch_size": self.batch_size, "shuffle": self.shuffle}
            if self.arrays
            else {"x": self.x}
        )
        if validation is not None:
            whole = (validation.x, validation.y) if validation.y is not None else validation.x
            given |= {"validation_data": whole, "validation_freq": 2}
        model.fit(**given, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=callbacks)


def split(x: Any, y: Any, weights: Any, part: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Training and validation data as from `validation_split=part`: the last share of the arrays, before shuffling."""
    length = len(leaves(x)[0])
    at = math.floor(length * (1.0 - part))
    first, last = np.arange(at), np.arange(at, length)
    made = [tuple(rows(t, length, places) for t in (x, y, weights)) for places in (first, last)]
    return made[0], made[1]


def _array(leaf: Any) -> bool:
    return leaf is None or (bool(getattr(leaf, "shape", ())) and hasattr(leaf, "__getitem__"))


def _length(data: Any) -> int | None:
    if hasattr(data, "cardinality"):
        known = int(data.cardinality())
        return known if known > 0 else None
    try:
        return len(data)
    except TypeError:
        return None


def _parts(batch: Any) -> tuple[Any, ...]:
    return tuple(batch[:3]) if isinstance(batch, tuple | list) else (batch, None)


class _Same(keras.utils.PyDataset):
    """The batches of another PyDataset, whose `on_epoch_end` is not called."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self._other = other

    def __len__(self) -> int:
        return len(self._other)

    def __getitem__(self, index: int) -> Any:
        return self._other[index]


def _copied(data: Any) -> Any:
    """A second object for the same data, so that reading it does not advance the program's own."""
    if isinstance(data, keras.utils.PyDataset):
        return _Same(data)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(data, torch.utils.data.DataLoader):
        from scram_plugin.training.preflight.torch_data import copied

        return copied(data)
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(data, tf.data.Dataset):
        return _copied_dataset(tf, data)
    if isinstance(data, Sequence) or hasattr(data, "__iter__"):
        return data
    raise ValueError(f"the data are a {type(data).__name__}: {USED_UP.partition(': ')[2]}")


def _copied_dataset(tf: Any, data: Any) -> Any:
    """A copy of the graph of a data set. Its shuffle operations do not share the counter of epochs with the program's data set.

    Otherwise the program's next epoch would have another order.
    """
    made = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(data), external_state_policy=1, strip_device_assignment=False
    )
    graph = tf.compat.v1.GraphDef.FromString(made.numpy())
    for node in [*graph.node, *(n for function in graph.library.function for n in function.node_def)]:
        if node.op == "ShuffleDatasetV3":
            node.op = "ShuffleDataset"
            del node.input[4]  # the counter of epochs
        elif node.op == "ShuffleAndRepeatDatasetV2":
            node.op = "ShuffleAndRepeatDataset"
            del node.input[5]
            node.attr.pop("reshuffle_each_iteration", None)
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    return tf.data.experimental.from_variant(variant, tf.data.experimental.get_structure(data))
