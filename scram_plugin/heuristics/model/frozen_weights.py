"""Frozen layers that should probably learn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import train_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import Layer, layers, listed, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

ON_PURPOSE = re.compile(
    r"random|reservoir|project|fixed|fourier|elm|echo|hash|frozen", re.I
)  # frozen layers that are meant to stay; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = layers(run)
    model = run.facts["model"]
    curve = shown_loss(run)
    weighted = [layer for layer in known if layer.facts.get("kernel")]
    frozen = [layer for layer in weighted if layer.facts.get("trainable") is False]
    nothing = model.get("trainable_parameters") == 0 and model.get("parameters", 0) > 0
    behind = _odd(weighted)
    odd = frozen if nothing else [] if model.get("adapters") else behind or _random(run, frozen)
    if not odd and not nothing:
        run.measured("frozen layers with weights", len(frozen))
        return
    names = listed([layer.name for layer in odd]) if odd else "all layers"
    edit = train_layers(run.facts, [layer.path for layer in odd])
    which, verb = ("A layer", "is") if len(odd) == 1 else ("Layers", "are")
    yield Finding(
        severity="error" if nothing else "warning",
        confidence="certain" if nothing else "likely",
        title="All weights are frozen: nothing is learned" if nothing else f"{which} that should learn {verb} frozen: {names}",
        evidence={
            "layers": names,
            "parameters": model.get("parameters"),
            "trainable": model.get("trainable_parameters"),
            "behind": f"Layers before {odd[0].name} are trained, so it does not belong to a pretrained base."
            if behind and not nothing
            else None,
            "random": "Their values are random, as those of new layers." if not nothing and not behind else None,
        },
        **whole_of(curve),
        causes=[Cause("trainable", f"Training is switched off for {names}.", "", edit)],
        where=[layer.path for layer in odd],
    )


def _random(run: TrainingRun, frozen: list[Layer]) -> list[Layer]:
    """Frozen layers, if all of them have values as the framework draws them."""
    if any(ON_PURPOSE.search(layer.path) for layer in frozen):
        return []
    if frozen and all(layer.facts.get("drawn") for layer in frozen):
        return frozen
    known = (run.facts.get("optimizer") or {}).get("untrained") or {}
    as_drawn = bool(known.get("frozen")) and not known.get("forgotten") and known.get("fresh", 0) > 0
    return frozen if as_drawn and known["fresh"] == known.get("asleep") else []


def _odd(weighted: list[Layer]) -> list[Layer]:
    """Frozen layers after trained ones: a pretrained base is at the front of a model."""
    trained = [i for i, layer in enumerate(weighted) if layer.facts.get("trainable", True)]
    if not trained:
        return []
    return [layer for i, layer in enumerate(weighted) if layer.facts.get("trainable") is False and i > trained[0]]


HEURISTIC = Heuristic(
    id="frozen-weights",
    group="model",
    title_passed="No layer that should learn is frozen",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=130,
    precedence=70,
    explains=("standstill", "preflight-test", "undertrained"),
)
