"""How long one run of a proof trains."""

from __future__ import annotations

import time
from collections.abc import Callable

from scram_plugin.proof_run import RunResult, Spec


class BudgetUsed(SystemExit):
    """The budget is used up: the program ends here, as if it had called `sys.exit`."""


class Budget:
    """Counts batches and epochs. The time begins with the end of the first batch, which compiles and fills caches.

    `tell` is called when the training has begun, and when the budget is used up.
    """

    def __init__(self, spec: Spec, told: RunResult, tell: Callable[[], None] = lambda: None) -> None:
        self._spec, self._told, self._tell = spec, told, tell
        self._begun: float | None = None

    @property
    def used(self) -> bool:
        return self._told.used

    def batch(self) -> bool:
        """A batch has been trained. Returns whether the budget is used up."""
        if self.used:
            return True
        self._told.batches += 1
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
            self._tell()
        spec = self._spec
        self._use(
            (spec.batches is not None and self._told.batches >= spec.batches)
            or (spec.seconds is not None and now - self._begun >= spec.seconds)
        )
        return self.used

    def epoch(self, whole: bool = True) -> bool:
        """A pass over the data has ended, `whole` or cut short. Returns whether the budget is used up."""
        self._told.epochs += whole
        if not self.used:
            self._use(self._spec.epochs is not None and self._told.epochs >= self._spec.epochs)
        return self.used

    def _use(self, up: bool) -> None:
        if up:
            self._told.used = True
            self._tell()
