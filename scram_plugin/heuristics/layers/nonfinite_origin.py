"""Where the first NaN or infinite value of a training appeared: the step, and the layer or variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked
from scram_plugin.heuristics.measured import PASSING, RECURRENT, Layer, known_layers, layers, listed
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import speed, too_high
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import place
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import GRADIENT, LAYER, WEIGHT, column

Thing = tuple[str, str | None]  # kind and path of a `Column`
UNSEEN = 3  # layers before the first one with NaN that are named as well; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    probe = run.statistic(schema.BATCHES, "weights/probe")
    if probe is None:
        raise NotChecked("it was not recorded whether the weights are finite", HOW)
    run.measured("batches checked for NaN and infinite values", len(probe), curve=probe)
    counts = _counts(run)
    loss = run.statistic(schema.BATCHES, "loss")
    if not counts:
        if not all(np.isfinite(curve.values).all() for curve in (probe, loss) if curve is not None):
            raise Inconclusive("there are NaN or infinite values, and it was not recorded where the first one appeared")
        return
    step = next(int(c.steps[0]) for c in [run.statistic(schema.ORIGIN, run.columns(schema.ORIGIN)[0])] if c is not None)
    bad = [thing for thing, (nan, infinite) in counts.items() if nan or infinite]
    bad = [thing for thing in bad if not _usual(run, thing)] or bad
    if not bad:
        return
    hidden = loss is not None and bool(np.isfinite(loss.values[loss.steps >= step]).all())
    kind, names = _origin(run, counts, bad)
    nan, infinite = counts[bad[0]]
    value = "NaN" if nan else "infinite"
    where = {
        "data": f"in the {'inputs' if bad[0][0].startswith('x') else 'targets'}",
        "layer": f"in {names}",
        "loss": "in the loss",
        "backward": f"in the backward pass, at {names}",
        "weights": f"in the update of {names}",
    }[kind]
    yield Finding(
        severity="error",
        confidence="certain",
        title=f"The first {value} value appeared {where}, in {place('batch', step)}",
        evidence={
            "value": value,
            "where": where,
            "place": place("batch", step),
            "count": int(nan + infinite),
            "forward": "All values computed before it in this step were finite." if kind in ("layer", "loss") else None,
            "backward": "The step's outputs and loss were finite; its gradients were not." if kind == "backward" else None,
            "update": "The outputs and the loss were finite; the update was too large." if kind == "weights" else None,
            "hidden": "The loss does not show it: it stays finite, but units with these weights are dead." if hidden else None,
        },
        first_step=step,
        last_step=int(probe.steps[-1]),
        axis="batch",
        curves=[(loss if loss is not None and not hidden else probe).source()],
        causes=_causes(run, kind, bad[0][0], names),
        bad_step=step,
    )


def _counts(run: TrainingRun) -> dict[Thing, tuple[float, float]]:
    """Thing -> (NaN values, infinite values) in the first step that was not finite, in the order of the data flow."""
    found: dict[Thing, list[float]] = {}
    for name, parsed in run.parsed(schema.ORIGIN).items():
        curve = run.statistic(schema.ORIGIN, name)
        if curve is not None and len(curve):
            counts = found.setdefault((parsed.kind, parsed.path), [0.0, 0.0])
            counts[parsed.statistic == "infinite"] = float(curve.values[0])
    return {thing: (nan, infinite) for thing, (nan, infinite) in found.items()}


def _usual(run: TrainingRun, thing: Thing) -> bool:
    """Whether a layer's output holds infinities in healthy steps too, as with a mask of minus infinity."""
    curve = run.statistic(schema.STATISTICS, column(*thing, "nonfinite"))
    origin = run.statistic(schema.ORIGIN, column(*thing, "nan"))
    if curve is None or origin is None:
        return False
    before = curve.values[curve.steps < origin.steps[0]]
    return bool(len(before) and (before > 0).all())


def _origin(run: TrainingRun, counts: Mapping[Thing, tuple[float, float]], bad: list[Thing]) -> tuple[str, str]:
    """The kind of place ("data", "layer", "loss", "backward", "weights"), and the names of the layers or variable."""
    kind, path = bad[0]
    if kind == LAYER and path is not None:
        return "layer", _with_unseen(run, path, counts)
    if kind.startswith("y_pred"):
        known = layers(run)
        last = [layer for layer in known if layer.kind not in PASSING]
        return "layer", last[-1].name if last else "the output"
    if kind == "loss":
        return "loss", "the loss"
    variables = [of for what, of in counts if what == WEIGHT and of is not None]
    broken = [v for v in variables if any((of, v) in bad for of in (GRADIENT, WEIGHT))]
    if kind not in (GRADIENT, WEIGHT) or not broken:
        return "data", ""
    only_infinite = not any(counts.get((of, v), (0, 0))[0] for v in broken for of in (GRADIENT, WEIGHT))
    if kind == WEIGHT and (only_infinite or any(what == GRADIENT for what, _ in counts)):
        return "weights", f"`{broken[0]}`"
    return "backward", _backward(run, variables, broken)


