"""Which parameters a loss depends on, and whether an optimizer trains them; seen once, at the first step."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from scram_plugin.training.torch.model_facts import TRANSPOSED

MOST_NODES = 200_000  # of the autograd graph; a larger one is not walked to its end, and nothing is said of it
TINY = 1e-12  # stands for 0 in a divisor
FIXED = (0.01, 0.02, 0.05, 0.1, 1.0)  # spreads that programs give by hand, or that embeddings have
SIGMAS, TAILS = 3.0, 3.0  # standard errors by which the spread and the tails of drawn weights may differ
FOR_A_DRAW = 64  # weights: fewer do not show how they were drawn
ROUNDING = 1e-6  # relative, of float32
NEAR = 0.95  # the largest of 64 uniform weights is above this share of the bound, but for one draw in 27
EVEN, OF_UNIFORM = 0.05, 0.45  # of uniform weights the largest is 1.73 times the spread, and the mean size half of it
ORTHOGONAL, MOST_ROWS = 1e-3, 2_048
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
    # another loss may train the parameters of an optimizer of which this one depends on none
    at_work = [o for o in optimizers if any(id(p) in reached for p in _held(o))]
    cut = _cut(called, reached, {id(p): p for optimizer in at_work for p in _held(optimizer)})
    frozen = [p for p in model.parameters() if not p.requires_grad]
    asleep = {id(p) for p in frozen} | {id(p) for p in loose}
    known = (_weight_of(module) for module in model.modules())
    layers = [one for one in known if one is not None and id(one[0]) in asleep and one[0].numel() >= FOR_A_DRAW]
    return {
        "parameters": len(registered),
        "cut": len(cut),
        "cut_names": [registered.get(id(p), "unknown") for p in cut][:SHOWN],
        "frozen": len(frozen),
        "fresh": sum(_as_drawn(*layer) for layer in layers),
        "asleep": len(layers),
        "unregistered": len(unregistered),
        "shapes": [list(p.shape) for p in unregistered[:SHOWN]],
        "forgotten": len(forgotten),
        "names": forgotten[:SHOWN],
        "stale": sum(key not in registered and key not in reached for key in held),
    }


def depends_on(loss: torch.Tensor, parameters: Sequence[torch.Tensor]) -> bool:
    """Whether one of these parameters is in the graph of a loss; False for a graph of too many nodes."""
    reached = _reached(loss) or {}
    return any(id(p) in reached for p in parameters)


def _cut(called: Sequence[torch.nn.Module], reached: Mapping[int, Any], held: Mapping[int, Any]) -> list[torch.Tensor]:
    """Parameters of the optimizers on which the loss does not depend, in layers that were called before one that it needs."""
    needed = [any(id(p) in reached for p in module.parameters()) for module in called]
    last = max((i for i, yes in enumerate(needed) if yes), default=0)
    before = [module for module, yes in zip(called[:last], needed[:last], strict=True) if not yes]
    found = {id(p): p for module in before for p in module.parameters() if p.requires_grad and id(p) in held}
    return [p for key, p in found.items() if key not in reached]


def _weight_of(module: torch.nn.Module) -> tuple[torch.Tensor, float, float] | None:
    """The weight of a layer that is drawn at random, and how many inputs and outputs it has; None for other layers."""
    if isinstance(module, torch.nn.Linear | torch.nn.modules.conv._ConvNd):
        weight = module.weight
        area = float(weight[0, 0].numel()) if weight.dim() > 1 else 1.0
        return weight, weight.shape[1] * area, weight.shape[0] * area
    if isinstance(module, torch.nn.Embedding):
        return module.weight, 1.0, 1.0
    if isinstance(module, torch.nn.RNNBase):
        return module.weight_hh_l0, float(module.hidden_size), float(module.hidden_size)
    if type(module).__name__ == TRANSPOSED:
        weight = module.weight
        return weight, float(weight.shape[0]), float(weight.shape[1])
    return None


def _as_drawn(weight: torch.Tensor, inputs: float, outputs: float) -> bool:
    """Whether weights are as a usual initialiser draws them: uniform, or normal, with a spread that the size of the layer gives
    (PyTorch's own; He et al., 2015; Glorot & Bengio, 2010) or that is fixed (embeddings; 0.02 in transformers)."""
    values = weight.detach().float().flatten()
    bounds = (1 / inputs**0.5, (6 / inputs) ** 0.5, (6 / (inputs + outputs)) ** 0.5)
    largest = float(values.abs().max())
    if any(NEAR * bound < largest <= bound * (1 + ROUNDING) for bound in bounds):
        return True
    spread = float(values.std())
    if abs(largest / max(spread, TINY) / 3**0.5 - 1) < EVEN and float(values.abs().mean()) > OF_UNIFORM * largest:
        return True  # uniform, with a bound that the program gives
    if _is_orthogonal(weight.detach().float()):
        return True
    spreads = ((1 / inputs) ** 0.5, (2 / inputs) ** 0.5, (2 / (inputs + outputs)) ** 0.5, *FIXED)
    error = 1 / (2 * len(values)) ** 0.5  # relative, of the spread of so many normal numbers
    tails = float(((values - values.mean()) / max(spread, TINY)).pow(4).mean())
    normal = abs(tails - 3) < TAILS * (24 / len(values)) ** 0.5
    return normal and any(abs(spread / wanted - 1) < SIGMAS * error for wanted in spreads)


def _is_orthogonal(weight: torch.Tensor) -> bool:
    """Whether rows, or columns, are orthogonal and as long as each other (Saxe et al., 2014)."""
    flat = weight.flatten(1)
    flat = flat.T if flat.shape[0] > flat.shape[1] else flat
    if len(flat) > MOST_ROWS:
        return False
    products = flat @ flat.T
    length = products.diagonal().mean()
    return bool((products - length * torch.eye(len(flat), device=flat.device)).abs().max() < ORTHOGONAL * length)


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
