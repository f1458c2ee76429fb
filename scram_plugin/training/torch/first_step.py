"""What the first step shows of a training: which parameters it trains, which axes it mixes, and what its targets are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from scram_plugin.training import pictures
from scram_plugin.training.leaks import EXAMPLES, leak
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import (
    attention,
    axes,
    data_facts,
    differences,
    links,
    misfits,
    ownership,
    penalties,
    sequences,
    singular,
    trials,
)
from scram_plugin.training.torch.graph import Calls, Loss
from scram_plugin.training.torch.statistics import Tensors


class FirstStep:
    """What it finds are facts, see `logs/facts.py`; empty where there is nothing to tell."""

    def __init__(self) -> None:
        self.untrained: dict[str, Any] = {}
        self.axes: list[dict[str, Any]] = []
        self.mixing: float | None = None
        self.linear = False
        self.dead: list[int] = []
        self.leak: list[int] = []
        self.words: list[int] = []
        self.parts: list[dict[str, Any]] = []
        self.sequence: dict[str, Any] = {}
        self.singular: list[str] = []  # in the first step, or in the first one whose loss is not finite
        self.unguarded: list[str] = []
        self.twice: list[str] = []
        self.pairs: dict[str, list[int]] = {}
        self.class_numbers = self.divisor = 0
        self.raw: list[str] = []
        self.exceeded: list[dict[str, Any]] = []
        self.hinge, self.divided, self.probabilities = False, 0.0, ""
        self.several = self.penalty = 0.0
        self.unlinked = 0
        self.alike = 0
        self.unread: list[dict[str, Any]] = []
        self.cut: list[str] = []  # the activation of the outputs that cuts, and the one behind it
        self.maximised = False  # a cross-entropy has lost its minus sign
        self.chosen = False  # the loss takes a softmax of the outputs
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
            **({"mixing": self.mixing} if self.mixing is not None else {}),
            "linear": self.linear,
            "dead": self.dead,
            "leak": self.leak,
            "words": self.words,
            "parts": self.parts,
            "sequence": self.sequence,
            "singular": self.singular,
            "unguarded": self.unguarded,
            "detached": self.detached,
            "twice": self.twice,
            "pairs": self.pairs,
            "exceeded": self.exceeded,
            "class_numbers": self.class_numbers,
            "divisor": self.divisor,
            "raw": self.raw,
            "hinge": self.hinge,
            "divided": self.divided,
            **({"probabilities": self.probabilities} if self.probabilities else {}),
            **({"several": self.several} if self.several else {}),
            **({"unread": self.unread} if self.unread else {}),
            **({"penalty": self.penalty} if self.penalty else {}),
            **({"unlinked": self.unlinked} if self.unlinked else {}),
            **({"alike": self.alike} if self.alike else {}),
            **({"cut": self.cut} if self.cut else {}),
            **({"maximised": True} if self.maximised else {}),
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
        mixed = axes.wrong_axes(loss, _examples(x, outputs, target), outputs)
        firsts = {len(t) for t in (target, *(one for _, one in x[:1])) if t is not None and t.dim()}
        self.axes = [
            *mixed,
            *_reshaped(x),
            *attention.over_examples(loss),
            *attention.over_batch(loss, firsts),
            *attention.over_queries(loss),
            *attention.over_one_example(loss),
        ]
        self.penalty, self.unlinked = penalties.penalty(loss), links.unlinked(inputs, model)
        self.alike = data_facts.alike(x, target)
        self.cut, self.maximised = misfits.cut_outputs(loss, outputs), misfits.maximises(loss)
        self.parts, self.chosen = axes.reductions(loss), axes.chooses(loss, outputs)
        self.twice, self.raw = axes.applied_twice(loss), differences.raw(losses) or differences.raw_logarithms(loss)
        self.divisor = axes.divisor(loss)
        self.pairs = differences.shapes(losses) or differences.repeated(loss, outputs)
        self.exceeded, self.class_numbers = differences.exceeded(losses, outputs), differences.class_numbers(losses)
        self.hinge, self.divided = misfits.hinge_of_zeros(loss), misfits.divided_by_zero(loss)
        self.several = misfits.several_classes(loss)
        self.probabilities = misfits.takes_probabilities(loss)
        self.singular, self.unguarded = singular.at_zero(loss), singular.unguarded(loss)
        self.dead = singular.passing_nothing(outputs)
        self.leak = next(filter(None, (_leak(x, loss.target) for loss in losses)), [])
        tables = [call.module.num_embeddings for call in calls.calls if isinstance(call.module, torch.nn.Embedding)]
        self.words = sequences.few_words([tensor for _, tensor in x], max(tables, default=0))
        only = losses[0] if len(losses) == 1 else None
        if self.untrained.get("unregistered"):
            return  # layers in a plain list stay in training mode when the model is tried
        recurrent = [call.module for call in calls.calls if isinstance(call.module, torch.nn.RNNBase)]
        whole = bool(recurrent) and len(set(recurrent)) == len(recurrent)  # each of them goes through a sequence once
        tried = trials.tried(model, inputs, x, outputs, only, whole)
        self.sequence, self.mixing, views, self.linear, self.unread = tried
        self.axes += [view for view in views if view not in self.axes]


def _leak(x: Tensors, target: torch.Tensor | None) -> list[int]:
    if target is None or not x or target.numel() != len(target):
        return []
    pairs = [
        leak(tensor[:EXAMPLES].float().cpu().numpy(), target[:EXAMPLES].cpu().numpy()) for _, tensor in x if _numbers(tensor)
    ]
    return next(filter(None, pairs), [])


def _reshaped(x: Tensors) -> list[dict[str, Any]]:
    """Pictures whose channels lie as if they were the last axis."""
    for _, t in x:
        part = pictures.corner(t, True) if data_facts.is_plain(t) and not t.requires_grad else None
        if part is not None and pictures.reshaped(part.float().cpu().numpy(), True):
            return [{"operation": "pixels", "from": list(t.shape), "to": list(t.shape)}]
    return []


def _numbers(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and not tensor.requires_grad and tensor.dim() > 1


def _examples(x: Tensors, outputs: Any, target: torch.Tensor | None) -> int | None:
    """How many examples the batch has, if inputs, outputs and targets all have the examples along their first axis, as far as
    they are known."""
    made = next((t for t in leaves(outputs) if isinstance(t, torch.Tensor)), None)
    if not x or (made is not None and (made.dim() not in (1, 2) or len(made) != len(x[0][1]))):
        return None
    rows = len(x[0][1])
    if target is None or rows in target.shape[1:]:  # a loss of the program's own, or of the steps of a rollout
        return rows if x[0][1].dim() == 2 and x[0][1].is_floating_point() else None
    return rows if rows == len(target) else None


def _place(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.untyped_storage().data_ptr(), tensor.storage_offset()
