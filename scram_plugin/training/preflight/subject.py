"""What is tested before a training: a model with its loss, its optimiser and some batches, whatever the framework."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scram_plugin.training.structures import leaves, mapped

FIRST = 16  # batches of the training data that the tests work with


@dataclass(frozen=True)
class Batch:
    """Inputs and targets as the model and its loss take them: tensors, or structures of them; `weights` of the examples."""

    x: Any
    y: Any
    weights: Any = None

    def __len__(self) -> int:
        return next((len(t) for t in leaves(self.x) if getattr(t, "shape", ())), 0)

    def at(self, places: np.ndarray) -> Batch:
        """The examples with these numbers."""
        return Batch(*(rows(part, len(self), places) for part in (self.x, self.y, self.weights)))

    def mapped(self, function: Callable[[Any], Any]) -> Batch:
        """What `function` makes of each tensor."""
        return Batch(*(mapped(part, function) for part in (self.x, self.y, self.weights)))


class Subject(Protocol):
    """A model under test. All methods work on a copy, or on what is put back afterwards (`apart`)."""

    framework: str  # "keras" or "torch"
    facts: dict[str, Any]  # of what was built, once it was watched
    model: Any  # as it is now, between the methods
    optimizer: Any
    batches: Sequence[Batch]  # the first ones of the training data, as a step would get them
    training: Iterable[Batch]  # all of them; can be gone through again
    validation: Iterable[Batch] | None  # all of the validation, where there is one
    rate: float | None  # the learning rate; None if there is no optimiser, or a schedule

    def apart(self) -> contextlib.AbstractContextManager[None]:
        """Within it the methods below may be called; after it everything is bit for bit as before."""

    def reset(self, own: bool) -> None:
        """Weights and random numbers as before, and an optimiser that has made no step: the user's, or Adam."""

    def step(self, batch: Batch) -> float:
        """One step of a training, with what is there now: its loss."""

    def held(self) -> int:
        """Bytes of the weights, and of what the optimiser keeps."""

    def course(self, batches: Iterable[Batch], rates: Iterable[float] | None, own: bool, calm: bool) -> Iterator[float]:
        """Train from the start with these batches (and learning rates); yields the loss of each step, before it was made.

        `own`: with the user's optimiser, else with Adam at its default. `calm`: without dropout and noise.
        """

    def predict(self, x: Any) -> list[np.ndarray]:
        """The outputs for inputs, as in a validation, with the weights that the last `course` has left."""

    def still(self, batch: Batch) -> dict[str, Any]:
        """Which variables should be trained, but get no gradient from a batch that the last `course`, with Adam, was made of:
        `still`, their paths; of how many `variables`. Where it is known, `apart`: paths of the layers or variables that the
        loss does not depend on, and `count_apart`, how many variables these are."""

    def half(self, batch: Batch) -> str | None:
        """What is not finite when it is computed with half precision (float16): "outputs" or "loss"."""


def rows(structure: Any, length: int, places: np.ndarray) -> Any:
    """`structure` with only these of its rows, where a tensor has one for each example."""

    def taken(leaf: Any) -> Any:
        if not getattr(leaf, "shape", ()) or leaf.shape[0] != length:
            return leaf
        if hasattr(leaf, "numpy") and not hasattr(leaf, "index_select"):  # TensorFlow takes no lists of numbers
            return leaf.numpy()[places]
        return leaf[places]

    return mapped(structure, taken)


@contextlib.contextmanager
def same_chance() -> Iterator[None]:
    """Random numbers of Python, NumPy and PyTorch go on afterwards as if none had been drawn."""
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
    """The order in which loaders of PyTorch give their data goes on afterwards as if nobody had asked."""
    holders = [h for source in sources for h in (source, *(getattr(source, n, None) for n in ("sampler", "batch_sampler")))]
    generators: list[Any] = [g for h in holders if hasattr(g := getattr(h, "generator", None), "get_state")]
    states = [g.get_state() for g in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
