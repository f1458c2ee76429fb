"""Examples that a model learns by heart: the training loss falls where they come again, and not in between.

In the first epoch each example is new, so its loss is that of new data. What holds for other examples lowers the loss within
epochs; what is only remembered lowers it where the next epoch begins (Howard & Whitaker, 2023, "Can LLMs learn from a single
example?").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.limits import FOR_A_LEVEL
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

EPOCHS = 3  # a first one, and two borders; by definition
IN_EPOCH = 8  # batches of an epoch: with fewer, no line has a slope; by definition
# variances of the end of a straight line through many points, and of the difference of its ends, times their number and in
# variances of a point; by least squares
OF_AN_END, OF_A_SLOPE = 4, 12
FOLLOWS = 0.5  # correlation of the means of batches with those of the next ones: there is none in a random order; by definition
REGULAR = 0.1  # of the usual distance, by which evaluations at the ends of epochs may differ; by definition


@dataclass(frozen=True)
class Falls:
    """How much the training loss fell, by a line in each epoch: in the first epoch, within the later ones, and in all since the
    end of the first. `error`, `error_of_total`: standard errors of the last two. `level`: the loss in the second half of the
    first epoch. `head`: that of the very first batches.
    """

    head: float
    first: float
    within: float
    total: float
    error: float
    error_of_total: float
    level: float
    epochs: int


def falls(run: TrainingRun) -> Falls | None:
    """None where it is not known where the epochs of the batches end, or where these always come in one order."""
    losses = run.signal("batch loss")
    if losses is None or len(losses.finite) != len(losses) or (run.facts.get("fit") or {}).get("shuffle") is False:
        return None
    parts = [part for part in _by_epoch(run, losses) if len(part) >= IN_EPOCH]
    if len(parts) < EPOCHS:
        return None
    if any(_is_ordered(run, column(name, None, "mean")) for name in ("x0", "y0")):
        return None
    lines = [_line(part) for part in parts]
    begins, ends = np.array([begin for begin, _, _ in lines]), np.array([end for _, end, _ in lines])
    counts = np.array([len(part) for part in parts])
    noise = float(np.sqrt(sum(squares for _, _, squares in lines) / max(1, counts.sum() - 2 * len(parts))))
    return Falls(
        head=float(np.median(parts[0][:FOR_A_LEVEL])),
        first=float(begins[0] - ends[0]),
        within=float((begins - ends)[1:].sum()),
        total=float(ends[0] - ends[-1]),
        error=noise * float(np.sqrt((OF_A_SLOPE * (counts - 1) / (counts * (counts + 1)))[1:].sum())),
        error_of_total=noise * float(np.sqrt((OF_AN_END / counts[[0, -1]]).sum())),
        level=float(np.mean(parts[0][len(parts[0]) // 2 :])),
        epochs=len(parts),
    )


def with_epochs(losses: Curve, epochs: Curve) -> tuple[Curve, np.ndarray]:
    """The losses at whose steps an epoch was logged, and these epochs."""
    at = np.searchsorted(epochs.steps, losses.steps)
    known = at < len(epochs)
    known[known] = epochs.steps[at[known]] == losses.steps[known]
    return losses.where(known), epochs.values[at[known]]


def _by_epoch(run: TrainingRun, losses: Curve) -> list[np.ndarray]:
    epochs = run.signal("epoch")
    if epochs is not None and epochs.axis == losses.axis and len(np.unique(epochs.finite.values)) >= EPOCHS:
        losses, numbers = with_epochs(losses, epochs)
        return [losses.values[numbers == one] for one in np.unique(numbers)]
    ends = np.array(run.loop.get("evaluated_at") or run.loop.get("trained_at") or [], int)
    if len(ends) < EPOCHS:
        return []
    gaps = np.diff(ends, prepend=0)
    if np.abs(gaps - np.median(gaps)).max() > REGULAR * np.median(gaps):
        return []
    return np.split(losses.values, np.searchsorted(losses.steps, ends))[: len(ends)]


def _is_ordered(run: TrainingRun, name: str) -> bool:
    """Whether neighbouring batches are alike: then the loss within an epoch follows the order of the examples."""
    means = run.statistic(schema.BATCHES, name)
    values = means.finite.values if means is not None else np.zeros(0)
    apart = values[:-1] - values.mean() if len(values) > IN_EPOCH else np.zeros(1)
    spread = float(apart @ apart)
    return spread > 0 and float(apart @ (values[1:] - values.mean())) > FOLLOWS * spread


def _line(values: np.ndarray) -> tuple[float, float, float]:
    """Both ends of the straight line through the values, and the sum of its squared residuals."""
    at = np.arange(len(values)) - (len(values) - 1) / 2
    slope = float(at @ values / (at @ at))
    half = slope * (len(values) - 1) / 2
    return float(values.mean()) - half, float(values.mean()) + half, float(((values - values.mean() - slope * at) ** 2).sum())
