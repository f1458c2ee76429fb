"""What is looked at to find where the first value that is not finite came up: in the gradients of the step before, or in a
layer of this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.second_pass import hooked

Flaws = tuple[tuple[str, ...], np.ndarray]
# what an optimiser keeps of a parameter's gradients: not finite from the first gradient on that was not
SLOTS = ("exp_avg", "momentum_buffer", "square_avg", "sum")


def flawed_weights(
    weights: statistics.Tensors, parameters: Sequence[torch.nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]
) -> Flaws | None:
    """How many values of the weights (named ``weight/<layer>/<variable>``) are not finite, after those of their gradients, as
    far as an optimiser tells of them; None if all weights are finite."""
    columns, counts = statistics.flaws(weights)
    if not counts.any():
        return None
    slots = [
        (name.replace("weight", "gradient", 1), _slot(p, optimizers)) for (name, _), p in zip(weights, parameters, strict=True)
    ]
    before = statistics.flaws([(name, slot) for name, slot in slots if slot is not None])
    return (*before[0], *columns), np.concatenate([before[1], counts])


def _slot(parameter: torch.nn.Parameter, optimizers: Sequence[torch.optim.Optimizer]) -> torch.Tensor | None:
    for optimizer in optimizers:
        state = optimizer.state.get(parameter, {})
        for name in SLOTS:
            if isinstance(state.get(name), torch.Tensor):
                return state[name]
    return None


def outputs_of_layers(model: torch.nn.Module, inputs: tuple[Any, Any]) -> statistics.Tensors:
    """What each layer makes of the inputs, in the order of their computation, called once more."""
    found: statistics.Tensors = []

    def look(path: str, module: torch.nn.Module, output: Any) -> None:
        found.extend((f"layer/{path}", t.detach()) for t in leaves(output) if isinstance(t, torch.Tensor))

    args, kwargs = inputs
    with hooked(model, None, look):
        model._call_impl(*args, **kwargs)
    return found
