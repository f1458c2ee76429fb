"""Dropout with a very high rate, or after the output layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import remove_layer, set_in_layers
from scram_plugin.heuristics.heuristic import OUTPUTS, Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import TINY
from scram_plugin.heuristics.measured import Layer, layers, listed, whole_of
from scram_plugin.heuristics.model.outputs import DROPOUTS, dropout_behind
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "max_rate",
        0.7,
        "dropout rate from which on a layer is reported",
        "Srivastava et al. (2014): 0.5 in hidden layers; 0.2 to 0.5 is usual",
    ),
)
BETTER_WITHOUT = 0.8  # of the training loss: a validation loss below that shows what dropout costs; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = [
        (layer, rate)
        for layer in layers(run)
        if layer.kind in DROPOUTS
        for rate in [layer.facts.get("settings", {}).get("rate")]
    ]
    for layer, rate in found:
        if isinstance(rate, int | float):
            run.measured(f"dropout rate of {layer.name}", rate, above=options["max_rate"], percent=True)
    run.measured("layers with dropout", len(found))
    behind = dropout_behind(run)
    found = [(layer, float(rate)) for layer, rate in found if isinstance(rate, int | float) and rate >= options["max_rate"]]
    if not found and behind is None:
        return
    curve = run.signal("training loss") or run.signal("batch loss")
    if curve is None:
        raise NotChecked("no training loss was logged", HOW)
    if behind is not None:
        yield _finding_behind(run, curve, behind)
        return
    worst = max(found, key=lambda entry: entry[1])
    names = listed([layer.name for layer, _ in found])
    validation, training = run.signal("validation loss"), run.signal("training loss")
    better = None
    if validation is not None and training is not None and len(validation.finite) and len(training.finite):
        without, dropped = validation.finite.values[-1], training.finite.values[-1]
        if without < BETTER_WITHOUT * dropped:
            better = f"The last validation loss, without dropout, is {without:.3g}; the last training loss is {dropped:.3g}."
    yield Finding(
        severity="warning",
        confidence="likely" if better else "possible",
        title=f"Dropout of {percent(worst[1])} in {worst[0].name}",
        evidence={
            "layers": names,
            "rate": worst[1],
            "left": 1 - worst[1],
            "times": 1 / max(1 - worst[1], TINY),
            "better": better,
            **absent("behind"),
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), *([validation.source()] if better and validation is not None else [])],
        causes=[
            Cause(
                "rate",
                f"The rate of {worst[0].name} is {worst[1]:g}.",
                "",
                set_in_layers(run.facts, [layer.path for layer, _ in found], "rate", "0.3"),
            )
        ],
        where=[layer.path for layer, _ in found],
    )


def _finding_behind(run: TrainingRun, curve: Curve, behind: tuple[Layer, float]) -> Finding:
    layer, rate = behind
    return Finding(
        severity="warning",
        confidence="certain",
        title=f"Dropout after the output layer: {percent(rate)} of the outputs are set to 0",
        evidence={"behind": layer.name, "rate": rate, **absent("layers", "left", "times", "better")},
        **whole_of(curve),
        causes=[Cause("output", f"{layer.name} is the last layer of the model.", "", remove_layer(run.facts, layer.path))],
        where=[OUTPUTS],
    )


HEURISTIC = Heuristic(
    id="high-dropout",
    group="model",
    title_passed="Dropout is moderate, and none follows the output layer",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model",),
    order=150,
    precedence=120,
    explains=(
        "standstill",
        "preflight-test",
        "oscillating-loss",
        "validation-better-than-training",
        "undertrained",
        "dead-relu",
    ),
)