def _with_unseen(run: TrainingRun, path: str, counts: Mapping[Thing, Any]) -> str:
    """The layer, and those just before it whose outputs are not examined (for example a batch normalisation)."""
    known = {layer.path: layer for layer in known_layers(run)}
    names, at, passed = [f"`{path}`"], known.get(path), set()
    while at is not None and len(names) <= UNSEEN and at.path not in passed:
        passed.add(at.path)
        sources = at.facts.get("from") or []
        before = known.get(path.rpartition("/")[0] + "/" * ("/" in path) + sources[0]) if len(sources) == 1 else None
        if before is None or (LAYER, before.path) in counts or before.kind in ("InputLayer",):
            break
        if before.kind not in PASSING:
            names.insert(0, before.name)
        at = before
    return " or ".join(names)


def _backward(run: TrainingRun, variables: list[str], broken: list[str]) -> str:
    """NaN spreads to all variables before its origin, which is after the last one with NaN and before the next finite one."""
    last = max(variables.index(v) for v in broken)
    owner = variables[last].rpartition("/")[0]
    known = known_layers(run)
    paths = [layer.path for layer in known]
    if owner not in paths:
        return f"`{owner or variables[last]}`"
    sound = next((v.rpartition("/")[0] for v in variables[last + 1 :] if v.rpartition("/")[0] in paths), None)
    behind = known[paths.index(owner) + 1 : paths.index(sound) if sound else None]
    suspects = [layer for layer in behind if layer.kind not in PASSING and _own(layer)]
    if suspects:
        return listed([layer.name for layer in suspects])
    return f"`{owner}`" if sound or not run.facts.get("loss", {}).get("custom") else "the loss"


def _own(layer: Layer) -> bool:
    return bool(layer.facts.get("custom")) or layer.kind == "Lambda" or not layer.kind[:1].isupper()


def _causes(run: TrainingRun, kind: str, first: str, names: str) -> list[Cause]:
    high, rate = too_high(run), speed(run)
    data = Cause("data", f"The {'inputs' if first.startswith('x') else 'targets'} contained it." if kind == "data" else "")
    place_said = {"layer": f"It appeared in {names}.", "loss": "It appeared in the loss."}.get(kind, "")
    loop = run.loop
    singular = loop.get("singular") or []
    seen = f"The graph of the loss has {listed(singular)}." if singular else ""
    operation = Cause("operation", " ".join(filter(None, (place_said, seen))))
    steep = seen or (f"The graph of the loss has {listed(loop['unguarded'])}." if loop.get("unguarded") else "")
    said = "The gradients were the first values that were not finite." if kind == "backward" else ""
    slope = Cause("slope", " ".join(filter(None, (said, steep))))
    policy = str(run.facts.get("dtype_policy", ""))
    half = "float16" in policy and "bfloat16" not in policy
    narrow = Cause("float16", f"The model computes in {policy}." if half else "")
    recurrent = any(layer.kind in RECURRENT for layer in known_layers(run))
    growth = Cause(
        "explosion", "The model is recurrent: small growth at each time step of a sequence multiplies." if recurrent else ""
    )
    order = {
        "data": [data, operation],
        "layer": [*([narrow] if half else []), *([growth] if recurrent else []), operation, rate],
        "loss": [operation, *([narrow] if half else []), rate],
        "backward": [slope, *([growth] if recurrent else []), rate],
        "weights": [slope, rate, growth] if singular else [rate, growth],
    }[kind]
    if high is not None and kind != "data" and not singular:
        order = [high, *(cause for cause in order if cause.id != "learning-rate")]
    return order


HEURISTIC = Heuristic(
    id="nonfinite-origin",
    group="layers",
    title_passed="No NaN or infinite value in weights or loss",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of every batch",),
    order=210,
    families=("non-finite",),
    precedence=60,
    explains=("curve-shape", "standstill", "signal-flow", "preflight-test"),
)
