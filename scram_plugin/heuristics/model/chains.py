"""Which layer with weights reads the output of another one, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scram_plugin.heuristics.measured import Layer

WEIGHTED = ("Dense", "Conv1D", "Conv2D", "Conv3D")

Readers = Mapping[str, list[Layer]]


def readers(known: list[Layer]) -> dict[str, list[Layer]]:
    """Path of a layer -> the layers that take its output."""
    found: dict[str, list[Layer]] = {}
    for layer in known:
        prefix = layer.path.rpartition("/")[0]
        for source in layer.facts.get("from") or []:
            found.setdefault(f"{prefix}/{source}" if prefix else source, []).append(layer)
    return found


def next_weights(layer: Layer, known: list[Layer], read: Readers, passes: Callable[[Layer], bool]) -> Layer | None:
    """The next layer with weights, where data flow only to it, through layers that `passes` lets through; None for others."""
    by_path = {other.path for other in known}
    at, passed = layer, set[str]()
    while at.path not in passed:  # the log may be of a model that no framework builds
        passed.add(at.path)
        following = read.get(at.path, [])
        if len(following) != 1 or len(following[0].facts.get("from") or []) != 1 or following[0].path not in by_path:
            return None
        at = following[0]
        if at.kind in WEIGHTED and not at.facts.get("custom"):
            return at
        if not passes(at):
            return None
    return None


def is_bottleneck(layer: Layer, following: Layer) -> bool:
    """Whether a layer is narrower than what it gets, and than the next one: it is narrow on purpose."""
    before, after = layer.facts.get("kernel"), following.facts.get("kernel")
    if not before or not after:
        return False
    return bool(before[-1] < before[-2] and before[-1] < after[-1])
