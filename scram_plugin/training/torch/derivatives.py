"""Derivatives that a program computes itself within a step, as physics-informed networks do for their equation."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.axes import nodes

DERIVATIVE = "scram: a derivative"  # key in the metadata of a node
NEAR = 24  # nodes from an output that are searched for a derivative


class Derivatives:
    """Counts the steps with a derivative of a derivative that has no graph (`cut`), and with one that is 0 (`zero`)."""

    def __init__(self) -> None:
        self._seen = {"cut": False, "zero": False}  # in this step
        self._steps = {"cut": 0, "zero": 0}

    def derived(self, outputs: Any, results: Any, has_graph: bool) -> None:
        """`torch.autograd.grad` was called with `outputs`, and has computed `results`."""
        made = [t for t in leaves(results) if isinstance(t, torch.Tensor)]
        given = [t for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.grad_fn is not None]
        if any(DERIVATIVE in node.metadata for tensor in given for node in nodes(tensor, NEAR)):
            self._seen["cut"] |= not has_graph
            self._seen["zero"] |= bool(made) and not any(bool(t.any()) for t in made)
        for tensor in made:
            if has_graph and tensor.grad_fn is not None:
                tensor.grad_fn.metadata[DERIVATIVE] = True

    def stepped(self) -> None:
        """A step has ended."""
        for name, seen in self._seen.items():
            self._steps[name] += seen
            self._seen[name] = False

    def facts(self) -> dict[str, int]:
        return {f"{name}_derivatives": steps for name, steps in self._steps.items()}
