"""Operations of one step that mix what should stay apart: examples of a batch, time steps, and sums with means. All is read
from the autograd graph of the first loss."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.graph import (
    CHOOSING,
    DISTANCES,
    OPERATIONS,
    along,
    before,
    kept,
    operation,
    saved,
    signed,
    through,
)

FIRST_OF_TWO = (0, -2, 2**64 - 2)  # the first axis of two, as a node may store it
NEAR_SCORES = 3  # operations between a product of queries and keys and what follows it
LAST = 2**64 - 1  # the last axis, as a node may store it
# operation -> the one before it that is its own first half
TWICE = {
    **dict.fromkeys(("LogSoftmax", "Softmax", "Logsumexp"), "Softmax"),
    **dict.fromkeys(("BinaryCrossEntropyWithLogits", "Sigmoid"), "Sigmoid"),
}
ELEMENTWISE = (*DISTANCES, "BCELoss", "BCEWithLogitsLoss")
ROUNDED_SUM = 0.01  # absolute, of values that sum to 1
PIXELWISE = ("BinaryCrossEntropy", "MseLoss", "L1Loss", "SmoothL1Loss")
MOST_SUMMANDS = 16  # nodes of a sum that are searched for an exponential
LEAST_DIVISOR = 4  # a power of two, as numbers of batches are; a half may be part of a squared error
ROUNDING = 1e-6  # relative, of float32
MOST_PARTS = 64  # nodes from the loss to its parts, at most
MOST_NODES = 5_000  # of the graph that are looked at
SHOWN = 8  # operations of each kind that are kept
REDUCED = {1: "mean", 2: "sum"}  # as the node of a loss stores it


def nodes(loss: torch.Tensor, most: int = MOST_NODES) -> Iterator[Any]:
    """The nodes of the graph of a loss, the nearest first."""
    return behind(loss.grad_fn, most)


def behind(node: Any, most: int = MOST_NODES) -> Iterator[Any]:
    """A node and those whose results it depends on, the nearest first."""
    waiting, seen = [node], set[Any]()
    while waiting and len(seen) < most:
        following = []
        for one in waiting:
            if one is None or one in seen or len(seen) >= most:
                continue
            seen.add(one)
            yield one
            following += before(one)
        waiting = following


def chooses(loss: torch.Tensor, outputs: Any) -> bool:
    """Whether the loss takes a softmax of the model's outputs themselves."""
    made = {through(t.grad_fn) for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.grad_fn is not None}
    softmaxes = (node for node in nodes(loss) if operation(node) in ("Softmax", "LogSoftmax"))
    return any(through(next(iter(before(node)), None)) in made for node in softmaxes)


def wrong_axes(loss: torch.Tensor, batch: int | None, outputs: Any = None) -> list[dict[str, Any]]:
    """A softmax along the first axis of a tensor with one row for each of `batch` examples, or of outputs with a single row,
    along the width of an image or the positions of a sequence; outputs that are normalised along the batch; and a view that
    gives two axes each other's length."""
    given = [t for t in leaves(outputs) if isinstance(t, torch.Tensor)]
    made_by = [through(t.grad_fn) for t in given]
    # a model that gives one number for each example may compare the examples with each other
    least = 2 if any(t.dim() == 1 for t in given) else 1
    found = [{"operation": "norm", "from": rows, "to": rows} for node in made_by if (rows := _normed_rows(node))]
    taken = {through(next(iter(before(node)), None)) for node in nodes(loss) if operation(node) == "NllLoss"}
    compared = {through(next(iter(before(node)), None)): node for node in nodes(loss) if operation(node) in PIXELWISE}
    # what becomes the rows of a cross-entropy: channels of maps do not stand last, where its classes are
    classified = {next(iter(before(rows)), None) for rows in taken if rows is not None and operation(rows) == "LogSoftmax"}
    for node in nodes(loss):
        name = operation(node)
        made = sizes_of_result(node)
        if name in ("Softmax", "LogSoftmax"):
            axis = getattr(node, "_saved_dim", None)
            first = axis == 0 or (axis in FIRST_OF_TWO and made is not None and len(made) == 2)
            every = made is not None and len(made) > least and made[0] == batch and min(made[:2]) > 1
            if first and made and (every or (len(made) == 2 and made[0] == 1 < made[1] and node in made_by and node in taken)):
                found.append({"operation": "softmax", "from": made, "to": made})
            elif made and (_over_width(node, axis, made) or (node in compared and _is_map(node, axis, made, compared[node]))):
                found.append({"operation": "width", "from": made, "to": made})
        elif name == "NllLoss" and (made := _over_time(node)):
            found.append({"operation": "time", "from": made, "to": made})
        elif name == "NllLoss2D" and (made := _over_positions(node)):
            found.append({"operation": "positions", "from": made, "to": made})
        elif name in ("View", "UnsafeView", "ReshapeAlias"):
            given = [int(n) for n in getattr(node, "_saved_self_sym_sizes", ())]
            if given and made and (swapped(given, made) or (node in classified and _channels_as_classes(given, made))):
                found.append({"operation": "view", "from": given, "to": made})
    return found[:SHOWN]


