"""Penalties on the parameters that are a part of the loss, read from the autograd graph."""

from __future__ import annotations

import math
from typing import Any

import torch

from scram_plugin.training.torch.axes import REDUCED, scale
from scram_plugin.training.torch.graph import OPERATIONS, before, operation

MOST_PARTS = 512  # nodes between the loss and its parts: a penalty may have one summand for each parameter
MOST_OF_PART = 64  # nodes of one summand
SUMS = ("Add", "Sub", "Neg", "Rsub", "Stack", "Cat")
KEEPS = ("View", "ReshapeAlias", "UnsafeView", "Cat", "Transpose", "T", "Clone", "ToCopy")


def penalty(loss: torch.Tensor) -> float:
    """The largest factor by which the sum of the sizes, or squares, of parameters is a part of the loss, beside the mean of
    something else; 0 without one. Where that is a sum over examples, the factor is divided by their number."""
    waiting, seen, largest, weight = [(loss.grad_fn, 1.0)], 0, 0.0, 0.0
    while waiting and seen < MOST_PARTS:
        node, factor = waiting.pop()
        seen += 1
        if node is None:
            continue
        name, following = operation(node), before(node)
        sizes = [int(n) for n in getattr(node, "_saved_self_sym_sizes", ())]
        if name in ("Sum", "Mean") and _of_parameters(node):
            largest = max(largest, abs(factor) / (math.prod(sizes) if name == "Mean" and sizes else 1))
        elif name in OPERATIONS or name == "Mean" or (name == "Sum" and sizes):
            summed = name == "Sum" or REDUCED.get(getattr(node, "_saved_reduction", 1)) == "sum"
            rows = sizes[0] if sizes else 1
            weight = max(weight, abs(factor) * (rows if summed else 1))
        elif name in SUMS or (name in ("Mul", "Div", "Sum") and len(following) == 1):
            waiting += [(n, factor * scale(node, name)) for n in following]
    return largest / max(weight, 1.0) if weight else 0.0


def _of_parameters(node: Any) -> bool:
    """Whether a sum is that of the sizes or squares of parameters alone."""
    waiting, seen, penalises = before(node), 0, False
    while waiting:
        at = waiting.pop()
        seen += 1
        if seen > MOST_OF_PART:
            return False
        name, following = operation(at), before(at)
        squared = name == "Mul" and len(following) == 2 and following[0] is following[1]
        penalises |= squared or name in ("Abs", "Pow")
        if not (squared or name in ("Abs", "Pow", *KEEPS) or name.endswith("AccumulateGrad")):
            return False
        waiting += following[:1] if squared else following
    return penalises
