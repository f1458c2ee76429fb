"""Two layers with weights and nothing nonlinear between them: together they are one linear layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, absent
from scram_plugin.heuristics.layers.vanishing_gradients import vanishing
from scram_plugin.heuristics.measured import LINEAR, PASSING, Layer, layers, listed, shown_loss, whole_of
from scram_plugin.heuristics.model.chains import WEIGHTED, is_bottleneck, next_weights, readers
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

# Layers after which a chain of layers is still linear: these, and those that only pass values on.
AVERAGES = ("AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D")
BETWEEN = (*PASSING, *AVERAGES, "BatchNormalization", "Rescaling")


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known = layers(run)
    model = run.facts["model"]
    if model.get("kind") == "subclass":
        raise NotChecked("the order of the layers is not known in a subclass of Model", "a Sequential or functional model")
    pairs = _pairs(known)
    if not pairs:
        if run.loop.get("linear"):
            yield _of_trial(run)
        run.measured("dense and convolutional layers checked", sum(layer.kind in WEIGHTED for layer in known))
        return
    first = [pair[0] for pair in pairs]
    curve = shown_loss(run)
    used = [
        layer.activation
        for layer in known
        if layer.kind in WEIGHTED and layer.activation not in (*LINEAR, "softmax", "sigmoid")
    ]
    usual = used[0] if used else "relu"
    hidden = [layer for layer in known if layer.kind in WEIGHTED][:-1]
    everything = not used and len(first) == len(hidden)
    names = listed([layer.name for layer in first])
    said = f"{names} {'has' if len(first) == 1 else 'have'} no activation, and nothing up to the next weights is nonlinear."
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"{'An activation is' if len(first) == 1 else 'Activations are'} missing after {names}",
        evidence={
            "layers": names,
            "next": pairs[0][1].name,
            "first": pairs[0][0].name,
            "everything": "No hidden layer has an activation: the whole model is linear." if everything else None,
        },
        **whole_of(curve),
        causes=[
            Cause("forgotten", said, "", set_in_layers(run.facts, [layer.path for layer in first], "activation", f'"{usual}"'))
        ],
        where=[layer.path for layer in first],
        # where no gradient arrives, one place among others that is linear is not what keeps the training from learning
        brings=() if not everything and vanishing(run) else None,
    )


def _of_trial(run: TrainingRun) -> Finding:
    """Of a model whose layers do not show that it is linear: activations may be in the program's own code."""
    said = "SCRAM tried the model with pairs of examples: the output of their mean was always the mean of their outputs."
    return Finding(
        severity="warning",
        confidence="likely",
        title="The whole model is linear",
        evidence={"everything": f"{said} So the whole model is linear.", **absent("layers", "next", "first")},
        **whole_of(shown_loss(run)),
        causes=[Cause("forgotten")],
    )


def _pairs(known: list[Layer]) -> list[tuple[Layer, Layer]]:
    """Layers without activation, each with the next layer with weights, where data flow only from the one to the other.

    A narrow layer between wide ones is linear on purpose: it saves weights (factorised matrices, MobileNetV2's blocks).
    """
    read = readers(known)
    plain = [
        layer for layer in known if layer.kind in WEIGHTED and layer.activation in LINEAR and not layer.facts.get("custom")
    ]
    pairs = [(layer, next_weights(layer, known, read, _is_linear)) for layer in plain]
    return [(layer, found) for layer, found in pairs if found is not None and not is_bottleneck(layer, found)]


def _is_linear(layer: Layer) -> bool:
    return layer.kind in BETWEEN and layer.activation in LINEAR


HEURISTIC = Heuristic(
    id="missing-activation",
    group="model",
    title_passed="No activation is missing between layers",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=110,
    precedence=150,
    explains=("standstill", "preflight-test"),
)
