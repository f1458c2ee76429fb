"""Which parameters a loss depends on, and whether an optimizer trains them; seen once, at the first step."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import torch

MOST_NODES = 200_000  # of the autograd graph; a larger one is not walked to its end, and nothing is said of it
SHOWN = 8  # names and shapes that are kept


def untrained(loss: torch.Tensor | None, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Counts, and some names and shapes, of parameters that

    - the loss depends on and that belong to no module and no optimizer (`unregistered`),
    - the model has and the loss depends on, and no optimizer trains (`forgotten`),
    - the optimizers hold, and neither the model nor the loss has (`stale`).

    Empty where that is not known: without an optimizer, or with a graph of too many nodes.
    """
    reached = _reached(loss) if loss is not None and optimizers else None
    if not reached:
        return {}
    registered = {id(p): name for name, p in model.named_parameters()}
    held = {id(p): p for optimizer in optimizers for p in _held(optimizer)}
    loose = [p for p in reached.values() if id(p) not in held]
    if loose:  # another optimizer may train them, as with two models
        others = {id(p) for o in gc.get_objects() if issubclass(type(o), torch.optim.Optimizer) for p in _held(o)}
        loose = [p for p in loose if id(p) not in others]
    unregistered = [p for p in loose if id(p) not in registered]
    forgotten = [registered[id(p)] for p in loose if id(p) in registered]
    return {
        "unregistered": len(unregistered),
        "shapes": [list(p.shape) for p in unregistered[:SHOWN]],
        "forgotten": len(forgotten),
        "names": forgotten[:SHOWN],
        "stale": sum(key not in registered and key not in reached for key in held),
    }


def _held(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    for group in getattr(optimizer, "param_groups", ()):
        yield from group["params"]


def _reached(loss: torch.Tensor) -> dict[int, torch.Tensor] | None:
    """The parameters in the graph of a loss, by their ids; None for a graph of too many nodes."""
    found: dict[int, torch.Tensor] = {}
    waiting, seen = [loss.grad_fn] if loss.grad_fn is not None else [], set[Any]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if len(seen) > MOST_NODES:
            return None
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.nn.Parameter):
            found[id(variable)] = variable
        waiting += [following for following, _ in node.next_functions if following is not None]
    return found
