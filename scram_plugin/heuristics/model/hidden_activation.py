"""Softmax or an exponential in a hidden layer: a softmax lets hardly anything through, an exponential far too much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.measured import LINEAR, PASSING, Layer, layers, levels, listed, shown_loss, whole_of
from scram_plugin.heuristics.model.chains import WEIGHTED, Readers, is_bottleneck, next_weights, readers
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

UNUSUAL = {"softmax": "softmax", "exponential": "exponential", "Exp": "exponential"}  # activation, or operation -> cause
LETS_THROUGH = (*PASSING, "BatchNormalization")
SCORES = 3  # units at most of a layer that may well choose between ways, or be probabilities that are used; by definition
HARDLY_FELL = 0.9  # of the loss of the first tenth of the batches: above it hardly anything was learned; by bench-limits
SEEN = 100  # batches after which that says something; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = layers(run)
    nested = run.facts["model"].get("kind") == "subclass"
    found = _listed(known) if nested else _read_by_weights(known)
    slow = _hardly_fell(run)
    several = len(run.facts["model"].get("outputs") or []) > 1  # probabilities that are an output may be read, too
    sure = [] if nested or several else [layer for layer, following in found if not _is_meant(layer, following)]
    layers_found = sure or ([layer for layer, _ in found] if slow is not None else [])
    if not layers_found:
        if nested and not found:
            raise NotChecked("the order of the layers is not known in a subclass of Model", "a Sequential or functional model")
        run.measured("dense and convolutional layers checked", sum(layer.kind in WEIGHTED for layer in known))
        return
    cause = _cause(layers_found[0])
    same = [layer for layer in layers_found if _cause(layer) == cause]
    names = listed([layer.name for layer in same])
    edit = set_in_layers(run.facts, [layer.path for layer in same], "activation", '"relu"')
    units = same[0].facts.get("kernel") or []
    said = f"{TITLES[cause]} follows {names}, which is no output."
    yield Finding(
        severity="warning",
        confidence="likely" if sure else "possible",
        title=f"{TITLES[cause]} in a hidden layer: {names}",
        evidence={
            "layers": names,
            "activation": "a softmax" if cause == "softmax" else "an exponential",
            "share": f"The softmax of {same[0].name} shares 1 among {units[-1]} units, so that one of them is about "
            f"{1 / units[-1]:.2g}."
            if cause == "softmax" and units
            else None,
            "slow": f"At the end the loss of a batch is {percent(slow)} of that at the start." if slow is not None else None,
        },
        **whole_of(shown_loss(run)),
        causes=[Cause(cause, said, "", edit)],
    )


TITLES = {"softmax": "Softmax", "exponential": "An exponential"}


def _cause(layer: Layer) -> str:
    """The cause of this activation; empty for any other."""
    return UNUSUAL.get(str(layer.activation)) or UNUSUAL.get(layer.kind, "")


def _read_by_weights(known: list[Layer]) -> list[tuple[Layer, Layer]]:
    """Layers with such an activation after weights, each with the next layer with weights; the output goes nowhere else.

    So attention, gates and mixtures are left out: they multiply other values by what a softmax gives.
    """
    read, found = readers(known), []
    for layer in known:
        if not _cause(layer) or layer.facts.get("custom"):
            continue
        made = [layer] if layer.kind in WEIGHTED else _of_its_own(layer, known, read)
        following = next_weights(layer, known, read, _passes) or (_shared(layer, read) if layer not in made else None)
        if made and following is not None:
            found.append((replace(layer, facts={**layer.facts, "kernel": made[0].facts.get("kernel")}), following))
    return found


def _of_its_own(layer: Layer, known: list[Layer], read: Readers) -> list[Layer]:
    """The layers with weights whose outputs an activation of its own layer, or an operation, takes alone; or none."""
    takes = [other for other in known if layer in read.get(other.path, [])]
    alone = all(read[other.path] == [layer] and other.kind in WEIGHTED and other.activation in LINEAR for other in takes)
    return takes if alone else []


def _shared(layer: Layer, read: Readers) -> Layer | None:
    """The first layer with weights after an activation that a program calls several times, if all that read it are such."""
    following = read.get(layer.path, [])
    alone = all(other.kind in WEIGHTED and len(other.facts.get("from") or []) == 1 for other in following)
    return following[0] if following and alone else None


def _passes(layer: Layer) -> bool:
    return layer.kind in LETS_THROUGH and layer.activation in LINEAR


def _listed(known: list[Layer]) -> list[tuple[Layer, Layer]]:
    """Of a subclass of Model, whose data flow is not known: layers before the last one, if all are of a plain chain."""
    plain = [layer for layer in known if layer.kind in WEIGHTED]
    if any(layer.facts.get("custom") or not (layer.kind in WEIGHTED or _passes(layer)) for layer in known):
        return []
    return [(layer, following) for layer, following in pairwise(plain) if _cause(layer)]


def _is_meant(layer: Layer, following: Layer) -> bool:
    """Whether it may be meant: shares of a few things, as of topics, that the next layer decodes, or the end of a part."""
    kernel, parts = layer.facts.get("kernel") or [], (layer.path.rpartition(s)[0] for s in (".", "/"))
    others = (following.path.rpartition(s)[0] for s in (".", "/"))
    apart = any(a != b for a, b in zip(parts, others, strict=True))
    return is_bottleneck(layer, following) or apart or bool(kernel and kernel[-1] <= SCORES)


def _hardly_fell(run: TrainingRun) -> float | None:
    """The loss at the end as a share of that at the start, if it has hardly fallen; None if it has, or that is not known."""
    loss = run.signal("batch loss")
    if loss is None or len(loss.finite) < SEEN:
        return None
    first, last = levels(loss.finite.values, TENTH)
    return last / first if first > 0 and last > HARDLY_FELL * first else None


HEURISTIC = Heuristic(
    id="hidden-activation",
    group="model",
    title_passed="No softmax or exponential in a hidden layer",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=112,
    precedence=152,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "preflight-test", "initial-loss", "undertrained"),
)
