"""Whether a model is linear as a whole, whatever its code: it is tried with the mean of two examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.structures import leaves, mapped

LEAST = 4  # examples of a batch
MATRICES = 2  # with one there is nothing to be linear between
LENGTHS = ("weight_g", "original0")  # parameters of `weight_norm` that are no matrices of their own
ROUNDED = 1e-5  # of the distance between the outputs of two examples, that may be rounding


def is_linear(model: torch.nn.Module, inputs: Any, again: Callable[[Any], Any]) -> bool:
    """Whether the output of the mean of two inputs is the mean of their outputs, although the model has several matrices.

    Not if one of them is narrower than inputs and outputs: then few numbers are meant to stand between. One input of each pair
    is negated, which no ReLU passes on as it was. `again(inputs)` runs the model, in evaluation mode.
    """
    given = [t for t in leaves(inputs) if isinstance(t, torch.Tensor)]
    shapes = [p.shape for name, p in model.named_parameters() if p.dim() > 1 and not name.endswith(LENGTHS)]
    if len(given) != 1 or not given[0].is_floating_point() or given[0].dim() < 2 or len(given[0]) < LEAST:
        return False
    if len(shapes) < MATRICES or min(s[0] for s in shapes[:-1]) < min(shapes[0][1], shapes[-1][0]):
        return False
    if not all(bool(p.count_nonzero()) for p in model.parameters() if p.dim() > 1):
        return False  # weights that begin at 0 hide what stands before them
    half = len(given[0]) // 2
    one, two = given[0][:half], -given[0][half : 2 * half]

    def output(x: torch.Tensor) -> torch.Tensor | None:
        made = leaves(again(mapped(inputs, lambda leaf: x if leaf is given[0] else leaf)))
        return next((t.float() for t in made if isinstance(t, torch.Tensor) and t.is_floating_point()), None)

    first, second, between = output(one), output(two), output((one + two) / 2)
    if first is None or second is None or between is None or not first.shape == second.shape == between.shape:
        return False
    apart = float((between - (first + second) / 2).abs().max())
    return apart <= ROUNDED * float((first - second).abs().max()) and bool((first != second).any())
