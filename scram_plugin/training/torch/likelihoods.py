"""The likelihood of targets under normal distributions whose mean and spread a model gives: as `gaussian_nll_loss`, as
`Normal(mean, spread).log_prob(target)`, or written by hand. And that of classes, written by hand."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import patches
from scram_plugin.training.torch.differences import LINEAR, SUBTRACTIONS, compared, is_square, subtraction, written
from scram_plugin.training.torch.graph import LIKELIHOOD, Loss, along, before, operation, saved, through

ROUNDED = 1e-4  # relative, of what is computed back from a difference in float32
SUMMANDS = 48  # nodes between the loss and the squared differences, that are looked at
OF_LOGARITHMS = ("Neg", "Mean", "Mul", "Pow", "Rsub", "Exp")  # operations of a focal loss (Lin et al., 2017)
DIVIDING = 4  # operations from a square to the division by the spread
MIXING = "Logsumexp"  # the operation that adds up the densities of a mixture
PAIR = 2  # exponent, or number of factors


def by_hand(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The losses that a program writes itself: of differences, a distribution, logarithms, or what it takes for logarithms."""
    return written(loss, outputs) or normal(loss, outputs) or taken(loss) or of_logarithms(loss)


def taken(loss: torch.Tensor) -> list[Loss]:
    """``-made.gather(1, labels).mean()``, in which what a linear layer gives is taken for logarithms; empty for any other."""
    way = list(along(loss.grad_fn, ("Neg", "Mean")))
    names = [operation(node) for node in way]
    if not way or names.count("Neg") != 1 or "Mean" not in names or names[-1] not in ("Gather", "Index"):
        return []
    given = through(next(iter(before(way[-1])), None))
    if given is None or operation(given) not in LINEAR or not _is_trained(given):
        return []  # a logarithm, or a value that the program computes of it
    labels = _labels(way[-1])
    return [] if labels is None else [Loss("NLLLoss", way[-1], labels)]


def of_logarithms(loss: torch.Tensor) -> list[Loss]:
    """``(-(1 - p) ** gamma * log_p).mean()`` of ``log_p = made.log_softmax(1).gather(1, labels)``, and what else is made of
    these logarithms alone; empty for any other. One with other factors may be that of a policy."""
    waiting, seen, node, factors = [loss.grad_fn], 0, None, list[torch.Tensor]()
    while waiting and seen < SUMMANDS:
        at, seen = through(waiting.pop(0)), seen + 1
        name = operation(at) if at is not None else ""
        if name in ("Gather", "Index") and node in (None, at):
            node = at
        elif name in OF_LOGARITHMS:
            waiting.extend(before(at))
            if name == "Mul" and len(before(at)) == 1:
                factors += [f for f in (saved(at, one) for one in ("self", "other")) if f is not None]
        else:
            return []
    source = through(before(node)[0]) if node is not None and before(node) else None
    labels = _labels(node) if source is not None and operation(source) == "LogSoftmax" else None
    if labels is None or not all(f.numel() == 1 or _is_of_class(f, labels) for f in factors):
        return []
    return [Loss("NLLLoss", node, labels, saved(source, "result"))]


def _labels(chosen: Any) -> torch.Tensor | None:
    """The labels by which a node takes one value of each row; None if it takes others."""
    places = [i for i in getattr(chosen, "_saved_indices", ()) if i is not None]
    labels = saved(chosen, "index") if operation(chosen) == "Gather" else places[-1] if len(places) == PAIR else None
    return None if labels is None or labels.dtype == torch.bool else labels.detach().reshape(-1)


def _is_of_class(factor: torch.Tensor, labels: torch.Tensor) -> bool:
    """Whether these are weights of classes, and not of examples."""
    flat = factor.flatten()
    return len(flat) == len(labels) and len(torch.stack((flat.double(), labels.double())).unique(dim=1)[0]) == len(
        labels.unique()
    )


def _is_trained(layer: Any) -> bool:
    """Whether a node of a linear layer has parameters: those of a frozen one are not in the graph."""
    return any(isinstance(getattr(through(n), "variable", None), torch.nn.Parameter) for n in before(layer))


