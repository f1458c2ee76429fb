"""Where the first value that is not finite came up, if it was in the step before: in its gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from scram_plugin.training.torch import statistics

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
