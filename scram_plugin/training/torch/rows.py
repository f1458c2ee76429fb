"""A row for every step: its loss, and means of inputs, targets and outputs.

A small operation costs more to start than to run. So the tensors of small steps are held for some steps, and their statistics
are then computed together. If the program changes a held tensor in place, its values are not used, and from then on each row is
computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from scram_plugin.schema import column
from scram_plugin.training.torch.agreement import agreement
from scram_plugin.training.torch.memory import Once, version
from scram_plugin.training.torch.statistics import Tensors

Number: TypeAlias = torch.Tensor | float  # a loss; outside the CPU it stays a tensor, so that nothing waits for the device
HELD = 16  # steps whose statistics are computed together
FIRST = 3  # first steps, which are not held: they show whether the program reuses tensors
MOST = 1 << 18  # bytes; the tensors of a step are held if they are not larger


@dataclass
class StepRows:
    """Rows of some steps: columns, values (steps, columns), the steps' numbers, and when they ended (seconds since 1970)."""

    columns: tuple[str, ...]
    values: np.ndarray
    steps: np.ndarray
    times: np.ndarray


@dataclass(slots=True)
class HeldStep:
    number: int
    time: float
    tensors: Tensors
    versions: list[int]
    values: dict[str, torch.Tensor]  # statistics that were computed at once


class Rows:
    """Keeps the steps that have ended until they are written. `probe()` is a scalar that is not finite if a weight is not."""

    def __init__(self, probe: Callable[[], torch.Tensor]) -> None:
        self.hold = True
        self._probe = probe
        self._losses: list[Number] = []
        self._times: list[float] = []
        self._steps: list[HeldStep] = []
        self._details: list[StepRows] = []
        self._begin = 0  # the number of the first step that is not written
        # tensors of the first steps, and their statistics; None once it is known whether tensors are reused
        self._first: list[tuple[Tensors, dict[str, torch.Tensor]]] | None = []
        self._once = Once(at_once)

    def __len__(self) -> int:
        return len(self._times)

    def add(self, times: list[float], losses: list[Number]) -> None:
        """Add consecutive steps: when they ended (seconds since 1970), and their losses."""
        self._times += times
        self._losses += losses

    def before(self, tensors: Tensors) -> dict[str, torch.Tensor]:
        """Statistics of the inputs of a step that begins; empty where the tensors are held, and summed up later."""
        return {} if self.hold else self._once(tensors)

    def detail(self, tensors: Tensors, versions: list[int], known: dict[str, torch.Tensor]) -> None:
        """Add the tensors of the step that was added last, with their versions at the time of their use.

        `known` are statistics of it that were already computed.
        """
        size = sum(t.numel() * t.element_size() for _, t in tensors)
        if self._first is not None or not self.hold or size > MOST:
            now = at_once(tensors)
            if self._first is not None:
                self._try(tensors, now)
            tensors, versions, known = [], [], known | now
        self._steps.append(HeldStep(self._begin + len(self) - 1, self._times[-1], tensors, versions, known))
        if len(self._steps) >= HELD:
            self._sum_up()

    def _try(self, tensors: Tensors, now: dict[str, torch.Tensor]) -> None:
        """Find out whether the program reuses one buffer for all batches: then tensors of the first steps have changed."""
        assert self._first is not None
        if len(self._first) < FIRST:
            self._first.append((tensors, now))
            return
        for held, before in self._first:
            self.hold &= all(
                torch.equal(value.nan_to_num(), before[name].nan_to_num()) for name, value in at_once(held).items()
            )
        self._first = None

    def _sum_up(self) -> None:
        """Turn the held tensors into rows."""
        steps, self._steps = self._steps, []
        while steps:
            layout = _layout(steps[0])
            together = next((i for i, step in enumerate(steps) if _layout(step) != layout), len(steps))
            block, steps = steps[:together], steps[together:]
            if layout:
                self._details.append(self._summed(block))

    def _summed(self, steps: list[HeldStep]) -> StepRows:
        changed = [any(version(t) != v for (_, t), v in zip(s.tensors, s.versions, strict=True)) for s in steps]
        if steps[0].values:
            found = {name: torch.stack([s.values[name] for s in steps]) for name in steps[0].values}
        else:
            found = values([s.tensors for s in steps])
        matrix = torch.stack([value.float() for value in found.values()], dim=1).cpu().numpy()
        if any(changed):
            self.hold = False
            sound = [i for i, bad in enumerate(changed) if not bad]
            for i, bad in enumerate(changed):
                if bad:  # use the values of the nearest unchanged step instead
                    matrix[i] = matrix[min(sound, key=lambda j: abs(i - j))] if sound else 0.0
        return StepRows(tuple(found), matrix, np.array([s.number for s in steps]), np.array([s.time for s in steps]))

    @torch.no_grad()
    def take(self) -> list[StepRows]:
        """Remove and return all rows so far: a block of the losses of all steps, then blocks of details of some.

        If there are details of every step, all is in one block.
        """
        self._sum_up()
        if not self._times:
            return []
        values = np.zeros((len(self), 2), np.float32)
        losses, probes = values.T
        losses[:] = _numbers(self._losses)
        # weights that are finite now always were; otherwise they are not finite at least since the last step
        probes[-1] = float(self._probe())
        bad_loss = np.flatnonzero(~np.isfinite(losses))
        if not np.isfinite(probes[-1]) and len(bad_loss):
            probes[bad_loss[0] :] = probes[-1]
        numbers, times = self._begin + np.arange(len(self)), np.array(self._times)
        details = _joined(self._details)
        self._begin += len(self)
        self._losses, self._times, self._details = [], [], []
        if len(details) == 1 and np.array_equal(details[0].steps, numbers):
            (only,) = details
            columns = ("loss", *only.columns, "weights/probe")
            return [StepRows(columns, np.column_stack([losses, only.values, probes]), numbers, times)]
        return [StepRows(("loss", "weights/probe"), values, numbers, times), *details]


