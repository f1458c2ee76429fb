"""Losses that a program writes itself: the mean of squared or absolute differences. And what the graph tells of any difference
between predictions and targets: shapes that give all pairs, and an activation that the targets exceed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.axes import nodes, sizes_of_result
from scram_plugin.training.torch.graph import (
    ACTIVATIONS,
    DISTANCES,
    LIKELIHOOD,
    NEAR,
    Loss,
    before,
    kept,
    operation,
    saved,
    through,
)

BOUNDED = ("relu", "relu6", "tanh", "sigmoid", "softplus", "softmax")  # activations that outputs have on purpose
MOST_SORTED = 1 << 20  # targets whose quartiles are taken; PyTorch sorts 16 million at most
SUBTRACTIONS = ("Sub", "Rsub")
COMBINING = (*SUBTRACTIONS, "Add", "Mul", "Div", "BinaryCrossEntropyWithLogits", "BinaryCrossEntropy", "Expand")
FOR_CLASSES, MOST_CLASSES = 24, 50  # targets that are needed, and classes at most
EVEN, UNEVEN = 2.0, 4.0  # times the mean number of examples of a class: the most common one at most; the rarest, as a divisor
LINEAR = ("Addmm", "Linear", "Mm", "Bmm", "Convolution", "ConvolutionOverrideable")
OF_PROBABILITIES = ("Clamp", "ClampMax", "Gather", "Index", "Rsub")  # what a program does with probabilities before a logarithm
NODES = 200  # between the loss and the outputs, that are looked at
SQUARED = 2  # exponent, or number of equal factors


def written(loss: torch.Tensor, outputs: Any) -> list[Loss]:
    """The means of squared or absolute differences from constants of which `loss` is the sum, or the only one.

    Their targets and predictions are known where the differences are of outputs of the model themselves.
    """
    found, waiting, seen = [], deque([loss.grad_fn] if loss.grad_fn is not None else []), 0
    while waiting and seen < NEAR:
        node = waiting.popleft()
        seen += 1
        if operation(node) in ("Add", "Mul", "Div"):
            waiting.extend(before(node))
        else:
            found += _mean_of_differences(node, outputs)
    return found


def _mean_of_differences(mean: Any, outputs: Any) -> list[Loss]:
    power = _one_before(mean) if operation(mean) == "Mean" else None
    node = subtraction(power) if power is not None else None
    if power is None or node is None:
        return []
    name = "L1Loss" if operation(power) == "Abs" else "MSELoss"
    return [Loss(name, power, *compared(saved(power, "self"), node, outputs))]


def compared(difference: Any, node: Any, outputs: Any) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The target and the prediction of which `node` made `difference`; None where the prediction is no output of the model."""
    made = through(_one_before(node))
    output = next((t for t in leaves(outputs) if isinstance(t, torch.Tensor) and made in (t.grad_fn, through(t.grad_fn))), None)
    if output is None or not isinstance(difference, torch.Tensor) or output.numel() != difference.numel():
        return None, None
    prediction = output.detach().reshape(difference.shape)
    of_first = (node.next_functions[0][0] is not None) == (operation(node) == "Sub")
    return prediction - difference.detach() if of_first else prediction + difference.detach(), prediction


def subtraction(power: Any) -> Any:
    """The node of the differences of which this node computes squares or absolute values; None if it does something else, or
    both operands depend on parameters."""
    factors = before(power)
    if not factors or not (is_square(power) or operation(power) == "Abs"):
        return None
    found = through(factors[0])
    # the other operand is a constant
    return found if found is not None and operation(found) in SUBTRACTIONS and _one_before(found) is not None else None


def is_square(node: Any) -> bool:
    """Whether a node multiplies values by themselves."""
    factors, exponent = before(node), kept(node, "exponent") if operation(node) == "Pow" else None
    return (isinstance(exponent, int | float) and exponent == SQUARED) or (
        operation(node) == "Mul" and len(factors) == SQUARED and factors[0] is factors[1]
    )


def _predictions(loss: Loss) -> Any:
    """The node of the predictions that a loss compares, before they were repeated for all targets."""
    at = _first(loss)
    if at is not None and (node := subtraction(loss.node)) is not None:
        return _one_before(node)
    while at is not None and operation(at) == "Expand":
        at = _one_before(at)
    return at


def shapes(losses: Iterable[Loss]) -> dict[str, list[int]]:
    """The shapes of the predictions (``output``) and of the differences (``compared``) of a loss that compares more pairs than
    there are predictions; empty where none does."""
    for loss in losses:
        at = _predictions(loss) if loss.name in DISTANCES else None
        given = sizes_of_result(at) if at is not None else None
        node = subtraction(loss.node) if at is not None else None
        made = None if loss.prediction is None else list(loss.prediction.shape)
        made = made if node is None else sizes_of_result(node)
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
        # examples that are compared with each other depend on parameters on both sides
        single = _one_before(node) if made and operation(node) in COMBINING else None
        after, sizes = (sizes_of_result(at) if single is not None else None for at in (node, single))
        if after and sizes and _repeats(sizes, after, len(made[0])):
            return {"output": sizes, "compared": after}
        if node not in ends:
            waiting.extend(before(node))
    return {}


