"""A row for every step: its loss, and means of inputs, targets and outputs.

A small operation costs more to start than to do, so that the tensors of small steps are held for some steps and then summed
up together. Whatever the program changes in place meanwhile is not trusted: from then on rows are computed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.statistics import Tensors

HELD = 16  # steps that are summed up together
FIRST = 3  # steps that are not held, while it is seen whether their tensors are used again
MOST = 1 << 18  # bytes of the tensors of one step, up to which they are held

Block = tuple[tuple[str, ...], np.ndarray, list[float]]  # columns, rows, and when the steps ended


@dataclass
class Step:
    time: float
    loss: torch.Tensor
    tensors: Tensors
    versions: list[int]
    values: dict[str, torch.Tensor] = field(default_factory=dict)  # what was computed at once


class Rows:
    """Steps that have ended, until they are written. `probe()` is a number that is not finite if a weight is not."""

    def __init__(self, probe: object) -> None:
        self.hold = True
        self._probe = probe
        self._steps: list[Step] = []
        self._done: list[Block] = []
        self._first: list[tuple[Tensors, dict[str, torch.Tensor]]] = []  # tensors of the first steps, and what was said of them

    def __len__(self) -> int:
        return len(self._steps) + sum(len(block[2]) for block in self._done)

    def add(self, step: Step) -> None:
        self._steps.append(step)
        size = sum(t.numel() * t.element_size() for _, t in step.tensors)
        if len(self._first) <= FIRST or not self.hold or size > MOST:
            now = values([step.tensors])
            self._seen(step, now)
            step.values |= {name: value[0] for name, value in now.items()}
            step.tensors, step.versions = [], []
        if len(self._steps) >= HELD:
            self.sum_up()

    def _seen(self, step: Step, now: dict[str, torch.Tensor]) -> None:
        if len(self._first) < FIRST:
            self._first.append((step.tensors, now))
        elif len(self._first) == FIRST:
            self.hold = self.hold and not any(_refilled(*first) for first in self._first)
            self._first = [([], {})] * (FIRST + 1)

    def sum_up(self) -> None:
        """Turn the steps that are held into rows."""
        steps, self._steps = self._steps, []
        probe = self._probe() if steps else None  # type: ignore[operator]
        while steps:
            layout = _layout(steps[0])
            together = next((i for i, step in enumerate(steps) if _layout(step) != layout), len(steps))
            block, steps = steps[:together], steps[together:]
            self._done.append(self._summed(block, probe))

    def _summed(self, steps: list[Step], probe: torch.Tensor | None) -> Block:
        changed = [any(t._version != v for (_, t), v in zip(s.tensors, s.versions, strict=True)) for s in steps]
        found: dict[str, torch.Tensor] = {"loss": torch.stack([s.loss.reshape(()).float() for s in steps])}
        if steps[0].values:
            found |= {name: torch.stack([s.values[name] for s in steps]) for name in steps[0].values}
        elif steps[0].tensors:
            found |= values([s.tensors for s in steps])
        matrix = torch.stack(list(found.values()), dim=1).float().cpu().numpy()
        if any(changed):
            self.hold = False
            sound = [i for i, bad in enumerate(changed) if not bad]
            for i, bad in enumerate(changed):
                if bad:  # the nearest step whose values are known stands in
                    matrix[i, 1:] = matrix[min(sound, key=lambda j: abs(i - j)), 1:] if sound else 0.0
        columns = tuple(found)
        if probe is not None:
            matrix = np.concatenate([matrix, np.zeros((len(steps), 1), np.float32)], axis=1)
            columns = (*columns, "weights/probe")
            # weights that are finite now always were; others have been so at the latest since this step
            matrix[-1, -1] = float(probe)
            bad_loss = np.flatnonzero(~np.isfinite(matrix[:, 0]))
            if not np.isfinite(matrix[-1, -1]) and len(bad_loss):
                matrix[bad_loss[0] :, -1] = matrix[-1, -1]
        return columns, matrix, [s.time for s in steps]

    def take(self) -> list[Block]:
        """All rows so far; blocks of different columns where the structure of the data changed."""
        self.sum_up()
        blocks, self._done = self._done, []
        joined: list[Block] = []
        for columns, matrix, times in blocks:
            if joined and joined[-1][0] == columns:
                before = joined[-1]
                joined[-1] = columns, np.concatenate([before[1], matrix]), before[2] + times
            else:
                joined.append((columns, matrix, times))
        return joined


def _refilled(tensors: Tensors, before: dict[str, torch.Tensor]) -> bool:
    """Whether the tensors of a step hold other values by now: one buffer is filled anew for each batch."""
    return any(not torch.equal(value.nan_to_num(), before[name].nan_to_num()) for name, value in values([tensors]).items())


def _layout(step: Step) -> list[object]:
    return [*((name, t.shape, t.dtype) for name, t in step.tensors), *step.values]


def values(steps: list[Tensors]) -> dict[str, torch.Tensor]:
    """Of tensors of the same names and shapes the statistics of each step, vectors of shape (steps,)."""
    found = {}
    for i, (name, tensor) in enumerate(steps[0]):
        rows = torch.stack([step[i][1] for step in steps]).reshape(len(steps), -1) if len(steps) > 1 else tensor.reshape(1, -1)
        found[f"{name}/mean"] = rows.mean(dim=1, dtype=torch.float32)
        if name.startswith("y") and not name.startswith("y_pred"):
            found[f"{name}/min"], found[f"{name}/max"] = torch.aminmax(
                rows.float() if rows.dtype == torch.bool else rows, dim=1
            )
    return found


def inputs_now(tensors: Tensors) -> dict[str, torch.Tensor]:
    """What is said of inputs in each row, computed at once."""
    return {f"{name}/mean": statistics.mean(tensor) for name, tensor in tensors}
