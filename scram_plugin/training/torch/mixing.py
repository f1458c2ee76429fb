"""Whether the outputs of an example depend on the other examples of its batch: the model is tried with the first batch, half of
whose examples are replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from scram_plugin.training.structures import leaves, mapped
from scram_plugin.training.torch.axes import SHOWN, swapped
from scram_plugin.training.torch.statistics import Tensors

LEAST = 4  # examples of a batch
ROUNDED = 1e-4  # change of outputs, as a share of their spread, that may be rounding
VIEWS = (torch.Tensor.view, torch.Tensor.reshape, torch.reshape)


class Views(TorchFunctionMode):
    """Notes the shapes before and after each view that gives two axes each other's length."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if function in VIEWS and args and isinstance(made, torch.Tensor) and len(self.found) < SHOWN:
            before, after = list(args[0].shape), list(made.shape)
            if swapped(before, after):
                self.found.append({"operation": "view", "from": before, "to": after})
        return made


def mixing(x: Tensors, inputs: Any, again: Callable[[Any], Any]) -> tuple[float | None, list[dict[str, Any]]]:
    """How far the outputs of the second half of a batch change with the first half, relative to their spread; None where that
    cannot be known, or `x` is empty. And the views that exchange two axes.

    `again(inputs)` runs the model.
    """
    views = Views()
    with views:
        before = again(inputs)
    length = len(x[0][1]) if x else 0
    given = [t for t in leaves(inputs) if isinstance(t, torch.Tensor) and t.dim()]
    if length < LEAST or any(len(t) != length or list(t.shape) == [length, length] for t in given):
        return None, views.found  # for example the edges of a graph
    made = _outputs(before)
    if any(list(t.shape[:2]) == [length, length] for t in made):
        return None, views.found  # all pairs are compared, as in contrastive learning
    if any(not torch.equal(a, b) for a, b in zip(made, _outputs(again(inputs)), strict=True)):
        return None, views.found  # it draws random numbers
    half = length // 2
    after = again(mapped(inputs, lambda leaf: _replaced(leaf, half) if isinstance(leaf, torch.Tensor) and leaf.dim() else leaf))
    worst = [_apart(a, b, half) for a, b in zip(_outputs(before), _outputs(after), strict=True) if len(a) == len(b) == length]
    return max(worst, default=None), views.found


def _replaced(tensor: torch.Tensor, half: int) -> torch.Tensor:
    """The same rows, but the first half of them are copies of the last ones."""
    return torch.cat([tensor[-half:], tensor[half:]])


def _outputs(made: Any) -> list[torch.Tensor]:
    return [t for t in leaves(made) if isinstance(t, torch.Tensor) and t.is_floating_point() and t.dim()]


def _apart(before: torch.Tensor, after: torch.Tensor, half: int) -> float:
    one, two = before[half:].float(), after[half:].float()
    scale = float(before.float().std()) + 1e-3 * float(before.float().abs().mean())
    apart = float((one - two).abs().max())
    return apart / scale if scale > 0 and apart > ROUNDED * scale else 0.0
