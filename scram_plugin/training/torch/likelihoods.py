"""The likelihood of targets under normal distributions whose mean and spread a model gives: as `gaussian_nll_loss`, as
`Normal(mean, spread).log_prob(target)`, or written by hand."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.training.torch.differences import LIKELIHOOD, SUBTRACTIONS, compared, subtraction, written
from scram_plugin.training.torch.graph import Loss, before, operation, saved, through

SUMMANDS = 48  # nodes between the loss and the squared differences, that are looked at
DIVIDING = 4  # operations from a square to the division by the spread
PAIR = 2  # exponent, or number of factors


def by_hand(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The losses of differences that a program writes itself, or with a distribution."""
    return written(loss, outputs) or normal(loss, outputs)


def normal(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The likelihood that `loss` is a sum or mean of; empty if it is none.

    A product with a number for each example is none: so policies weigh the likelihood of what they have done.
    """
    waiting, seen = [loss.grad_fn], 0
    while waiting and seen < SUMMANDS:
        node, seen = through(waiting.pop(0)), seen + 1
        if node is None:
            continue
        name, following = operation(node), before(node)
        if (found := _divided_square(node) or _square_of_quotient(node)) is not None:
            power, difference, made = found
            target, prediction = compared(difference, made, outputs)
            return [] if target is None else [Loss(LIKELIHOOD, power, target, prediction, mean=False)]
        if name in ("Add", "Sub", "Rsub", "Neg", "Mean", "Sum") or (name in ("Mul", "Div") and _by_number(node, following)):
            waiting += following
    return []


def _divided_square(node: Any) -> tuple[Any, Any, Any] | None:
    """Of squared differences that a node divides by what depends on parameters, or multiplies: their node, what it has squared,
    and the node of the differences."""
    if operation(node) not in ("Div", "Mul") or len(set(before(node))) != PAIR:
        return None
    for at in before(node):
        for _ in range(DIVIDING):
            at = through(at)
            if at is None or (made := subtraction(at)) is not None or operation(at) not in ("Neg", "Mul", "Div"):
                break
            at = before(at)[0] if _by_number(at, before(at)) else None
        if at is not None and operation(at) != "Abs" and (made := subtraction(at)) is not None:
            return at, saved(at, "self"), made
    return None


def _square_of_quotient(power: Any) -> tuple[Any, Any, Any] | None:
    """The same of differences that were divided before they were squared."""
    squared = operation(power) == "Pow" and getattr(power, "_saved_exponent", None) == PAIR
    quotient = through(before(power)[0]) if squared and len(before(power)) == 1 else None
    if quotient is None or operation(quotient) != "Div" or len(before(quotient)) != PAIR:
        return None
    made, value, by = through(before(quotient)[0]), saved(power, "self"), saved(quotient, "other")
    if made is None or operation(made) not in SUBTRACTIONS or len(before(made)) != 1 or value is None or by is None:
        return None
    return made, value * by, made


def _by_number(node: Any, following: list[Any]) -> bool:
    """Whether a node does so with a single number."""
    by = [saved(node, name) for name in ("self", "other")] if operation(node) != "Neg" else []
    return len(following) == 1 and all(t is None or t.numel() == 1 for t in by)
