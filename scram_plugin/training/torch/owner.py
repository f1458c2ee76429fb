"""The interface through which the recorder reports steps and facts."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.graph import Loss, Place

Flow = tuple[list[Place], list[str]]


class Owner(Protocol):
    """Receives what the recorder reports. An exception that it raises ends the recording, not the training."""

    broken: bool

    def built(self, inputs: Any, outputs: Any, calls: int, losses: list[Loss], flow: Flow) -> None:
        """The first step has computed its loss, for which the model was called `calls` times."""

    def stepped(self) -> None:
        """One or more steps have ended."""

    def measured(self, batch: int, statistics: statistics.Named) -> None: ...

    def nonfinite(self, batch: int, columns: tuple[str, ...], counts: np.ndarray) -> None:
        """The first non-finite value appeared in this batch; `counts` say where."""

    def loader(self) -> tuple[int, bool] | None:
        """What tells the loader of the last batch from others, and whether its data are those of the training; None without."""

    def validated(self, metrics: dict[str, float]) -> None:
        """An evaluation between two steps has ended."""

    def evaluated(self, x: statistics.Tensors) -> None:
        """A forward pass that is not part of the training has begun, with these inputs."""

    def fetched(self, iterator: Any, seconds: float | None) -> bool:
        """An iterator of a `DataLoader` has returned a batch after `seconds` (None: do not count them).

        Returns whether the next forward passes must be reported, although they are not part of the training.
        """

    def fail(self, error: Exception) -> None: ...