def _is_map(node: Any, axis: int | None, made: list[int], compared: Any) -> bool:
    """Whether a softmax of a convolution goes along the width or height of maps of one channel, whose targets do not sum to 1
    there."""
    given, target = next(iter(before(node)), None), saved(compared, "target")
    one = len(made) == 4 and made[1] == 1 < min(made[2:]) and axis in (2, 3, LAST, LAST - 1)
    if not one or axis is None or given is None or operation(given) != "Convolution" or target is None or target.dim() != 4:
        return False
    sums = target.float().sum(signed(axis))
    return bool((sums - 1).abs().max() > ROUNDED_SUM)


def _over_width(node: Any, axis: int | None, made: list[int]) -> bool:
    """Whether a softmax of the outputs of a convolution, (examples, channels, height, width), goes along the last axis; not of
    scores of attention, which a convolution may mix."""
    given = next(iter(before(node)), None)
    if (
        len(made) != 4
        or axis not in (3, LAST)
        or min(made[1], made[3]) < 2
        or given is None
        or operation(given) != "Convolution"
    ):
        return False
    scores: Any = next(iter(before(given)), None)
    for _ in range(NEAR_SCORES):
        scores = through(scores)
        if scores is None or operation(scores) == "Bmm":
            break
        scores = next(iter(before(scores)), None)
    return scores is None or operation(scores) != "Bmm"


def _over_time(node: Any) -> list[int]:
    """The shape (examples, positions, classes) of a log-softmax along the positions, whose result a loss takes with the classes
    as its last axis; empty for others."""
    taken, given = saved(node, "self"), through(next(iter(before(node)), None))
    made = sizes_of_result(given) if given is not None and operation(given) == "LogSoftmax" else None
    if made is None or len(made) != 3 or getattr(given, "_saved_dim", None) != 1 or not isinstance(taken, torch.Tensor):
        return []
    flat = [made[0] * made[1], made[2]]
    return made if list(taken.shape) == flat and min(made[1:]) > 1 and flat != made[:2] else []


def _over_positions(node: Any) -> list[int]:
    """The shape (examples, classes, positions) of a log-softmax along the positions, of which a loss takes the second axis for
    that of the classes; empty for others."""
    taken, given = saved(node, "self"), through(next(iter(before(node)), None))
    made = sizes_of_result(given) if given is not None and operation(given) == "LogSoftmax" else None
    if made is None or len(made) != 3 or not isinstance(taken, torch.Tensor) or min(made[1:]) < 2 or made[1] == made[2]:
        return []
    return made if list(taken.squeeze(2).shape) == made and getattr(given, "_saved_dim", None) in (2, LAST) else []


def _normed_rows(output: Any) -> list[int]:
    """The shape of a matrix, the output of a model, each of whose columns was divided by its own norm, as by `normalize` along
    the first axis; empty for others."""
    inputs = [n for n, _ in output.next_functions] if output is not None and operation(output) == "Div" else []
    node = inputs[1] if len(inputs) > 1 else None
    while node is not None and operation(node) in ("Expand", "ClampMin", "Clamp"):
        node = next(iter(before(node)), None)
    if node is None or operation(node) != "LinalgVectorNorm":
        return []
    given, axes = saved(node, "self"), getattr(node, "_saved_dim", None)
    of = next(iter(before(node)), None)
    centred = of is None or operation(of) == "Sub"  # along the batch on purpose, as for a correlation
    if centred or not isinstance(given, torch.Tensor) or given.dim() != 2:
        return []
    first = axes is not None and len(axes) == 1 and axes[0] in FIRST_OF_TWO
    return list(given.shape) if first and min(given.shape) > 1 else []


def applied_twice(loss: torch.Tensor) -> list[str]:
    """Activations whose result goes straight into another one of the same kind: a softmax before a log-softmax, a sigmoid
    before the loss that applies it."""
    found: dict[str, None] = {}
    for node in nodes(loss):
        *_, first = None, *along(next(iter(before(node)), None), CHOOSING)
        if first is not None and operation(first) == TWICE.get(operation(node)):
            found[operation(first).lower()] = None
    return list(found)


def swapped(before: list[int], after: list[int]) -> bool:
    """Whether a view has the axes of `before` in another order, as a transposition would: ``(2, 3, 4)`` to ``(3, 2, 4)``, or to
    ``(3, 8)``."""
    for i, (one, two) in enumerate(itertools.pairwise(before)):
        others = before[i + 2 :]
        apart, joined = [*before[:i], two, one, *others], [*before[:i], two, one * math.prod(others)]
        if one != two and min(one, two) > 1 and (after == apart or (others and after == joined)):
            return True
    return False


def _channels_as_classes(before: list[int], after: list[int]) -> bool:
    """Whether maps, (examples, classes, height, width), become rows of as many classes without their axis moved to the end."""
    return len(before) > len(after) and math.prod(before[2:]) > 1 and before[1:2] == after[1:] != before[-1:]


