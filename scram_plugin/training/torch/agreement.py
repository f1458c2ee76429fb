"""How far the outputs of a batch follow its targets: a correlation, which is 0 where nothing was learned, whatever the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from scram_plugin.training.torch.graph import Loss
from scram_plugin.training.torch.statistics import Tensors

MOST = 1 << 14  # predictions of a batch that are compared, those of its first examples


def predictions(losses: Sequence[Loss], y: Tensors, y_pred: Tensors, chosen: bool) -> Tensors:
    """For each target the predictions that it is compared with, named ``p0``, ...: of its loss, or else outputs that fit it.

    `chosen`: the loss takes a softmax of the outputs, so that labels of the loader may be its targets although it is not known.
    """
    known = [loss.prediction for loss in losses if loss.target is not None and loss.target.numel()]
    found = []
    for (name, target), prediction in zip(y, known or [None] * len(y), strict=True):
        given = (prediction, *(output for _, output in y_pred if chosen or _single(target, output)))
        if _stretched(target):  # the loss compares all pairs, and its predictions are stretched, too
            given = tuple(output for _, output in y_pred)
        fitting = next((p for p in given if p is not None and p.is_floating_point() and fits(target, p)), None)
        if fitting is not None:
            found.append((f"p{name.removeprefix('y')}", fitting))
    return found


def fits(target: torch.Tensor, prediction: torch.Tensor) -> bool:
    """Whether these are predictions of single numbers, or of classes, for targets of at least two examples."""
    return (
        target.dim() > 0
        and len(target) > 1
        and prediction.dim() > 0
        and target.device == prediction.device
        and (
            (_single(target, prediction) and not _stretched(target))
            or _axis(target, prediction) is not None
            or (_stretched(target) and len(prediction) == prediction.numel() == len(target))
        )
    )


def _stretched(target: torch.Tensor) -> bool:
    """Whether targets of shape (batch,) were broadcast to all pairs, (batch, batch)."""
    return bool(target.dim() == 2 and target.shape[0] == target.shape[1] > 1 and target.stride(0) == 0)


def _single(target: torch.Tensor, prediction: torch.Tensor) -> bool:
    return target.dim() > 0 and target.numel() == prediction.numel() and len(target) == len(prediction)


def _axis(target: torch.Tensor, prediction: torch.Tensor) -> int | None:
    """The axis of the classes; None if the predictions are not of classes."""
    if target.is_floating_point() or prediction.dim() < 2:
        return None
    if prediction.dim() > 2 and (len(prediction), *prediction.shape[2:]) == tuple(target.shape) and prediction.shape[1] > 1:
        return 1  # as the losses of PyTorch have it
    return -1 if target.numel() * prediction.shape[-1] == prediction.numel() and prediction.shape[-1] > 1 else None


def agreement(targets: torch.Tensor, predictions: torch.Tensor) -> torch.Tensor:
    """The correlation of targets and predictions in each of some steps; both have the shape ``(steps, batch, ...)``.

    Classes count as one number each, 0 or 1. The mean over the batch is taken from each number, so that how frequent a class is
    does not count. Targets out of range do not count either, and those that were broadcast to all pairs count once. NaN where
    targets or predictions do not vary.
    """
    if targets.dim() == 3 and targets[0].numel() == predictions[0].numel() ** 2:  # see `_stretched`
        targets = targets[:, 0]
    steps, kept = len(targets), max(2, MOST // max(1, predictions[0, 0].numel()))
    if targets.shape[1] == predictions.shape[1]:  # few examples of large ones: what follows copies them
        targets, predictions = targets[:, :kept], predictions[:, :kept]
    if _single(targets[0], predictions[0]):
        size = predictions.shape[1]
        t, p = (v.reshape(steps, size, -1)[:, :, : max(1, MOST // size)].float() for v in (targets, predictions))
        varied = (t.amax(1) > t.amin(1)).any(1)
        t, p = t - t.mean(1, keepdim=True), p - p.mean(1, keepdim=True)
        return _ratio((t * p).sum((1, 2)), t.square().sum((1, 2)) * varied, p.square().sum((1, 2)))
    axis = _axis(targets[0], predictions[0])
    classes = predictions.shape[-1 if axis == -1 else 2]
    p = predictions.movedim(-1 if axis == -1 else 2, -1).reshape(steps, -1, classes)[:, : max(2, MOST // classes)].float()
    y = targets.reshape(steps, -1)[:, : p.shape[1]]
    counted = ((y >= 0) & (y < classes)).float()
    y, n = y.clamp(0, classes - 1).long(), counted.sum(1, keepdim=True).clamp(min=1)
    p = (p - p.mean(-1, keepdim=True)) * counted[:, :, None]
    means = p.sum(1) / n
    right = p.gather(-1, y[:, :, None])[:, :, 0] - means.gather(-1, y)
    often = torch.zeros_like(means).scatter_add_(1, y, counted)
    spread = ((p - means[:, None]).square() * counted[:, :, None]).sum((1, 2))
    varied = n[:, 0] - (often.square() / n).sum(1)
    return _ratio((right * counted).sum(1), spread, varied)


def _ratio(products: torch.Tensor, *squares: torch.Tensor) -> torch.Tensor:
    below = (squares[0] * squares[1]).sqrt()
    return torch.where(below > 0, products / below, math.nan)
