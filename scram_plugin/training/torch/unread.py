"""Parts of the inputs on which the outputs of a model do not depend: a feature, or all positions but the first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.structures import leaves, mapped

LEAST, MOST = 2, 32  # features, or positions, of an input that is looked at
SHORT = 0.02  # seconds: a model whose forward pass with a few examples takes longer is not called once for each feature


def unread(x: list[torch.Tensor], inputs: Any, again: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """For each input with such a part: its number, the ``axis``, and the places along it that are not read; ``first`` where
    these are all positions but the first.

    `x`: the inputs with some examples, along the first axis; `again(inputs)` runs the model. Each place gets its values from
    the next example. Empty where the model draws random numbers.
    """
    begin = time.perf_counter()
    before, same = _outputs(again(inputs)), _outputs(again(inputs))
    each = (time.perf_counter() - begin) / 2
    if not before or any(not torch.equal(a, b) or not bool(torch.isfinite(a).all()) for a, b in zip(before, same, strict=True)):
        return []

    def reads(tensor: torch.Tensor, axis: int, places: list[int]) -> bool:
        index = torch.tensor(places, device=tensor.device)
        other = tensor.clone()
        other.index_copy_(axis, index, tensor.roll(1, 0).index_select(axis, index))
        if bool((other == tensor).all()):
            return True  # all examples are alike there: it is not known
        after = _outputs(again(mapped(inputs, lambda leaf: other if _same(leaf, tensor) else leaf)))
        return len(after) != len(before) or any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))

    found = []
    for number, tensor in enumerate(x):
        if tensor.dim() < 2 or not reads(tensor, 1, list(range(tensor.shape[1]))):
            continue  # the model does not read it at all, which may be meant
        in_order = tensor.dim() == 3 or not tensor.is_floating_point()  # positions of a sequence
        if in_order and tensor.shape[1] > LEAST and not reads(tensor, 1, list(range(1, tensor.shape[1]))):
            places = list(range(1, min(tensor.shape[1], MOST)))
            found.append({"input": number, "axis": 1, "places": places, "first": True})
        of_features = tensor.dim() - 1 if tensor.dim() < 4 else 1
        size = tensor.shape[of_features]
        if tensor.is_floating_point() and LEAST <= size <= MOST and each < SHORT:
            places = [place for place in range(size) if not reads(tensor, of_features, [place])]
            if places and not found:
                found.append({"input": number, "axis": of_features, "places": places})
    return found


def _outputs(made: Any) -> list[torch.Tensor]:
    return [t for t in leaves(made) if isinstance(t, torch.Tensor) and t.is_floating_point()]


def _same(leaf: Any, x: torch.Tensor) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.shape == x.shape and leaf.data_ptr() == x.data_ptr()
