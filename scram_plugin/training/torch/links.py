"""Whether a graph that a model is given has no links: each of its nodes is linked to itself alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from scram_plugin.training.structures import leaves

FEWEST = 16  # nodes: a smaller square may be something else
ENDS = 2  # rows of a list of links: from which node, and to which one


def unlinked(inputs: Any, buffers: Iterable[torch.Tensor]) -> int:
    """The number of nodes of a graph without links between them, or 0. The first of `inputs` has the features of the nodes."""
    given = [t for t in leaves(inputs) if isinstance(t, torch.Tensor)]
    nodes = len(given[0]) if given and given[0].dim() > 1 else 0
    if nodes < FEWEST:
        return 0
    found = [_links_only_itself(t.detach(), nodes) for t in (*given[1:], *buffers) if not t.requires_grad]
    known = [alone for alone in found if alone is not None]
    return nodes if known and all(known) else 0


def _links_only_itself(tensor: torch.Tensor, nodes: int) -> bool | None:
    """Whether a matrix of all pairs of nodes is diagonal, or a list of links has equal ends; None for something else."""
    if tensor.layout == torch.sparse_coo and tuple(tensor.shape) == (nodes, nodes):
        tensor = tensor._indices()
    elif tensor.layout != torch.strided:
        return None
    elif tuple(tensor.shape) == (nodes, nodes):
        here = tensor.diagonal()
        return bool(here.count_nonzero() == nodes and tensor.count_nonzero() == nodes)
    if tensor.dim() != ENDS or tensor.shape[0] != ENDS or tensor.is_floating_point() or tensor.shape[1] < nodes:
        return None
    return bool((tensor[0] == tensor[1]).all())
