"""Whether a graph that a model is given has no links: each of its nodes is linked to itself alone."""

from __future__ import annotations

import re
from typing import Any

import torch

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import patches

FEWEST = 16  # nodes: a smaller square may be something else
ENDS = 2  # rows of a list of links: from which node, and to which one; and axes of a matrix
NAMES = re.compile(r"adj|edge|graph|lapl", re.I)  # of buffers that hold the links


def unlinked(inputs: Any, model: torch.nn.Module) -> int:
    """The number of nodes of a graph without links between them, or 0. The first of `inputs` has the features of the nodes.

    With a loader the rows may be examples, and a square something else that belongs to them.
    """
    given = [t for t in leaves(inputs) if isinstance(t, torch.Tensor)]
    matrix = bool(given) and given[0].layout == torch.strided and not given[0].is_nested and given[0].dim() == ENDS
    nodes = len(given[0]) if matrix else 0
    if nodes < FEWEST or nodes == given[0].shape[1] or patches.last_batch() is not None:
        return 0
    buffers = [buffer for name, buffer in model.named_buffers() if NAMES.search(name)]
    try:
        found = [_links_only_itself(t.detach(), nodes) for t in (*given[1:], *buffers) if not t.requires_grad]
    except (RuntimeError, NotImplementedError):  # a tensor of a kind that cannot be looked at
        return 0
    known = [alone for alone in found if alone is not None]
    return nodes if known and all(known) else 0


def _links_only_itself(tensor: torch.Tensor, nodes: int) -> bool | None:
    """Whether a matrix of all pairs of nodes is diagonal, or a list of links has equal ends; None for something else."""
    if tensor.is_nested or tensor.is_meta or tensor.is_quantized or tensor.dtype == torch.bool:  # a mask may be of either sense
        return None
    if tensor.layout == torch.sparse_coo and tuple(tensor.shape) == (nodes, nodes):
        tensor = tensor._indices()
    elif tensor.layout != torch.strided:
        return None
    elif tuple(tensor.shape) == (nodes, nodes):
        here = tensor.diagonal()
        if not bool((torch.isfinite(here) & (here > 0)).all()):
            return None
        return bool(tensor.count_nonzero() == nodes)
    if tensor.dim() != ENDS or tensor.shape[0] != ENDS or tensor.is_floating_point() or tensor.shape[1] < nodes:
        return None
    return bool((tensor[0] == tensor[1]).all())
