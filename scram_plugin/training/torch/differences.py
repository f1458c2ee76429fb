"""Losses that a program writes itself: the mean of squared or absolute differences. And what the graph tells of any difference
between predictions and targets: shapes that give all pairs, and an activation that the targets exceed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.axes import sizes_of_result
from scram_plugin.training.torch.graph import ACTIVATIONS, NEAR, PASSING, Loss, operation

DISTANCES = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
SUBTRACTIONS = ("Sub", "Rsub")
ELEMENTWISE = (*SUBTRACTIONS, "Add", "Mul", "Div", "BinaryCrossEntropyWithLogits", "BinaryCrossEntropy", "Expand")
FOR_CLASSES, MOST_CLASSES = 24, 50  # targets that are needed, and classes at most
EVEN, UNEVEN = 2.0, 4.0  # times the mean number of examples of a class: the most common one at most; the rarest, as a divisor
LINEAR = ("Addmm", "Linear", "Mm", "Bmm", "Convolution", "ConvolutionOverrideable")
NODES = 200  # between the loss and the outputs, that are looked at
SQUARED = 2  # exponent, or number of equal factors


def written(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The means of squared or absolute differences from constants of which `loss` is the sum, or the only one.

    Their targets and predictions are known where the differences are of outputs of the model themselves.
    """
    found, waiting, seen = [], deque([loss.grad_fn]), 0
    while waiting and seen < NEAR:
        node = waiting.popleft()
        seen += 1
        if node is None:
            continue
        if operation(node) in ("Add", "Mul", "Div"):
            waiting.extend(before for before, _ in node.next_functions)
        else:
            found += _mean_of_differences(node, outputs)
    return found


def _mean_of_differences(mean: Any, outputs: Any) -> list[Loss]:
    power = _one_before(mean) if mean is not None and operation(mean) == "Mean" else None
    subtraction = _subtraction(power) if power is not None else None
    if power is None or subtraction is None:
        return []
    known = Loss("L1Loss" if operation(power) == "Abs" else "MSELoss", power)
    difference, before = getattr(power, "_saved_self", None), _through(_operand(subtraction))
    output = next(
        (t for t in leaves(outputs) if isinstance(t, torch.Tensor) and before in (t.grad_fn, _through(t.grad_fn))), None
    )
    if output is not None and isinstance(difference, torch.Tensor) and output.numel() == difference.numel():
        known.prediction = output.detach().reshape(difference.shape)
        of_first = (subtraction.next_functions[0][0] is not None) == (operation(subtraction) == "Sub")
        known.target = known.prediction - difference.detach() if of_first else known.prediction + difference.detach()
    return [known]


def _subtraction(power: Any) -> Any:
    """The node of the differences of which this node computes squares or absolute values; None if it does something else, or
    both operands depend on parameters."""
    name, before = operation(power), [n for n, _ in power.next_functions if n is not None]
    squared = name == "Pow" and getattr(power, "_saved_exponent", None) == SQUARED
    squared |= name == "Mul" and len(before) == SQUARED and before[0] is before[1]
    if not before or not (squared or name == "Abs"):
        return None
    found = _through(before[0])
    return found if found is not None and operation(found) in SUBTRACTIONS and _operand(found) is not None else None


def _operand(subtraction: Any) -> Any:
    """The node of the one operand that depends on parameters; None if both do."""
    operands = [node for node, _ in subtraction.next_functions if node is not None]
    return operands[0] if len(operands) == 1 else None


def _predictions(loss: Loss) -> Any:
    """The node of the predictions that a loss compares, before they were repeated for all targets."""
    at = next((node for node, _ in loss.node.next_functions if node is not None), None) if loss.node is not None else None
    if at is not None and (subtraction := _subtraction(loss.node)) is not None:
        return _operand(subtraction)
    while at is not None and operation(at) == "Expand":
        at = _one_before(at)
    return at


