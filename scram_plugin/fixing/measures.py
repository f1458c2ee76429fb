"""What a run came to: the measures by which it is compared with another one, from its log."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.fixing.runs import Ran
from scram_plugin.logs.conventions import LOSS, higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.training_run import TrainingRun

LEVEL = 3  # evaluations whose median is the level at the end, where there are three times as many; by definition
LATE = 4  # of the batches of a run the last of so many parts are its end; by definition
AGREEMENT = "agreement of outputs and targets"
FIRST = ("accuracy", "f1", "map", "auc")  # what users want most of the metrics that a program logs
DIVERGED = 10.0  # times the loss of the first batch; how far a training has diverged beyond that says nothing; by definition
ALIKE = 1e-3  # of their spread: targets whose range differs by more are others; by definition


@dataclass(frozen=True)
class Level:
    """A quantity of a run: its level at the end, the standard error of that from the curve's own noise, and its name.

    `of_loss`: it means the same only under the same loss; `of_targets`: only for the same targets. `ceiling`: from there on a
    training has diverged.
    """

    name: str
    level: float
    error: float
    higher: bool
    of_loss: bool = False
    of_targets: bool = False
    ceiling: float = math.inf

    @property
    def diverged(self) -> bool:
        return self.level >= self.ceiling


@dataclass(frozen=True)
class Ending:
    """How a run ended: the sentence of a failure, or measures, the best first.

    `broken`: its loss is not finite at the end. `loss` and `targets` tell what the losses of two runs must have in common.
    """

    batches: int
    epochs: int
    error: str = ""
    broken: bool = False
    measures: Mapping[str, Level] = field(default_factory=dict)
    loss: str = ""
    targets: tuple[float, ...] = ()


def ending(ran: Ran) -> Ending:
    """The ending of a run, of the last training in its log."""
    told = ran.told
    if told.error:
        return Ending(told.batches, told.epochs, told.error)
    runs = training_runs(read(ran.log_dir)) if any(ran.log_dir.iterdir()) else []
    if not runs or not told.batches:
        return Ending(told.batches, told.epochs)
    run = runs[-1]
    found = dict(_metrics(run, told.kept))
    if (curve := run.signal("validation loss")) is not None:
        found["validation loss"] = _at_end("validation loss", curve, False, told.kept, of_loss=True, of_targets=True)
    if (of_batches := _agreement(run)) is not None:
        found[AGREEMENT] = _late(AGREEMENT, of_batches, True)
    elif told.agreement is not None:
        found[AGREEMENT] = Level(AGREEMENT, told.agreement, 0.0, True)
    batch = run.signal("batch loss") or run.signal("training loss")
    if (returns := run.signal("return")) is not None:
        found["return"] = _late("return", returns, True)
    if run.kind is not None:  # the loss of an opponent, or of a policy, measures no progress
        for name in (AGREEMENT, "validation loss"):
            found.pop(name, None)
    elif batch is not None:
        found["training loss"] = _late("training loss", batch, False)
        for name in found.keys() & {"training loss", "validation loss"}:
            found[name] = replace(found[name], ceiling=_ceiling(batch))
    broken = batch is not None and not np.isfinite(batch.values[-max(len(batch) // LATE, 1) :]).any()
    return Ending(told.batches, told.epochs, "", broken, found, _loss(run.facts), _targets(run))


def _ceiling(batch: Curve) -> float:
    """The loss from which on a training has diverged, by that of its first batch."""
    first = batch.finite.values[:1]
    return DIVERGED * float(first[0]) if len(first) and first[0] > 0 else math.inf


def _metrics(run: TrainingRun, kept: int | None) -> list[tuple[str, Level]]:
    """The metrics of the validation whose direction is known, those first that users want most."""
    found = []
    for name in run.signals:
        side, _, metric = name.partition(" ")
        said = set(metric.split())
        higher = higher_is_better(metric)
        curve = run.signal(name) if side == "validation" and higher is not None and not said & LOSS else None
        if curve is not None and higher is not None:
            found.append((name, _at_end(name, curve, higher, kept, of_targets=not higher)))
    rank = {name: next((i for i, word in enumerate(FIRST) if word in name.split()), len(FIRST)) for name, _ in found}
    return sorted(found, key=lambda entry: (rank[entry[0]], not entry[1].higher, entry[0]))


def _at_end(name: str, curve: Curve, higher: bool, kept: int | None, of_loss: bool = False, of_targets: bool = False) -> Level:
    """The level of an evaluation at the end; at the epoch whose weights the program kept, if it went back to them."""
    values = curve.values
    if kept is not None and kept in curve.steps:
        values = values[: int(np.searchsorted(curve.steps, kept)) + 1]
        count = 1
    else:
        count = LEVEL if len(values) >= LEVEL * LEVEL else 1
    level = float(np.median(values[-count:]))
    by_ratio = not higher and bool((values > 0).all())  # as losses are compared: peaks may differ by powers of ten
    noise = level * _noise(np.log(values)) if by_ratio else _noise(values)
    return Level(name, level, noise / math.sqrt(count), higher, of_loss, of_targets)


def _late(name: str, curve: Curve, higher: bool) -> Level:
    """The mean of the last batches, and the standard error of it."""
    values = curve.values[-max(len(curve) // LATE, 1) :]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Level(name, math.nan, 0.0, higher, name == "training loss", name == "training loss")
    error = float(np.std(finite) / math.sqrt(len(finite)))
    return Level(name, float(np.mean(finite)), error, higher, name == "training loss", name == "training loss")


def _noise(values: np.ndarray) -> float:
    """The standard deviation of the points around their curve, from second differences; 0 of a curve too short to tell."""
    finite = values[np.isfinite(values)]
    if len(finite) < LEVEL + 1:
        return 0.0
    return float(np.std(np.diff(finite[-LEVEL * LEVEL :], 2)) / math.sqrt(6.0))  # the variance of 1, -2, 1


def _agreement(run: TrainingRun) -> Curve | None:
    names = sorted(n for n, c in run.parsed(schema.BATCHES).items() if c.statistic == "agreement")
    curve = run.statistic(schema.BATCHES, names[0]) if names else None
    return curve.finite if curve is not None and len(curve.finite) else None


def _loss(facts: Mapping[str, Any]) -> str:
    """What must be equal for two losses to mean the same; empty where the loss is not known."""
    loss = facts.get("loss") or {}
    kinds = {name: loss.get(name) for name in ("class", "name", "source", "from_logits", "mean", "ignored")}
    named = {name: value for name, value in kinds.items() if value is not None}
    return re.sub(r"\s+", " ", repr(sorted(named.items()))) if named else ""


def _targets(run: TrainingRun) -> tuple[float, ...]:
    """Lowest, highest and mean value of the targets; empty where they are not known."""
    found = []
    for statistic, of in (("min", np.min), ("max", np.max), ("mean", np.mean)):
        curve = run.statistic(schema.BATCHES, schema.column("y0", None, statistic))
        if curve is None or not len(curve.finite):
            return ()
        found.append(float(of(curve.finite.values)))
    return tuple(found)


def load(log_dir: Path) -> list[TrainingRun]:
    """The training runs of a log directory."""
    return training_runs(read(log_dir))