def _repeats(given: list[int], made: list[int], examples: int) -> bool:
    """Whether each of so many predictions of several numbers was combined with all of them."""
    rows = len(made) > SQUARED and made[0] == made[1] == examples > 1
    return rows and given in (made[1:], [made[0], 1, *made[2:]])


def _all_pairs(given: list[int], made: list[int]) -> bool:
    """Whether so many predictions, one for each example, became as many rows as columns."""
    return len(made) > 1 and made[-1] == made[-2] == math.prod(given) > 1


def exceeded(losses: Sequence[Loss], outputs: Any) -> list[dict[str, Any]]:
    """For each difference whose predictions come out of an activation: its name, and the smallest and the largest target.

    A target of a normal distribution may lie beyond a mean that is bounded: there the quartiles count. Of outputs for several
    actions, those of one action each may be compared.
    """
    found = []
    made_by = {through(t.grad_fn) for t in leaves(outputs) if isinstance(t, torch.Tensor)}
    for loss in losses:
        if loss.name not in (*DISTANCES, LIKELIHOOD) or loss.target is None or not loss.target.numel():
            continue
        at = through(_predictions(loss))
        if at is not None and operation(at) == "Gather":
            at = through(next(iter(before(at)), None))
            if at not in made_by:
                continue
        elif not loss.of_outputs and not _is_shaped_as(loss.prediction, outputs):
            continue  # features of a layer in between
        name = ACTIVATIONS.get(operation(at)) if at is not None else None
        if name is not None and is_usual(at) and (len(losses) == 1 or name in BOUNDED):  # others may be of features
            values = loss.target.float().flatten()
            ends = torch.aminmax(values)
            if loss.name == LIKELIHOOD:
                ends = values[:MOST_SORTED].quantile(torch.tensor([0.25, 0.75], device=values.device))
            least, most = (float(value) for value in ends)
            found.append({"activation": name, "least": least, "most": most})
    return found


def _is_shaped_as(prediction: torch.Tensor | None, outputs: Any) -> bool:
    """Whether predictions may be outputs of another call of the model."""
    shapes = [t.shape[1:] for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.dim()]
    return prediction is not None and prediction.dim() > 0 and prediction.shape[1:] in shapes


def is_usual(activation: Any) -> bool:
    """Whether an activation has the range of its name: a hard tanh may have any bounds, and an ELU, as SELU is, another one."""
    usual = {"_saved_alpha": 1.0, "_saved_min_val": 0.0, "_saved_max_val": 6.0}
    if operation(activation) == "Threshold":  # that of a softplus says where it counts as linear
        usual["_saved_threshold"] = 0.0
    return all(getattr(activation, name, value) == value for name, value in usual.items())


def raw(losses: Iterable[Loss]) -> list[str]:
    """The losses of probabilities or their logarithms that get the numbers of a linear layer, cut at 0 and 1 or not."""
    found: dict[str, None] = {}
    for loss in losses:
        at = through(_first(loss))
        if loss.name == "BCELoss" and at is not None and operation(at).startswith("Clamp") and _at_most_one(at):
            at = through(next(iter(before(at)), None))
        if loss.name in ("NLLLoss", "BCELoss") and at is not None and operation(at) in LINEAR:
            found[loss.name] = None
    return list(found)


def raw_logarithms(loss: torch.Tensor) -> list[str]:
    """Logarithms of the numbers of a linear layer that the program uses as probabilities: it cuts them at 1, chooses that of
    the label, or subtracts them from 1."""
    found: dict[str, None] = {}
    for node in nodes(loss):
        at, used = next(iter(before(node)), None) if operation(node) == "Log" else None, set()
        for _ in range(NEAR):
            at = through(at)
            if at is None or operation(at) not in (*OF_PROBABILITIES, "Add") or len(before(at)) != 1:
                break
            if operation(at) != "Add" and (not operation(at).startswith("Clamp") or _at_most_one(at)):
                used.add(operation(at))
            at = before(at)[0]
        if at is not None and operation(at) in LINEAR and used:
            found["log(1 - p)" if "Rsub" in used else "log(p)"] = None
    return list(found)


def _at_most_one(clamp: Any) -> bool:
    most = getattr(clamp, "_saved_max", None)
    return isinstance(most, int | float) and most <= 1


def class_numbers(losses: Iterable[Loss]) -> int:
    """How many classes the targets of a difference of single numbers may be the numbers of: whole numbers from 0 on, nearly as
    many of each. 0 where they are other numbers."""
    for loss in losses:
        target, prediction = loss.target, loss.prediction
        if loss.name not in DISTANCES or target is None or prediction is None or target.numel() != prediction.numel():
            continue
        one_each = len(target) == target.numel() >= FOR_CLASSES
        if not one_each or bool((target != target.round()).any()) or float(target.min()) != 0:
            continue
        counts = torch.bincount(target.flatten().long()).float() if float(target.max()) < MOST_CLASSES else torch.zeros(1)
        share = len(counts) / target.numel()
        if len(counts) > SQUARED and bool(counts.max() * share <= EVEN) and bool(counts.min() * share >= 1 / UNEVEN):
            return len(counts)
    return 0


def _first(loss: Loss) -> Any:
    """The node of what a loss takes; None if it is not known."""
    return next(iter(before(loss.node)), None) if loss.node is not None else None


def _one_before(node: Any) -> Any:
    """The node before one that has a single one; None for others."""
    found = before(node)
    return found[0] if len(found) == 1 else None
