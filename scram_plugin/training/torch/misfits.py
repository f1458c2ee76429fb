"""Losses that a program writes itself and that do not fit its targets: a hinge of 0 and 1, a percentage of 0."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.axes import nodes, scale
from scram_plugin.training.torch.graph import ACTIVATIONS, before, kept, operation, through

ENOUGH_TARGETS = 8  # fewer do not show that all targets are 0 or 1
NEARLY_ZERO = 1e-4  # times the median of the divisors: next to nothing, as 0 plus a small number
CUTS = ("Clamp", "ClampMin", "Relu", "Threshold")
SUMS = ("Rsub", "Sub", "Add", "Neg")
CUTTING = ("Relu", "Silu", "Gelu", "Elu", "Softplus", "Threshold")  # they give no large negative numbers
TAKING = ("BinaryCrossEntropy", "NllLoss", "NllLoss2D", "Log", "Clamp", "ClampMin", "Rsub", "Add")
OF_CLASSES = ("NllLoss", "NllLoss2D", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits")
PROBABILITIES = ("Sigmoid", "Softmax", "LogSoftmax")
NEAR_SUM = 16  # operations between a loss and the product of targets and logarithms
ROUNDING = 1e-3  # absolute, of a sum of probabilities
NEAR_CUT = 4  # operations between a cut at 0 and the product


def hinge_of_zeros(loss: torch.Tensor) -> bool:
    """Whether a hinge, a cut at 0 of a sum with a product, multiplies outputs by targets that are 0 and 1, and both occur."""
    for node in nodes(loss):
        if operation(node) not in CUTS:
            continue
        at = _only(node)
        for _ in range(NEAR_CUT):
            if at is None or operation(at) not in SUMS:
                break
            at = _only(at)
        if at is not None and operation(at) == "Mul" and len(before(at)) == 1 and operation(node.next_functions[0][0]) in SUMS:
            target = _constant_factor(at)
            if target is not None and _zeros_and_ones(target):
                return True
    return False


def divided_by_zero(loss: torch.Tensor) -> float:
    """The share of divisors that are nearly 0 where a mean of absolute values divides differences by constants; 0 if none."""
    for node in nodes(loss):
        if operation(node) != "Abs" and operation(node) != "Div":
            continue
        inner = _only(node)
        if inner is None or {operation(node), operation(inner)} != {"Abs", "Div"}:
            continue
        division = node if operation(node) == "Div" else inner
        first = _only(inner)
        by = kept(division, "other")
        if first is None or operation(first) not in ("Sub", "Rsub") or not isinstance(by, torch.Tensor) or by.requires_grad:
            continue
        sizes = by.detach().abs().float().flatten()
        if len(sizes) >= ENOUGH_TARGETS and (usual := float(sizes[sizes > 0].median() if (sizes > 0).any() else 0.0)) >= 0:
            large = float(sizes.max())
            return float((sizes < NEARLY_ZERO * max(usual, large)).float().mean())
    return 0.0


def takes_probabilities(loss: torch.Tensor) -> str:
    """The loss that takes probabilities, the result of a softmax, where it needs their logarithms: "NLLLoss", "kl_div" or "".

    `kl_div` multiplies what it is given by the targets, subtracts that from a constant, and adds all of it up.
    """
    for node in nodes(loss):
        at = next(iter(before(node)), None)
        if operation(node) in ("NllLoss", "NllLoss2D"):
            at = through(at)
            if at is not None and operation(at) == "Softmax":
                return "NLLLoss"
        elif node.name() in ("SumBackward0", "MeanBackward0") and at is not None and operation(at) == "Sub":
            product = _subtracted(at)
            if product is not None and operation(product) == "Mul" and _constant_factor(product) is not None:
                at = through(_only(product))
                if at is not None and operation(at) == "Softmax":
                    return "kl_div"
    return ""


def _subtracted(difference: Any) -> Any:
    """What a node subtracts from a constant; None for other differences."""
    return before(difference)[0] if len(before(difference)) == 1 and difference.next_functions[0][0] is None else None


def several_classes(loss: torch.Tensor) -> float:
    """The share of examples that belong to several classes, where a cross-entropy takes their targets as probabilities: it adds
    up all products of targets and logarithms, and divides the negative of that by the number of examples."""
    for node in nodes(loss):
        at = node
        for name in ("DivBackward1", "NegBackward0", "SumBackward0"):
            at = at if name == "DivBackward1" else next(iter(before(at)), None)
            if at is None or at.name() != name:
                break
        else:
            product = next(iter(before(at)), None)
            if product is None or operation(product) != "Mul" or len(before(product)) != 1:
                continue
            target = _constant_factor(product) if operation(before(product)[0]) == "LogSoftmax" else None
            if target is None or target.dim() != 2 or target.shape[0] == target.shape[1]:
                continue
            if bool(((target == 0) | (target == 1)).all()):
                return float((target.sum(1) > 1).float().mean())
    return 0.0


def cut_outputs(loss: torch.Tensor, outputs: Any) -> list[str]:
    """The activation that cuts values off, and the one of probabilities that gets the rest, where a model's output is that of
    both in a row and the loss takes its logarithm; empty without them."""
    taken = {through(next(iter(before(node)), None)) for node in nodes(loss) if operation(node) in TAKING}
    for made in (t.grad_fn for t in leaves(outputs) if isinstance(t, torch.Tensor)):
        last = through(made)
        first = _only(last) if last is not None and last in taken and operation(last) in PROBABILITIES else None
        if first is not None and operation(first) in CUTTING:
            return [ACTIVATIONS[operation(first)], ACTIVATIONS[operation(last)]]
    return []


def maximises(loss: torch.Tensor) -> bool:
    """Whether a cross-entropy has lost its minus sign: the loss, below 0, is the mean, or the sum, of logarithms of
    probabilities times constants that are probabilities. Other parts may be added that are no loss of classes."""
    if loss.numel() != 1 or not float(loss.detach()) < 0 or any(operation(node) in OF_CLASSES for node in nodes(loss)):
        return False
    waiting, seen = [loss.grad_fn], 0
    while waiting and seen < NEAR_SUM:
        node, seen = through(waiting.pop(0)), seen + 1
        if node is None:
            continue
        name, following = operation(node), before(node)
        target = _constant_factor(node) if name == "Mul" else None
        if target is not None:
            made = through(following[0]) if len(following) == 1 else None
            if made is not None and operation(made) == "LogSoftmax" and _are_probabilities(target):
                return True
        elif name == "Add" or (len(following) == 1 and _averages(node, name)):
            waiting += following
    return False


def _averages(node: Any, name: str) -> bool:
    return name in ("Sum", "Mean") or (name == "Div" and scale(node, name) > 0)


def _are_probabilities(target: torch.Tensor) -> bool:
    sums = target.float().sum(-1)
    return bool((target >= 0).all() and (sums - 1).abs().max() < ROUNDING)


def _only(node: Any) -> Any:
    """The node before one that has a single one, without those that change no value; None for others."""
    found = before(node)
    return through(found[0]) if len(found) == 1 else None


def _constant_factor(product: Any) -> torch.Tensor | None:
    """What a product multiplies the values by that need a gradient, if that is a constant."""
    values = [getattr(product, f"_saved_{name}", None) for name in ("self", "other")]
    found = [v for v in values if isinstance(v, torch.Tensor) and not v.requires_grad and v.numel() >= ENOUGH_TARGETS]
    return found[0].detach() if len(found) == 1 else None


def _zeros_and_ones(target: torch.Tensor) -> bool:
    zero, one = target == 0, target == 1
    return bool((zero | one).all() and zero.any() and one.any())
