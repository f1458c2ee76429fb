"""ReLU units that are never active: they output 0 for all examples, and get no gradient to recover with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.consequence import since
from scram_plugin.heuristics.edits import set_in_layers
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, NotChecked, Option, absent
from scram_plugin.heuristics.limits import ALMOST
from scram_plugin.heuristics.measured import (
    DEAD_ROWS,
    PASSING,
    Layer,
    columns,
    dead_units,
    enough_rows,
    known_layers,
    listed,
    shown_loss,
    whole_of,
)
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import beside_speed
from scram_plugin.heuristics.words import number, percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "max_dead",
        0.8,
        "fraction of a layer's units from which on dead units are reported",
        f"no layer before a wholly dead one can learn (Lu et al., 2019); {CALIBRATED}",
    ),
)
ALL = 1.0  # share of the units of a frozen layer that must be dead; by definition
LOW_BIAS = -0.5  # initial bias that explains dead units: standardised outputs are seldom above it; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    dead = columns(run, "layer", "dead")
    seen = run.loop.get("dead")
    values = dead_units(run)
    fixed = {layer.path for layer in known_layers(run) if layer.facts.get("trainable") is False}
    # units of a layer that was trained before, on other data, may have nothing to say about these
    found = [path for path, value in values.items() if value >= (ALL if path in fixed else options["max_dead"])]
    if seen and not found:
        yield _of_graph(run, *seen)
        return
    if not dead:
        if any(layer.activation in ("relu", "relu6") for layer in known_layers(run)):
            raise NotChecked("units of layers with a ReLU were not counted", "train on one device; replicas do not count them")
        return
    enough_rows(dead, DEAD_ROWS)
    for path, value in values.items():
        run.measured(
            f"largest share of dead units, in `{path}`", value, above=options["max_dead"], percent=True, curve=dead[path]
        )
    if not found:
        return
    whole = [path for path in found if values[path] >= 1.0]
    worst = max(found, key=lambda path: values[path])
    names = listed([f"`{path}`" for path in found])
    curve = dead[worst]
    yield Finding(
        severity="error" if whole else "warning",
        confidence="certain" if whole else "likely",
        title=f"Dead units: {percent(values[worst])} of the units of `{worst}` are never active",
        evidence={
            "layer": f"`{worst}`",
            "dead": values[worst],
            "layers": names if len(found) > 1 else None,
            "others": len(found) - 1 if len(found) > 1 else None,
            "whole": "No signal passes this layer any more. Without a path around it the output does not depend on the inputs."
            if whole
            else None,
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[curve.source()],
        causes=_causes(run, found, values[worst], curve.values[0]),
        where=found,
        since=since(curve, curve.values >= options["max_dead"]),
    )


def _of_graph(run: TrainingRun, dead: int, known: int) -> Finding:
    """Of ReLUs that are no layers of their own, and follow a sum, for example."""
    said = f"In the first step {dead} of {known} ReLUs gave 0 for every example."
    return Finding(
        severity="error",
        confidence="likely",
        title=f"Dead units: {'a ReLU passes' if dead == 1 else f'{dead} ReLUs pass'} nothing in the first step",
        evidence={"whole": said, **absent("layer", "dead", "layers", "others")},
        **whole_of(shown_loss(run)),
        causes=[Cause("start")],
    )


def _causes(run: TrainingRun, found: list[str], now: float, first: float) -> list[Cause]:
    known = {layer.path: layer for layer in known_layers(run)}
    fed = [layer.path for path in found if (layer := _weighted(known, path)) is not None]
    bias = [path for path in dict.fromkeys(fed) if (known[path].facts.get("bias") or 0.0) < LOW_BIAS]
    start = Cause("start")
    if bias:
        said = f"The biases of {listed([f'`{path}`' for path in bias])} start at {number(known[bias[0]].facts['bias'])}."
        start = Cause("start", said, "", set_in_layers(run.facts, bias, "bias_initializer", None))
    elif first > ALMOST * now:
        start = Cause("start", f"{percent(first)} of the units were dead in the first batch that was measured.")
    return beside_speed(run, start)


def _weighted(known: Mapping[str, Layer], path: str) -> Layer | None:
    """The layer whose weights and biases a ReLU gets its values from, itself or the one in front; None behind anything else."""
    layer = known.get(path)
    for _ in known:  # a log may say that layers read each other
        if layer is None or layer.kind not in (*PASSING, "Activation", "ReLU"):
            return layer
        read = layer.facts.get("from") or []
        layer = known.get(f"{layer.path.removesuffix(str(layer.facts.get('name')))}{read[0]}") if len(read) == 1 else None
    return None


HEURISTIC = Heuristic(
    id="dead-relu",
    group="layers",
    title_passed="Few or no dead units",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of layers",),
    order=380,
    families=("signal-flow",),
    precedence=220,
    explains=("standstill", "preflight-test"),
)
