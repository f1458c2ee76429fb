"""Operations of one loss whose value or slope is not finite where they are used, read from the autograd graph."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.axes import nodes
from scram_plugin.training.torch.graph import kept, operation, saved

# operation -> (its name for the user, what it saved, whether a zero in it is where value or slope is infinite)
ROOTS = {
    "Sqrt": ("a square root", "result"),
    "LinalgVectorNorm": ("a norm", "result"),
    "Norm": ("a norm", "result"),
    "Std": ("a standard deviation", "result"),
    "Log": ("a logarithm", "self"),
    "Log2": ("a logarithm", "self"),
    "Log10": ("a logarithm", "self"),
    "Div": ("a division", "other"),
    "Reciprocal": ("a division", "self"),
    "Rsqrt": ("an inverse square root", "result"),
}
SHOWN = 4
UNITS = 128  # results of a ReLU: fewer may all be 0 by chance


def at_zero(loss: torch.Tensor) -> list[str]:
    """What is taken of zero, or of no values at all, before this loss: names such as "a square root of 0"."""
    found: dict[str, None] = {}
    for node in nodes(loss):
        name = operation(node)
        if name == "Mean" and 0 in [int(n) for n in getattr(node, "_saved_self_sym_sizes", (1,))]:
            found["a mean of no values"] = None
        elif name in ("NllLoss", "NllLoss2D") and _total(node) == 0:
            found["a mean over targets that are all ignored"] = None
        elif name in ROOTS:
            said, where = ROOTS[name]
            values = saved(node, where)
            if values is not None and values.numel() and _zero(name, values):
                found["a division by 0" if name in ("Div", "Reciprocal") else f"{said} of 0"] = None
        elif name == "Pow":
            values, exponent = saved(node, "self"), kept(node, "exponent")
            if isinstance(exponent, int | float) and 0 < exponent < 1 and values is not None and bool((values == 0).any()):
                found["a root of 0"] = None
    return list(found)[:SHOWN]


def unguarded(loss: torch.Tensor) -> list[str]:
    """Roots, norms, logarithms and divisions by tensors, before this loss, of values to which nothing was added."""
    found: dict[str, None] = {}
    for node in nodes(loss):
        name = operation(node)
        if name in ROOTS and name != "Div":
            before = next((n for n, _ in node.next_functions if n is not None), None)
            if before is None or operation(before) not in ("Add", "Clamp", "ClampMin", "Maximum", "Softmax", "Exp"):
                found[ROOTS[name][0]] = None
    return list(found)[:SHOWN]


def passing_nothing(outputs: Any) -> list[int]:
    """How many ReLUs before the outputs of a model have the result 0 for all examples, and how many there are; empty if none
    passes nothing. The last one is left out: it may be the output itself, or a difference that is meant to be small."""
    made_by = [t for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.grad_fn is not None]
    found = [
        not bool(made.any())
        for node in dict.fromkeys(node for output in made_by for node in nodes(output))  # outputs may share their layers
        if operation(node) == "Relu" and (made := saved(node, "result")) is not None and made.numel() >= UNITS
    ]
    return [sum(found), len(found)] if any(found[1:]) else []


def _zero(name: str, values: torch.Tensor) -> bool:
    if name == "Rsqrt":
        return bool(torch.isinf(values).any())
    return bool((values <= 0 if name.startswith("Log") else values == 0).any())


def _total(node: Any) -> float | None:
    value = saved(node, "total_weight")
    return float(value) if value is not None and value.numel() == 1 else None