def sizes_of_result(node: Any) -> list[int] | None:
    given = getattr(node, "_input_metadata", None)  # of the gradient that the node gets; PyTorch before 2.2 does not tell it
    try:
        if given:
            return [int(n) for n in given[0].shape]
    except (AttributeError, RuntimeError, TypeError, IndexError):
        pass
    made = saved(node, "result")  # where blocks are computed again, reading it computes them
    return list(made.shape) if made is not None else None


def reductions(loss: torch.Tensor) -> list[dict[str, Any]]:
    """The parts of a loss that is a sum: of which shape each one is reduced, how, and by which constant it is multiplied.

    `elementwise`: it is a mean or sum of single numbers, not of the losses of examples. `each`: the shape of which the sums of
    examples are reduced first; only where exponentials are among the summands, as in a divergence of normal distributions.
    """
    found: list[dict[str, Any]] = []
    waiting, seen = [(loss.grad_fn, 1.0)], 0
    while waiting and seen < MOST_PARTS:
        node, factor = waiting.pop(0)
        seen += 1
        if node is None:
            continue
        name, following = operation(node), before(node)
        if name in OPERATIONS:
            taken = saved(node, "self")
            how = REDUCED.get(getattr(node, "_saved_reduction", 1))
            if isinstance(taken, torch.Tensor) and how is not None:
                found.append(
                    {"how": how, "shape": list(taken.shape), "factor": factor, "elementwise": OPERATIONS[name] in ELEMENTWISE}
                )
        elif name in ("Mean", "Sum"):
            sizes = [int(n) for n in getattr(node, "_saved_self_sym_sizes", ())]
            if sizes and not _is_penalty(node):
                each = _summed_each(node if name == "Sum" else following[0]) if following else []
                found.append(
                    {
                        "how": name.lower(),
                        "shape": sizes,
                        "factor": factor,
                        "elementwise": not each or name == "Sum",
                        "each": each,
                    }
                )
        elif name in ("Add", "Sub", "Rsub", "Neg") or (name in ("Mul", "Div") and len(following) == 1):
            waiting += [(n, factor * scale(node, name)) for n in following]
    return found[:SHOWN] if len(found) > 1 else []


def _is_penalty(node: Any) -> bool:
    """Whether this is the sum or mean of the squares or sizes of one parameter."""
    power = through(next(iter(before(node)), None))
    of = {id(n): n for n in before(power)} if power is not None and operation(power) in ("Pow", "Mul", "Abs") else {}
    return len(of) == 1 and operation(next(iter(of.values()))).endswith("AccumulateGrad")


def _summed_each(node: Any) -> list[int]:
    """The shape that sums of examples are reduced from, if this is such a sum times a constant, with exponentials in it."""
    while operation(node) in ("Mul", "Div", "Neg", "Squeeze") and len(following := before(node)) == 1:
        node = following[0]
    if operation(node) != "Sum":
        return []
    waiting, seen = [node], 0
    while waiting and seen < MOST_SUMMANDS:
        at = waiting.pop(0)
        seen += 1
        if operation(at) == "Exp":
            return [int(n) for n in getattr(node, "_saved_self_sym_sizes", ())]
        waiting += before(at)
    return []


def factor(loss: torch.Tensor) -> float:
    """The product of the constants by which a loss is multiplied last."""
    found, node = 1.0, loss.grad_fn
    for _ in range(SHOWN):
        following = before(node) if node is not None else []
        if node is None or operation(node) not in ("Mul", "Div") or len(following) != 1:
            break
        found *= scale(node, operation(node))
        node = following[0]
    return found


def divisor(loss: torch.Tensor) -> int:
    """The power of two, from `LEAST_DIVISOR` on, by which a mean of a batch is divided last, as for accumulation; or 0.

    What is multiplied by the same number before, as in ``softplus(4 * x).mean() / 4``, has no other size by that.
    """
    node = loss.grad_fn
    following = before(node) if node is not None and operation(node) == "Div" else []
    if len(following) != 1:
        return 0
    name, by = operation(following[0]), 1 / scale(node, "Div")
    mean = name == "Mean" or (name in OPERATIONS and REDUCED.get(getattr(following[0], "_saved_reduction", 1)) == "mean")
    whole = round(by)
    of_two = whole >= LEAST_DIVISOR and whole & (whole - 1) == 0
    if not (mean and of_two and abs(by - whole) < ROUNDING * whole):
        return 0
    inner = before(following[0])
    while len(inner) == 1:
        if abs(scale(inner[0], operation(inner[0])) - whole) < ROUNDING * whole:
            return 0
        inner = before(inner[0])
    return whole


def scale(node: Any, name: str) -> float:
    """The constant by which a node multiplies."""
    if name not in ("Mul", "Div"):
        return 1.0
    value = kept(node, "other")
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or value.requires_grad:
        return 1.0
    number = float(value)
    return number if name == "Mul" else 1.0 / number if number else 1.0
