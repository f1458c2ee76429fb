"""What a few more forward passes with the first batch show: whether outputs know what comes later, whether examples mix, and
whether the model is linear."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from scram_plugin.training.structures import leaves, mapped
from scram_plugin.training.torch import patches, sequences
from scram_plugin.training.torch.graph import Loss
from scram_plugin.training.torch.linear import is_linear
from scram_plugin.training.torch.mixing import mixing
from scram_plugin.training.torch.second_pass import EXAMPLES, first
from scram_plugin.training.torch.statistics import Tensors
from scram_plugin.training.torch.unread import is_input, unread

RECURRING = (torch.nn.RNNBase, torch.nn.RNNCellBase, torch.nn.MultiheadAttention)
ALONG_TIME = (*RECURRING, torch.nn.Conv1d)
LEAST_ROWS = 8  # examples of a batch, from which on each is thought to be one


def tried(
    model: torch.nn.Module, inputs: Any, x: Tensors, outputs: Any, loss: Loss | None, recurrent: bool = False
) -> tuple[dict[str, Any], float | None, list[dict[str, Any]], bool, list[dict[str, Any]]]:
    """The shift of the targets against the inputs, and whether outputs know the future (see `sequences`); how far examples mix,
    and the views that exchange two axes (see `mixing`); whether the model is linear (see `linear`); which parts of the inputs
    it does not read (see `unread`). Empty, None or False where the model cannot be called again like that.

    `inputs`: arguments and keywords of the model; `loss`: if there is only one; `recurrent`: a recurrent layer goes through
    whole sequences.
    """
    target = loss.target if loss is not None else None
    sequence: dict[str, Any] = {}
    mixed: tuple[float | None, list[dict[str, Any]]] = (None, [])
    straight, parts = False, list[dict[str, Any]]()

    def again(given: Any) -> Any:
        args, kwargs = given
        return model._call_impl(*args, **kwargs)

    with _evaluating(model):
        if loss is not None and target is not None:
            with contextlib.suppress(Exception):
                along = any(isinstance(module, RECURRING) for module in model.modules())
                found = (_sequence(inputs, tensor, outputs, loss, again, along) for _, tensor in x)
                sequence = next(filter(None, found), {})
        with contextlib.suppress(Exception):
            of_batches = any(isinstance(m, _BatchNorm) and m.running_mean is None for m in model.modules())
            ordered = any(isinstance(module, ALONG_TIME) for module in model.modules())
            sure = bool(x) and not of_batches and (_has_rows(x[0][1], target, ordered) or _time_is_second(x[0][1], target))
            few = [(name, tensor[:EXAMPLES]) for name, tensor in x]
            mixed = mixing(few if sure else [], first(inputs, EXAMPLES), again)
        with contextlib.suppress(Exception):
            straight = is_linear(model, first(inputs, EXAMPLES), again)
        with contextlib.suppress(Exception):
            rows = x if x and _has_rows(x[0][1], target, False) else []
            parts = unread(model, [t[:EXAMPLES] for _, t in rows], first(inputs, EXAMPLES), again, recurrent)
    return sequence, *mixed, straight, parts


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """While open, all modules are in evaluation mode, and say nothing of it to hooks."""
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _sequence(
    inputs: Any, x: torch.Tensor, outputs: Any, loss: Loss, again: Callable[[Any], Any], ordered: bool
) -> dict[str, Any]:
    """`ordered`: the model has layers along a time, so that the second axis of values is that, and none of space."""
    assert loss.target is not None
    ignored = loss.ignored if loss.ignored is not None else sequences.IGNORED
    shifted = sequences.shift(x, loss.target, ignored)
    if shifted is None:
        by = sequences.shift_of_part(x, loss.target, ignored, outputs, loss.prediction)
        shifted = None if by is None or by < 0 else (by, 1)

    def with_tokens(tokens: torch.Tensor) -> Any:
        return again(mapped(inputs, lambda leaf: tokens if is_input(leaf, x) else leaf))

    values = shifted is None and ordered
    if values and (ahead := sequences.shift_of_values(x, loss.target)) is not None:
        shifted = (ahead, 1) if sequences.remembers(x, with_tokens) else None
    if shifted is None:
        return {}
    by, axis = shifted
    try:
        # equal targets do not tell which axis is the time
        seen = [sequences.sees_future(x, way, with_tokens) for way in ((axis,) if by else (0, 1))]
    except LookupError:
        return {}
    known = [future for future in seen if future is not None]
    return {"shift": by, **({"future": any(known)} if known else {}), **({"values": True} if values else {})}


def _time_is_second(x: torch.Tensor, target: torch.Tensor | None) -> bool:
    """Whether targets are the inputs shifted along the second axis, so that the first one is that of the examples."""
    if target is None:
        return False
    shifted = sequences.shift(x, target)
    return shifted is not None and shifted[0] > 0 and shifted[1] == 1


def _has_rows(x: torch.Tensor, target: torch.Tensor | None, ordered: bool) -> bool:
    """Whether the first axis of inputs is surely that of the examples. A sequence alone, or time before the batch, is not.

    Surely: a loader gave these rows, or each row of a tensor of several axes has one target. `ordered`: the model has layers
    that go along a sequence, so that the rows of a matrix may be its positions.
    """
    if x.dim() < 2 or (x.dim() == 2 and x.is_floating_point() and ordered) or len(x) < LEAST_ROWS:
        return False
    if len(x) != patches.last_batch_size() == x.shape[1]:
        return False  # the loader puts its examples along the second axis
    given = next((t for t in leaves(patches.last_batch()) if isinstance(t, torch.Tensor)), None)
    if given is not None and given.dim() == x.dim() and len(given) == len(x) and bool((given[0].cpu() == x[0].cpu()).all()):
        return True
    return x.dim() > 2 and x.shape[1] > 1 and target is not None and target.numel() == len(x)
