"""Parts of the inputs on which the outputs of a model do not depend: a feature, or all positions but the first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.structures import leaves, mapped

LEAST, MOST = 2, 16  # features, or positions, of an input that is looked at
BUDGET = 0.05  # seconds for all of it: a model whose forward passes with a few examples take longer is not looked at
TABLE, IMAGES = 2, 4  # axes of inputs whose second axis is that of the features


def unread(
    model: torch.nn.Module, x: list[torch.Tensor], inputs: Any, again: Callable[[Any], Any], recurrent: bool
) -> list[dict[str, Any]]:
    """For each input with such a part: its number, the ``axis``, and the places along it that are not read; ``first`` where
    these are all positions but the first.

    `x`: the inputs with some examples, along the first axis; `again(inputs)` runs the model. Each place gets its values from
    the next example. Empty where the model draws random numbers, or takes long. `recurrent`: a recurrent layer goes through
    whole sequences: only then a position that is not read was not left out on purpose.
    """
    begin = time.perf_counter()
    before, same = _outputs(again(inputs)), _outputs(again(inputs))
    if not before or any(not torch.equal(a, b) or not bool(torch.isfinite(a).all()) for a, b in zip(before, same, strict=True)):
        return []
    each = (time.perf_counter() - begin) / 2  # a comparison waits for the device

    def reads(tensor: torch.Tensor, places: list[int]) -> bool:
        index = torch.tensor(places, device=tensor.device)
        other = tensor.clone()
        other.index_copy_(1, index, tensor.roll(1, 0).index_select(1, index))
        if bool((other == tensor).all()):
            return True  # all examples are alike there: it is not known
        after = _outputs(again(mapped(inputs, lambda leaf: other if is_input(leaf, tensor) else leaf)))
        return len(after) != len(before) or any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))

    found: list[dict[str, Any]] = []
    for number, tensor in enumerate(x):
        size = tensor.shape[1] if tensor.dim() > 1 else 0
        if size < LEAST or each > BUDGET / MOST or not reads(tensor, list(range(size))):
            continue  # the model does not read it at all, which may be meant
        sequence = tensor.dim() == 3 or not tensor.is_floating_point()
        if sequence and recurrent and size > LEAST and not reads(tensor, list(range(1, size))):
            found.append({"input": number, "axis": 1, "places": list(range(1, min(size, MOST))), "first": True})
        elif tensor.is_floating_point() and tensor.dim() in (TABLE, IMAGES) and size <= MOST and each * size < BUDGET:
            places = [place for place in range(size) if not reads(tensor, [place]) and not _begins_at_zero(model, size, place)]
            found += [{"input": number, "axis": 1, "places": places}] if places else []
    return found


def _begins_at_zero(model: torch.nn.Module, size: int, place: int) -> bool:
    """Whether weights for a feature are 0 and trained: a channel that was added, and begins by changing nothing."""
    weights = (p for p in model.parameters() if p.dim() > 1 and p.shape[1] == size and p.requires_grad)
    return any(not bool(p.select(1, place).any()) for p in weights)


def _outputs(made: Any) -> list[torch.Tensor]:
    return [t for t in leaves(made) if isinstance(t, torch.Tensor) and t.is_floating_point()]


def is_input(leaf: Any, x: torch.Tensor) -> bool:
    """Whether a part of the model's inputs is this tensor, perhaps another object for the same values in memory."""
    return isinstance(leaf, torch.Tensor) and leaf.shape == x.shape and leaf.data_ptr() == x.data_ptr()
