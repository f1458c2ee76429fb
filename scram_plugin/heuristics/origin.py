"""Where the first NaN or infinite value of a training appeared: the step, and the layer or variable, from SCRAM's record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scram_plugin import schema
from scram_plugin.heuristics.graph import owner
from scram_plugin.heuristics.heuristic import INPUTS, LOSS, OUTPUTS, TARGETS
from scram_plugin.heuristics.measured import PASSING, Layer, known_layers, listed
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import GRADIENT, LAYER, WEIGHT, column

Thing = tuple[str, str | None]  # kind and path of a `Column`
Place = Literal["", "data", "initial", "layer", "loss", "backward", "weights"]
UNSEEN = 3  # layers before the first one with NaN that are named as well; by definition
LARGEST = 3.4e38  # of a 32-bit floating-point number (IEEE 754)
RARE = 6.0  # standard deviations: of a million random numbers, none is larger; by the normal distribution


@dataclass(frozen=True)
class Origin:
    """Where the first value that is not finite appeared.

    `kind`: in the "data", in the "initial" weights before any step, in the output of a "layer", in the "loss", in the
    "backward" pass, in "weights" by an update; "" where that is not known. `step` is a batch, from 0; None: not known. `where`
    are paths of layers, or "inputs", "targets", "outputs", "loss". `names`: the same in words.
    """

    step: int | None
    kind: Place = ""
    where: tuple[str, ...] = ()
    names: str = ""
    nan: bool = True
    count: int = 0  # values that are not finite there

    @property
    def before_updates(self) -> bool:
        """Whether no update of the weights can have brought it about."""
        return self.kind == "initial" or (self.step == 0 and self.kind != "weights")


def origin_of(run: TrainingRun) -> Origin | None:
    """Where the first value that is not finite appeared; None if none was recorded."""
    counts = _counts(run)
    bad = [thing for thing, (nan, infinite) in counts.items() if nan or infinite]
    bad = [thing for thing in bad if not _usual(run, thing)] or bad
    if not bad:
        return None
    step = next(int(c.steps[0]) for name in run.columns(schema.ORIGIN) if (c := run.statistic(schema.ORIGIN, name)) is not None)
    kind, where, names = _place(run, counts, bad, step)
    nan, infinite = counts[bad[0]]
    return Origin(step, kind, where, names, bool(nan), int(nan + infinite))


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


def _place(
    run: TrainingRun, counts: Mapping[Thing, tuple[float, float]], bad: list[Thing], step: int
) -> tuple[Place, tuple[str, ...], str]:
    """`kind`, `where` and `names` of an `Origin`."""
    kind, path = bad[0]
    if kind == LAYER and path is not None:
        entries = (run.facts.get("model") or {}).get("layers") or []
        if step == 0 and _too_large(run, path):  # on some processors a ReLU passes on a NaN, on others it gives 0
            return "initial", (path,), f"`{path}/{'weight' if run.framework_of_facts == 'torch' else 'kernel'}`"
        before = _with_unseen(run, path, counts)
        return (
            "layer",
            (*(layer.path for layer in before), owner(entries, path)),
            _either([layer.name for layer in before], path),
        )
    if kind.startswith("y_pred"):
        last = [layer for layer in known_layers(run) if layer.kind not in PASSING]
        return ("layer", (last[-1].path,), last[-1].name) if last else ("layer", (OUTPUTS,), "the output")
    if kind == "loss":
        return "loss", (LOSS,), "the loss"
    variables = [of for what, of in counts if what == WEIGHT and of is not None]
    broken = [v for v in variables if any((of, v) in bad for of in (GRADIENT, WEIGHT))]
    if kind not in (GRADIENT, WEIGHT) or not broken:
        return "data", (INPUTS if kind.startswith("x") else TARGETS,), "inputs" if kind.startswith("x") else "targets"
    only_infinite = not any(counts.get((of, v), (0, 0))[0] for v in broken for of in (GRADIENT, WEIGHT))
    if kind == WEIGHT and (only_infinite or any(what == GRADIENT for what, _ in counts)):
        held = broken[0].rpartition("/")[0]
        return "initial" if step == 0 and _too_large(run, held) else "weights", (held,), f"`{broken[0]}`"
    return "backward", *_backward(run, variables, broken)


def _either(before: list[str], path: str) -> str:
    return " or ".join([*before, f"`{path}`"])


def _too_large(run: TrainingRun, path: str) -> bool:
    """Whether some of the initial weights of a layer were too large for a number: then no update made them so."""
    layer = next((layer for layer in known_layers(run) if layer.path == path), None)
    spread = layer.initial_spread if layer is not None else None
    return spread is not None and (math.isinf(spread) or RARE * spread > LARGEST)


def _with_unseen(run: TrainingRun, path: str, counts: Mapping[Thing, Any]) -> list[Layer]:
    """The layers just before a layer whose outputs are not examined (for example a batch normalisation)."""
    known = {layer.path: layer for layer in known_layers(run)}
    found: list[Layer] = []
    at, passed = known.get(path), set()
    while at is not None and len(found) < UNSEEN and at.path not in passed:
        passed.add(at.path)
        sources = at.facts.get("from") or []
        before = known.get(path.rpartition("/")[0] + "/" * ("/" in path) + sources[0]) if len(sources) == 1 else None
        if before is None or (LAYER, before.path) in counts or before.kind in ("InputLayer",):
            break
        if before.kind not in PASSING:
            found.insert(0, before)
        at = before
    return found


def _backward(run: TrainingRun, variables: list[str], broken: list[str]) -> tuple[tuple[str, ...], str]:
    """NaN spreads to all variables before its origin, which is after the last one with NaN and before the next finite one."""
    last = max(variables.index(v) for v in broken)
    held = variables[last].rpartition("/")[0]
    known = known_layers(run)
    paths = [layer.path for layer in known]
    if held not in paths:
        return (held,) if held else (), f"`{held or variables[last]}`"
    sound = next((v.rpartition("/")[0] for v in variables[last + 1 :] if v.rpartition("/")[0] in paths), None)
    behind = known[paths.index(held) + 1 : paths.index(sound) if sound else None]
    suspects = [layer for layer in behind if layer.kind not in PASSING and _own(layer)]
    if suspects:
        return tuple(layer.path for layer in suspects), listed([layer.name for layer in suspects])
    own_loss = not sound and run.facts.get("loss", {}).get("custom")
    return ((LOSS,), "the loss") if own_loss else ((held,), f"`{held}`")


def _own(layer: Layer) -> bool:
    return bool(layer.facts.get("custom")) or layer.kind == "Lambda" or not layer.kind[:1].isupper()