def normal(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The likelihood that `loss` is a sum or mean of, under one normal distribution or a mixture of some; empty if it is none.

    Only targets that a loader gave count, or those of a mixture: policies take the likelihood of what they have done, too. It
    is a `mean` if the loss has no other terms, and adds nothing up.
    """
    waiting, seen, mean, found, mixed = [loss.grad_fn], 0, True, None, False
    made = [t.grad_fn for t in leaves(outputs) if isinstance(t, torch.Tensor)]
    while waiting and seen < SUMMANDS:
        node, seen = waiting.pop(0), seen + 1
        of_model = node in made
        node = through(node)
        if node is None:
            continue
        name, following = operation(node), before(node)
        if found is None and (found := _divided_square(node) or _square_of_quotient(node)) is not None:
            continue
        if name in ("Add", "Sub", "Rsub", "Neg", "Mean", "Sum") or (name in ("Mul", "Div") and _by_number(node, following)):
            mean &= name != "Sum"
            waiting += following if not of_model else []
        elif name == MIXING and not mixed:
            waiting, mixed = [*waiting, *following], True
        else:
            mean &= of_model or name in ("Log", "LogSoftmax")  # of the spread, or its logarithm itself; of the weights
    if found is None:
        return []
    power, difference, subtracted = found
    target, prediction = compared(difference, subtracted, outputs)
    given = _of_mixture(target) if mixed else _of_loader(target)
    return [] if given is None else [Loss(LIKELIHOOD, power, given, prediction, mean=mean)]


def _of_mixture(target: torch.Tensor | None) -> torch.Tensor | None:
    """Targets that were compared with the mean of each of several distributions; None where these differ."""
    if target is None or target.dim() < PAIR or target.shape[-1] < PAIR:
        return None
    one = target[..., 0]
    alike = torch.allclose(target, one.unsqueeze(-1).expand_as(target), rtol=ROUNDED, atol=ROUNDED * float(one.abs().max()))
    return one if alike else None


def _of_loader(target: torch.Tensor | None) -> torch.Tensor | None:
    """The tensor of the last batch of a loader that has these values, but for rounding, in their shape; None without one."""
    if target is None or not target.numel():
        return None
    plain = (t for t in leaves(patches.last_batch()) if isinstance(t, torch.Tensor) and t.layout == torch.strided)
    for leaf in plain:
        if not leaf.is_nested and leaf.numel() == target.numel() and not leaf.requires_grad:
            given = leaf.detach().to(target.device, target.dtype).reshape(target.shape)
            if torch.allclose(given, target, rtol=ROUNDED, atol=ROUNDED * float(given.abs().max())):
                return given
    return None


def _divided_square(node: Any) -> tuple[Any, Any, Any] | None:
    """The squared differences that this node divides by something that depends on parameters, or multiplies with it: the node
    of the squares, the differences, and the node of these."""
    factors = before(node)
    if operation(node) not in ("Div", "Mul") or len(factors) != PAIR or factors[0] is factors[1]:
        return None
    for factor in factors:
        at = through(factor)
        for _ in range(DIVIDING):
            if at is None or is_square(at) or operation(at) not in ("Neg", "Mul", "Div") or not _by_number(at, before(at)):
                break
            at = through(before(at)[0])
        made = subtraction(at) if at is not None and is_square(at) else None
        if made is not None:
            return at, saved(at, "self"), made
    return None


def _square_of_quotient(power: Any) -> tuple[Any, Any, Any] | None:
    """The same for differences that were divided before they were squared."""
    quotient = through(before(power)[0]) if is_square(power) else None
    if quotient is None or operation(quotient) != "Div" or len(before(quotient)) != PAIR:
        return None
    made, value, by = through(before(quotient)[0]), saved(power, "self"), saved(quotient, "other")
    if made is None or operation(made) not in SUBTRACTIONS or len(before(made)) != 1 or value is None or by is None:
        return None
    return made, value * by, made


def _by_number(node: Any, following: list[Any]) -> bool:
    """Whether a node multiplies or divides by a single number, or changes the sign."""
    by = [saved(node, name) for name in ("self", "other")] if operation(node) != "Neg" else []
    return len(following) == 1 and all(t is None or t.numel() == 1 for t in by)