def _numbers(losses: list[Number]) -> np.ndarray:
    if all(isinstance(loss, float) for loss in losses):
        return np.array(losses, np.float32)
    values: np.ndarray = torch.stack([torch.as_tensor(loss).reshape(()).float() for loss in losses]).cpu().numpy()
    return values


def _joined(blocks: list[StepRows]) -> list[StepRows]:
    """Join consecutive blocks that have the same columns."""
    found: list[StepRows] = []
    for block in blocks:
        if found and found[-1].columns == block.columns:
            before = found.pop()
            parts = ((getattr(b, name) for b in (before, block)) for name in ("values", "steps", "times"))
            block = StepRows(block.columns, *(np.concatenate(list(part)) for part in parts))
        found.append(block)
    return found


def _layout(step: HeldStep) -> list[object]:
    return [*((name, t.shape, t.dtype) for name, t in step.tensors), *step.values]


def values(steps: list[Tensors]) -> dict[str, torch.Tensor]:
    """Statistics of steps whose tensors have the same names and shapes: vectors of shape (steps,)."""
    found = {}
    at = {name: i for i, (name, _) in enumerate(steps[0])}
    for i, (name, _) in enumerate(steps[0]):
        if name.startswith("p"):  # predictions, see `agreement.predictions`
            of = name.replace("p", "y")
            found[column(of, None, "agreement")] = agreement(_stacked(steps, at[of]), _stacked(steps, i))
            continue
        rows = _stacked(steps, i).reshape(len(steps), -1)
        found[column(name, None, "mean")] = rows.mean(dim=1, dtype=torch.float32)
        if name.startswith("y") and not name.startswith("y_pred"):
            found[column(name, None, "min")], found[column(name, None, "max")] = torch.aminmax(
                rows.float() if rows.dtype == torch.bool else rows, dim=1
            )
    return found


def _stacked(steps: list[Tensors], i: int) -> torch.Tensor:
    """The i-th tensors of the steps, shape (steps, ...); of a single step without a copy."""
    return torch.stack([step[i][1] for step in steps]) if len(steps) > 1 else steps[0][i][1][None]


def at_once(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The statistics of a single step, as scalars."""
    return {name: value[0] for name, value in values([tensors]).items()}
