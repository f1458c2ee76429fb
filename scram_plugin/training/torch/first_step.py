"""What the first step shows of a training: which parameters it trains, which axes it mixes, and what its targets are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch

from scram_plugin.training.structures import leaves, mapped
from scram_plugin.training.torch import axes, ownership, sequences, singular
from scram_plugin.training.torch.graph import Calls, Loss
from scram_plugin.training.torch.statistics import Tensors


class FirstStep:
    """What it finds are facts, see `logs/facts.py`; empty where there is nothing to tell."""

    def __init__(self) -> None:
        self.untrained: dict[str, Any] = {}
        self.axes: list[dict[str, Any]] = []
        self.parts: list[dict[str, Any]] = []
        self.sequence: dict[str, Any] = {}
        self.singular: list[str] = []  # in the first step, or in the first one whose loss is not finite
        self.unguarded: list[str] = []
        self.twice: list[str] = []
        self.detached = False  # the model gets its own outputs again within the step, without their graph

    def called_again(self, inputs: Any, before: Any) -> None:
        """The model is called once more in this step, with these inputs; `before`: what it gave the last time."""
        made = {_place(t) for t in leaves(before) if isinstance(t, torch.Tensor) and t.requires_grad}
        given = [t for t in leaves(inputs) if isinstance(t, torch.Tensor) and t.is_floating_point() and not t.requires_grad]
        self.detached |= any(_place(t) in made for t in given)

    def broken(self, loss: torch.Tensor) -> None:
        """Look at the first loss that is not finite, before its backward pass."""
        self.singular += [name for name in singular.at_zero(loss) if name not in self.singular]

    def facts(self) -> dict[str, Any]:
        """Those of the loop."""
        return {
            "axes": self.axes,
            "parts": self.parts,
            "sequence": self.sequence,
            "singular": self.singular,
            "unguarded": self.unguarded,
            "detached": self.detached,
            "twice": self.twice,
        }

    def look(
        self,
        loss: torch.Tensor | None,
        model: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        calls: Calls,
        losses: list[Loss],
        inputs: Any,
        x: Tensors,
        outputs: Any,
    ) -> None:
        """Look at a step whose loss was computed, before its backward pass. `inputs`: arguments and keywords of the model."""
        if loss is None or loss.grad_fn is None:
            return
        self.untrained = ownership.untrained(loss, model, optimizers, [call.module for call in calls.calls])
        target = losses[0].target if len(losses) == 1 else None
        self.axes = axes.wrong_axes(loss, _examples(x, outputs, target))
        self.parts = axes.reductions(loss)
        self.twice = axes.applied_twice(loss)
        self.singular, self.unguarded = singular.at_zero(loss), singular.unguarded(loss)
        if target is not None:
            with contextlib.suppress(Exception):  # the model cannot be called again with these inputs
                ignored = losses[0].ignored if losses[0].ignored is not None else sequences.IGNORED
                found = (_sequence(model, inputs, tensor, target, ignored) for _, tensor in x)
                self.sequence = next(filter(None, found), {})


def _sequence(model: torch.nn.Module, inputs: Any, x: torch.Tensor, y: torch.Tensor, ignored: int) -> dict[str, Any]:
    shifted = sequences.shift(x, y, ignored)
    if shifted is None:
        return {}
    by, axis = shifted

    def again(tokens: torch.Tensor) -> Any:
        args, kwargs = mapped(inputs, lambda leaf: tokens if _same(leaf, x) else leaf)
        return model._call_impl(*args, **kwargs)

    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        module.training = False
    try:
        # equal targets do not tell which axis is the time
        seen = [sequences.sees_future(x, way, again) for way in ((axis,) if by else (0, 1))]
    finally:
        for module, mode in modes:
            module.training = mode
    known = [future for future in seen if future is not None]
    return {"shift": by, **({"future": any(known)} if known else {})}


def _examples(x: Tensors, outputs: Any, target: torch.Tensor | None) -> int | None:
    """How many examples the batch has, if inputs, outputs and targets all have the examples along their first axis."""
    made = next((t for t in leaves(outputs) if isinstance(t, torch.Tensor)), None)
    if not x or made is None or target is None or made.dim() != 2:
        return None
    return len(made) if len(made) == len(x[0][1]) == len(target) else None


def _place(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.untyped_storage().data_ptr(), tensor.storage_offset()


def _same(leaf: Any, x: torch.Tensor) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.shape == x.shape and leaf.data_ptr() == x.data_ptr()
