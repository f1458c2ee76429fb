"""What a preflight tests: a model with its loss, its optimizer and some batches, in any framework."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scram_plugin.training.structures import leaves, mapped

FIRST = 16  # batches of the training data that the tests use


@dataclass(frozen=True)
class Batch:
    """Inputs and targets as the model and its loss take them, and weights of the examples: tensors, or structures of them."""

    x: Any
    y: Any
    weights: Any = None

    def __len__(self) -> int:
        return next((len(t) for t in leaves(self.x) if getattr(t, "shape", ())), 0)

    def at(self, places: np.ndarray) -> Batch:
        """A batch of the examples with these indices, shape (examples,)."""
        return Batch(*(rows(part, len(self), places) for part in (self.x, self.y, self.weights)))

    def mapped(self, function: Callable[[Any], Any]) -> Batch:
        """The batch with `function` applied to each tensor."""
        return Batch(*(mapped(part, function) for part in (self.x, self.y, self.weights)))


class Subject(Protocol):
    """A model under test. All methods work on a copy, or on a model that `apart` restores afterwards."""

    framework: str  # "keras" or "torch"
    facts: dict[str, Any]  # facts of the model and its training; empty before the short training
    model: Any  # in its present state
    optimizer: Any
    batches: Sequence[Batch]  # the first batches of the training data, as a step would get them
    training: Iterable[Batch]  # all batches; can be iterated over repeatedly
    validation: Iterable[Batch] | None  # all batches of the validation data, if there are any
    batch_size: int | None  # that of the program's data loader, if it has one
    rate: float | None  # the learning rate; None if there is no optimizer, or a schedule

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped before a step."""

    def apart(self) -> contextlib.AbstractContextManager[None]:
        """The methods below may be called while this is open. Afterwards everything is bit for bit as before."""

    def reset(self, own: bool) -> None:
        """Restore the initial weights, and take an optimizer that has not stepped yet: the user's if `own`, else Adam."""

    def step(self, batch: Batch) -> float:
        """Run one training step from the present state; returns its loss."""

    def held(self) -> int:
        """Bytes of the weights and the optimizer state."""

    def course(self, batches: Iterable[Batch], rates: Iterable[float] | None, own: bool, calm: bool) -> Iterator[float]:
        """Train from the initial weights on these batches (with these learning rates). Yields the loss of each step, as it was
        before the update.

        `own`: with the user's optimizer, else with Adam at its default rate. `calm`: without dropout and noise.
        """

    def predict(self, x: Any) -> list[np.ndarray]:
        """The outputs for these inputs in inference mode, with the weights that the last `course` has left."""

    def still(self, batch: Batch) -> dict[str, Any]:
        """Which trainable variables get no gradient from `batch`, on which the last `course` must have trained with Adam.

        ``still`` lists their paths; ``variables`` is the number of all trainable variables. Where it is known, ``apart`` lists
        the layers or variables that the loss does not depend on, and ``count_apart`` is the number of these variables.
        """

    def half(self, batch: Batch) -> str | None:
        """What is not finite in half precision (float16): "outputs" or "loss"; None if both are finite."""


def rows(structure: Any, length: int, places: np.ndarray) -> Any:
    """`structure` with only these rows, in each tensor that has `length` rows (one per example)."""

    def taken(leaf: Any) -> Any:
        if not getattr(leaf, "shape", ()) or leaf.shape[0] != length:
            return leaf
        if hasattr(leaf, "numpy") and not hasattr(leaf, "index_select"):  # TensorFlow takes no arrays as indices
            return leaf.numpy()[places]
        return leaf[places]

    return mapped(structure, taken)


@contextlib.contextmanager
def same_chance() -> Iterator[None]:
    """Restore the random states of Python, NumPy and PyTorch afterwards, as if no numbers had been drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    try:
        if torch is None:
            yield
        else:
            begun = torch.cuda.is_available() and torch.cuda.is_initialized()
            with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if begun else ()):
                yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextlib.contextmanager
def same_order(*sources: Any) -> Iterator[None]:
    """Restore the random states of PyTorch's data loaders afterwards, so that the order of their data does not change."""
    holders = [h for source in sources for h in (source, *(getattr(source, n, None) for n in ("sampler", "batch_sampler")))]
    generators: list[Any] = [g for h in holders if hasattr(g := getattr(h, "generator", None), "get_state")]
    states = [g.get_state() for g in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
