"""The schedulers of an optimizer: how far each has come, in its own steps."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import lr_scheduler

# class -> the attribute that says after how many of its own steps it ends
LENGTHS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "LinearLR": "total_iters", "PolynomialLR": "total_iters"}
KIND: Any = getattr(lr_scheduler, "LRScheduler", lr_scheduler._LRScheduler)


class Schedule:
    """The scheduler of some optimizers. It is held once it is found: the function that made it may end before the recording."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._optimizers = optimizers
        self._scheduler: Any = None
        self._searched = False

    def facts(self) -> dict[str, Any]:
        """``class``, ``calls``, the rate that it begins with (``base``), the present ``rate`` and, for `LENGTHS`, ``length``.

        Empty without a scheduler, or with several.
        """
        self.look()
        calls = getattr(self._scheduler, "last_epoch", None)
        if not isinstance(calls, int):
            return {}
        name = type(self._scheduler).__name__
        length = getattr(self._scheduler, LENGTHS[name], None) if name in LENGTHS else None
        group = self._optimizers[0].param_groups[0]
        found = {"class": name, "calls": calls, "base": float(group.get("initial_lr", 0.0)), "rate": float(group["lr"])}
        return {**found, **({"length": int(length)} if isinstance(length, int | float) else {})}

    def look(self) -> None:
        """Search for the scheduler, once: that looks at all objects of the program."""
        scheduled = any("initial_lr" in group for optimizer in self._optimizers for group in optimizer.param_groups)
        if not scheduled or self._searched:
            return
        self._searched = True
        kinds = _with_subclasses(KIND)
        held = [thing for thing in gc.get_objects() if type(thing) in kinds]
        self._scheduler = found[0] if len(found := [one for one in held if self._is_of(one)]) == 1 else None

    def _is_of(self, scheduler: Any) -> bool:
        try:
            groups = scheduler.optimizer.param_groups
        except Exception:  # of another optimizer, which may be anything
            return False
        return any(groups is optimizer.param_groups for optimizer in self._optimizers)  # one may be wrapped, as by Accelerate


def _with_subclasses(kind: Any) -> set[Any]:
    found, waiting = {kind}, [kind]
    while waiting:
        further = [one for one in waiting.pop().__subclasses__() if one not in found]
        found.update(further)
        waiting += further
    return found
