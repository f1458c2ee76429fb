"""Layers that cannot learn, where it seems that they should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import train_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import Layer, layers, listed, shown_loss
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = layers(run)
    model = run.facts["model"]
    curve = shown_loss(run)
    weighted = [layer for layer in known if layer.facts.get("kernel")]
    frozen = [layer for layer in weighted if layer.facts.get("trainable") is False]
    nothing = model.get("trainable_parameters") == 0 and model.get("parameters", 0) > 0
    odd = frozen if nothing else _odd(weighted)
    if not odd and not nothing:
        return
    names = listed([layer.name for layer in odd]) if odd else "any layer"
    edit = train_layers(run.facts, [layer.path for layer in odd])
    yield Finding(
        severity="error" if nothing else "warning",
        confidence="certain" if nothing else "likely",
        title="Nothing can be learned: all weights are frozen" if nothing else f"Frozen, with random weights: {names}",
        evidence={
            "layers": names,
            "parameters": model.get("parameters"),
            "trainable": model.get("trainable_parameters"),
            "behind": None
            if nothing
            else f"Layers before {odd[0].name} are trained, so that it is no part of a pretrained base.",
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source()],
        causes=[Cause("trainable", f"trainable is False for {names}.", "", edit)],
    )


def _odd(weighted: list[Layer]) -> list[Layer]:
    """Frozen layers behind trained ones, and a frozen last layer: a pretrained base stands at the front."""
    trained = [i for i, layer in enumerate(weighted) if layer.facts.get("trainable", True)]
    if not trained:
        return []
    return [layer for i, layer in enumerate(weighted) if layer.facts.get("trainable") is False and i > trained[0]]


HEURISTIC = Heuristic(
    id="frozen-weights",
    group="model",
    title_passed="What should learn can learn",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
)
