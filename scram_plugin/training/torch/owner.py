"""Who is told of the steps of a training, and of what was built."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.graph import Loss, Place

Flow = tuple[list[Place], list[str]]


class Owner(Protocol):
    """Who is told of the steps. What it raises ends the recording, not the training."""

    broken: bool

    def built(self, inputs: Any, outputs: Any, calls: int, losses: list[Loss], flow: Flow) -> None:
        """The first step has come to its loss, for which the model was called so many times."""

    def stepped(self) -> None:
        """A step has ended, or some have."""

    def measured(self, batch: int, statistics: statistics.Named) -> None: ...

    def nonfinite(self, batch: int, columns: tuple[str, ...], counts: np.ndarray) -> None:
        """Where the first value that is not finite came up."""

    def evaluated(self, inputs: Any) -> None:
        """A forward pass that is none of the training."""

    def fetched(self, iterator: Any, seconds: float | None) -> bool:
        """An iterator of a `DataLoader` has given a batch, after so long (None: that is not to be counted).

        Whether what follows is to be seen, though it is no training.
        """

    def fail(self, error: Exception) -> None: ...