def shapes(losses: Iterable[Loss]) -> dict[str, list[int]]:
    """The shapes of the predictions (``output``) and of the differences (``compared``) of a loss that compares more pairs than
    there are predictions; empty where none does."""
    for loss in losses:
        at = _predictions(loss) if loss.name in DISTANCES else None
        given = sizes_of_result(at) if at is not None else None
        subtraction = _subtraction(loss.node) if at is not None else None
        made = None if loss.prediction is None else list(loss.prediction.shape)
        made = made if subtraction is None else sizes_of_result(subtraction)
        if given and made and _all_pairs(given, made):
            return {"output": given, "compared": made}
    return {}


def repeated(loss: torch.Tensor, outputs: Any) -> dict[str, list[int]]:
    """The same of any operation between the outputs and the loss that combines each example's prediction of several numbers
    with those of all examples: shapes ``(8, 5, 5)`` and ``(8, 1, 5, 5)`` give ``(8, 8, 5, 5)``."""
    made = [t for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.grad_fn is not None and t.dim()]
    ends, waiting, seen = {t.grad_fn for t in made}, deque([loss.grad_fn]), set[Any]()
    while waiting and len(seen) < NODES:
        node = waiting.popleft()
        if node is None or node in seen:
            continue
        seen.add(node)
        after = sizes_of_result(node)
        for before, _ in node.next_functions:
            sizes = sizes_of_result(before) if before is not None and after and len(after) > SQUARED else None
            # examples that are compared with each other depend on parameters on both sides
            if not sizes or not after or not made or operation(node) not in ELEMENTWISE or _one_before(node) is None:
                continue
            if after[0] == after[1] == len(made[0]) > 1 and sizes in (after[1:], [after[0], 1, *after[2:]]):
                return {"output": sizes, "compared": after}
        if node not in ends:
            waiting.extend(before for before, _ in node.next_functions)
    return {}


def _all_pairs(given: list[int], made: list[int]) -> bool:
    """Whether so many predictions, one for each example, became as many rows as columns."""
    return len(made) > 1 and made[-1] == made[-2] == math.prod(given) > 1


def exceeded(losses: Iterable[Loss]) -> list[dict[str, Any]]:
    """For each difference whose predictions come out of an activation: its name, and the smallest and the largest target."""
    found = []
    for loss in losses:
        if loss.name not in DISTANCES or loss.target is None or not loss.target.numel():
            continue
        at = _through(_predictions(loss))
        name = ACTIVATIONS.get(operation(at)) if at is not None else None
        if name is not None:
            least, most = (float(value) for value in torch.aminmax(loss.target.float()))
            found.append({"activation": name, "least": least, "most": most})
    return found


def raw(losses: Iterable[Loss]) -> list[str]:
    """The losses of probabilities or their logarithms that get the numbers of a linear layer."""
    found: dict[str, None] = {}
    for loss in losses:
        at = _through(next((node for node, _ in loss.node.next_functions if node is not None), None)) if loss.node else None
        if loss.name in ("NLLLoss", "BCELoss") and at is not None and operation(at) in LINEAR:
            found[loss.name] = None
    return list(found)


def class_numbers(losses: Iterable[Loss]) -> int:
    """How many classes the targets of a difference of single numbers may be the numbers of: whole numbers from 0 on, nearly as
    many of each. 0 where they are other numbers."""
    for loss in losses:
        target, prediction = loss.target, loss.prediction
        if loss.name not in DISTANCES or target is None or prediction is None or target.numel() != prediction.numel():
            continue
        if (
            not len(target) == target.numel() >= FOR_CLASSES
            or bool((target != target.round()).any())
            or float(target.min()) != 0
        ):
            continue
        counts = torch.bincount(target.flatten().long()).float() if float(target.max()) < MOST_CLASSES else torch.zeros(1)
        share = len(counts) / target.numel()
        if len(counts) > SQUARED and bool(counts.max() * share <= EVEN) and bool(counts.min() * share >= 1 / UNEVEN):
            return len(counts)
    return 0


def _one_before(node: Any) -> Any:
    """The node before one that has a single one; None for others."""
    before = [n for n, _ in node.next_functions if n is not None]
    return before[0] if len(before) == 1 else None


def _through(node: Any) -> Any:
    """The first node, from this one backwards, that changes values."""
    for _ in range(NEAR):
        if node is None or not PASSING.match(operation(node)) or len(node.next_functions) != 1:
            break
        node = node.next_functions[0][0]
    return node
