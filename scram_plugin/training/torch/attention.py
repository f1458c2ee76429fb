"""Scores of attention whose softmax goes along another axis than the sum that follows, or mixes the examples; read from the
autograd graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import torch

from scram_plugin.training.torch.axes import nodes, sizes_of_result
from scram_plugin.training.torch.graph import before, operation, signed, through

NEAR = 12  # nodes between a softmax and a product, or a product and a softmax, at most
SEVERAL = 3  # choices of a first step; by definition
BEHIND = 8  # operations between a softmax and the choice of one of its results; source: torch.distributions
KEEPING = ("View", "UnsafeView", "ReshapeAlias", "Expand", "Clone", "ToCopy", "Dropout", "NativeDropout", "Alias", "Contiguous")
SCALING = ("Mul", "Div", "Add", "Sub", "MaskedFill", "Where", "Neg")
MOVING = ("Transpose", "Permute", "T")
LAST_TWO = (-1, -2)
OF_MANY = 3  # axes of many matrices that `bmm` multiplies


def over_queries(loss: torch.Tensor) -> list[dict[str, Any]]:
    """The softmaxes of products of a sequence with itself whose results are summed, weighted, along the other axis."""
    found, products = [], list[tuple[Any, int]]()
    for node in nodes(loss):
        if operation(node) not in ("Bmm", "Mm") or len(before(node)) != 2:
            continue
        (left, _), (right, _) = node.next_functions
        operands = [(left, -1), (right, -2)]  # with the axis that the product sums along
        weights = [made for operand, axis in operands if (made := _softmax(operand, axis)) is not None]
        if len(weights) == 1:  # a product of two softmaxes has other rules (Seo et al., 2017)
            products += weights
    uses = Counter(softmax for softmax, _ in products)
    for softmax, summed in products:
        sizes, axis = sizes_of_result(softmax) or [], getattr(softmax, "_saved_dim", None)
        if len(sizes) < 2 or axis is None or sizes[-1] != sizes[-2] or sizes[-1] < 2 or uses[softmax] > 1:
            continue
        along = _from_end(axis, len(sizes))
        if along in LAST_TWO and along != summed and _is_product(softmax):
            found.append({"operation": "queries", "from": sizes, "to": sizes})
    return found[:1]


def over_examples(loss: torch.Tensor) -> list[dict[str, Any]]:
    """The softmaxes along the first axis of products of many matrices: each of these belongs to another example, or head."""
    found = []
    for node in nodes(loss):
        sizes = sizes_of_result(node) if operation(node) == "Softmax" else None
        if sizes is None or len(sizes) != OF_MANY or min(sizes) < 2 or _from_end(node._saved_dim, OF_MANY) != -OF_MANY:
            continue
        if _is_product(node) and _in_place(node):
            found.append({"operation": "softmax", "from": sizes, "to": sizes})
    return found[:1]


def over_one_example(loss: torch.Tensor) -> list[dict[str, Any]]:
    """A softmax along the first axis of values for one example, (1, classes), of which one is chosen, as a policy chooses an
    action: each of its results is 1. Several times, and of one example each: a number of candidates may be 1 by chance."""
    found = []
    for node in nodes(loss):
        at = node if operation(node) == "Gather" else None
        for _ in range(BEHIND):
            at = next(iter(before(at)), None) if at is not None else None
            if at is None or operation(at) not in ("Log", "Clamp", "Div", "Sub", "Where", *KEEPING):
                break
        sizes = sizes_of_result(at) if at is not None and operation(at) in ("Softmax", "LogSoftmax") else None
        if at is None or not sizes or len(sizes) != 2 or _from_end(at._saved_dim, 2) != -2:
            continue
        found.append(sizes)
    alone = len(found) >= SEVERAL and all(rows == 1 < columns for rows, columns in found)
    return [{"operation": "alone", "from": found[0], "to": found[0]}] if alone else []


def over_batch(loss: torch.Tensor, firsts: Collection[int]) -> list[dict[str, Any]]:
    """The softmaxes along the first axis of scores whose results weigh what is summed along another one: the weights of an
    example, (batch, positions), are those of its own positions.

    `firsts`: the first sizes of inputs and targets, of which one is the batch: groups, (groups, batch), are no examples.
    """
    found = []
    for node in nodes(loss):
        name, given = operation(node), before(node)
        if name == "Bmm" and len(given) == 2:
            weights = given
        elif name == "Sum" and [signed(axis) for axis in getattr(node, "_saved_dim", None) or [0]] in ([1], [-2]):
            product = given[0] if given else None
            weights = before(product) if product is not None and operation(product) == "Mul" else []
        else:
            continue
        shared = [sizes for one in weights if (sizes := _shared_weights(one)) is not None]
        found += [{"operation": "softmax", "from": sizes, "to": sizes} for sizes in shared if sizes[0] in firsts]
        # (examples, queries, 1) times (examples, 1, values): attention to one vector, as that of a class or a picture
        to_one = name == "Bmm" and (sizes_of_result(given[0]) or [0])[-1] == 1
        single = [] if to_one else [sizes for one in weights if (sizes := _weights_of_one(one)) is not None]
        found += [{"operation": "one", "from": sizes, "to": sizes} for sizes in single]
    return found[:1]


def _shared_weights(node: Any) -> list[int] | None:
    """The sizes of weights, (examples, positions) or (examples, positions, 1), that are a softmax along the examples."""
    softmax, sizes = _weights(node)
    if len(sizes) not in (OF_MANY - 1, OF_MANY) or min(sizes[:2]) < 2 or max(sizes[2:], default=1) > 1:
        return None
    return sizes if _from_end(softmax._saved_dim, len(sizes)) == -len(sizes) else None


def _weights_of_one(node: Any) -> list[int] | None:
    """The sizes of weights, (examples, positions, 1), that are a softmax along the last axis: each of them is 1."""
    softmax, sizes = _weights(node)
    if len(sizes) != OF_MANY or sizes[1] < 2 or sizes[2] != 1:
        return None
    return sizes if _from_end(softmax._saved_dim, OF_MANY) == max(LAST_TWO) else None


def _weights(node: Any) -> tuple[Any, list[int]]:
    """The softmax that made weights, and their sizes; none of these for other values."""
    while node is not None and operation(node) in ("Unsqueeze", "Mul", *KEEPING):  # a dropout multiplies by numbers
        node = following[0] if len(following := [n for n in before(node) if n is not None]) == 1 else None
    sizes = sizes_of_result(node) if node is not None and operation(node) == "Softmax" else None
    return node, sizes or []


def _in_place(softmax: Any) -> bool:
    """Whether the axes of a softmax are those of the product that it is taken of: none was moved between them."""
    made, node = sizes_of_result(softmax), next(iter(before(softmax)), None)
    for _ in range(NEAR):
        if node is None or sizes_of_result(node) != made or operation(node) in MOVING:
            return False
        if operation(node) == "Bmm":
            return True
        node = next(iter(before(node)), None)
    return False


def _from_end(axis: int, axes: int) -> int:
    """An axis as its distance from the end, as the last one is -1."""
    known = signed(axis) or 0
    return known if known < 0 else known - axes


def _softmax(node: Any, axis: int) -> tuple[Any, int] | None:
    """The softmax that made an operand of a product, and which of its axes the product sums along; None without one."""
    for _ in range(NEAR):
        if node is None:
            return None
        name = operation(node)
        if name == "Softmax":
            return node, axis
        if name == "Transpose":
            sizes = sizes_of_result(node) or []
            swapped = {_from_end(getattr(node, f"_saved_dim{i}", 0), len(sizes)) for i in (0, 1)}
            if axis in swapped and swapped != set(LAST_TWO):
                return None
            axis = next(iter(swapped - {axis})) if axis in swapped else axis
        elif name == "T":
            axis = -3 - axis
        elif name not in KEEPING or not _keeps_last_two(node):
            return None
        node = node.next_functions[0][0]
    return None


def _keeps_last_two(node: Any) -> bool:
    given = getattr(node, "_saved_self_sym_sizes", None)
    made = sizes_of_result(node)
    return given is None or made is None or [int(n) for n in given][-2:] == made[-2:]


def _is_parameter(node: Any) -> bool:
    made = through(node)
    return made is not None and operation(made).endswith("AccumulateGrad")


def _is_product(softmax: Any) -> bool:
    """Whether a softmax is that of the products of queries and keys, scaled and masked or not."""
    node = next(iter(before(softmax)), None)
    for _ in range(NEAR):
        node = through(node)
        if node is None:
            return False
        name, given = operation(node), before(node)
        if name in ("Bmm", "Mm"):
            return len(given) == 2 and not any(_is_parameter(n) for n in given)
        if name not in SCALING or not given:
            return False
        node = given[0]
    return False
