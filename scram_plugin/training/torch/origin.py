"""Finds where the first non-finite value appeared: in the gradients of the previous step, or in a layer of this step."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scram_plugin.schema import LAYER, thing
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.graph import Loss
from scram_plugin.training.torch.second_pass import Apart, hooked

Flaws = tuple[tuple[str, ...], np.ndarray]
# optimizer state of a parameter that stays non-finite after the first non-finite gradient
SLOTS = ("exp_avg", "momentum_buffer", "square_avg", "sum")


def flawed_weights(
    weights: statistics.Tensors, parameters: Sequence[torch.nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]
) -> Flaws | None:
    """Columns and counts (float32) of the non-finite values of gradients and weights; None if all weights are finite.

    Weights are named ``weight/<layer>/<variable>``. Gradients come first, as far as the optimizer state shows them.
    """
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
                return statistics.local(state[name])
    return None


def data_flow(
    apart: Apart,
    x: statistics.Tensors,
    losses: Sequence[Loss],
    model: torch.nn.Module,
    inputs: tuple[Any, Any],
    outputs: Any,
    loss: torch.Tensor | float | None,
) -> statistics.Tensors:
    """All tensors of one step in the order of the computation, from the inputs to the loss.

    The outputs of layers are missing if the model cannot be called again with these inputs.
    """
    y = [(f"y{i}", known.target) for i, known in enumerate(losses) if known.target is not None]
    within: statistics.Tensors = []
    with contextlib.suppress(Exception), apart():
        within = _outputs_of_layers(model, inputs)
    flow = [*x, *y, *within, *statistics.numbers("y_pred", outputs)]
    return flow if loss is None else [*flow, ("loss", torch.as_tensor(loss))]


def _outputs_of_layers(model: torch.nn.Module, inputs: tuple[Any, Any]) -> statistics.Tensors:
    """The output of each layer for these inputs, in the order of computation, from a second forward pass."""
    found: statistics.Tensors = []

    def look(path: str, module: torch.nn.Module, output: Any) -> None:
        found.extend((thing(LAYER, path), t.detach()) for t in leaves(output) if isinstance(t, torch.Tensor))

    args, kwargs = inputs
    with hooked(model, None, look):
        model._call_impl(*args, **kwargs)
    return found
