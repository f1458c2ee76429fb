"""Which parameters a loss depends on, and whether an optimizer trains them; seen once, at the first step."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

MOST_NODES = 200_000  # of the autograd graph; a larger one is not walked to its end, and nothing is said of it
DRAWN = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)  # layers that PyTorch draws uniformly
FOR_A_DRAW = 64  # weights: the largest of fewer may be far from the bound
ROUNDING = 1e-6  # relative, of float32
NEAR = 0.95  # the largest of 64 uniform weights is above this share of the bound, but for one draw in 27
SHOWN = 8  # names and shapes that are kept


def untrained(
    loss: torch.Tensor | None,
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    called: Sequence[torch.nn.Module] = (),
) -> dict[str, Any]:
    """Counts, and some names and shapes, of parameters that

    - the loss depends on and that belong to no module and no optimizer (`unregistered`),
    - the model has and the loss depends on, and no optimizer trains (`forgotten`),
    - the optimizers hold, and neither the model nor the loss has (`stale`),
    - the model has in layers that were called before one on which the loss depends, while it does not depend on them (`cut`),
    - do not require gradients (`frozen`), and `fresh`, those of them and of the forgotten ones that have values as PyTorch
      draws them.

    `called`: the layers in the order of their calls.

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
    cut = _cut(called, reached, held)
    frozen = [p for p in model.parameters() if not p.requires_grad]
    asleep = {id(p) for p in frozen} | {id(p) for p in loose}
    return {
        "parameters": len(registered),
        "cut": len(cut),
        "cut_names": [registered.get(id(p), "unknown") for p in cut][:SHOWN],
        "frozen": len(frozen),
        "fresh": sum(id(m.weight) in asleep and _as_drawn(m) for m in model.modules() if isinstance(m, DRAWN)),
        "asleep": sum(id(m.weight) in asleep for m in model.modules() if isinstance(m, DRAWN)),
        "unregistered": len(unregistered),
        "shapes": [list(p.shape) for p in unregistered[:SHOWN]],
        "forgotten": len(forgotten),
        "names": forgotten[:SHOWN],
        "stale": sum(key not in registered and key not in reached for key in held),
    }


def _cut(called: Sequence[torch.nn.Module], reached: Mapping[int, Any], held: Mapping[int, Any]) -> list[torch.Tensor]:
    """Parameters of the optimizers on which the loss does not depend, in layers that were called before one that it needs."""
    needed = [any(id(p) in reached for p in module.parameters()) for module in called]
    last = max((i for i, yes in enumerate(needed) if yes), default=0)
    before = [module for module, yes in zip(called[:last], needed[:last], strict=True) if not yes]
    found = {id(p): p for module in before for p in module.parameters() if p.requires_grad and id(p) in held}
    return [p for key, p in found.items() if key not in reached]


def _as_drawn(module: Any) -> bool:
    """Whether the weights of a layer are as PyTorch draws them: uniform within 1 / sqrt(inputs)."""
    weight = module.weight.detach().float()
    bound = 1 / (weight[0].numel() ** 0.5)
    largest = float(weight.abs().max())
    return bool(weight.numel() >= FOR_A_DRAW and NEAR * bound < largest <= bound * (1 + ROUNDING))


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
