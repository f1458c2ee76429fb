"""What is known of the output of a model: its activation, the loss that reads it, and the values that were measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.heuristic import NotChecked
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.measured import (
    LINEAR,
    PASSING,
    Layer,
    channels,
    is_mean,
    known_layers,
    layers,
    levels,
    output,
    sums,
)
from scram_plugin.heuristics.names import CATEGORICAL, loss_class
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

DROPOUTS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout")
BINARY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
DISTANCES = ("MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh", "MeanSquaredLogarithmicError")
# activation -> the values that it can give, by definition
RANGES = {
    **{"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)},
    **{"relu": (0.0, np.inf), "relu6": (0.0, 6.0), "softplus": (0.0, np.inf)},
    # the least values of smooth relatives of ReLU (Hendrycks & Gimpel, 2016; Ramachandran et al., 2017; Clevert et al., 2016)
    **{"gelu": (-0.1701, np.inf), "silu": (-0.2785, np.inf), "swish": (-0.2785, np.inf), "elu": (-1.0, np.inf)},
    **{"mish": (-0.3089, np.inf), "selu": (-1.7581, np.inf)},
    **{"softsign": (-1.0, 1.0), "hard_sigmoid": (0.0, 1.0)},
}
BEYOND = 0.05  # share of the range of the targets by which they may lie outside the range of the output; by bench-limits
FOR_A_RANGE = 3  # measured batches: fewer do not show the range of the outputs; by bench-limits
CLOSE_TO_ONE = 0.01  # from 1: so near probabilities sum to 1, in float16 too; by definition
OTHER_SUM = 0.05  # difference from 1 of the sum of probabilities: far above rounding in half precision; by definition
ROUNDING = 1e-3  # by which an activation may exceed its bounds in half precision; IEEE 754
STILL_HIGH = 0.9  # of the loss of the first tenth: the loss has hardly fallen; by bench-limits
STILL_GUESSED = 0.7  # of the squared error of the best constant answer: less than a third was learned; by bench-limits
BATCHES = 100  # after which that says something; by bench-limits


@dataclass(frozen=True)
class Output:
    """An output layer and the loss that reads it. `loss` is the class of Keras that computes the same."""

    run: TrainingRun
    layer: Layer
    loss: str
    logits: bool  # the loss takes logits
    units: Any  # a whole number, if it is known
    named_loss: str  # as the framework calls it
    number: int = 0  # of the output
    place: int | None = 0  # of its targets, among those of the data
    alone: bool = True  # the only output, so that the loss of the training is that of this output

    @property
    def activation(self) -> str | None:
        """The activation of the output; None if measured outputs lie beyond its values: more is computed after it."""
        known = self.layer.activation
        if known not in RANGES:
            return known
        if known == "elu" and (self.layer.facts.get("settings") or {}).get("alpha", 1.0) != 1.0:
            return None
        low, high = (self.run.statistic(schema.STATISTICS, f"{self.y_pred}/{which}") for which in ("min", "max"))
        if low is None or high is None or not len(low.finite) or not len(high.finite):
            return known
        behind = dropout_behind(self.run)
        stretched = 1 / (1 - behind[1]) if behind is not None and behind[1] < 1 else 1.0  # what dropout keeps, it makes larger
        least, most = (stretched * bound for bound in RANGES[known])
        inside = low.finite.values.min() >= least - ROUNDING and high.finite.values.max() <= most + ROUNDING
        return known if inside else None

    @property
    def y(self) -> str:
        return f"y{self.place}"

    @property
    def y_pred(self) -> str:
        return f"y_pred{self.number}"

    @property
    def of_torch(self) -> bool:
        return self.run.framework_of_facts == "torch"

    @property
    def categorical(self) -> bool:
        return self.loss in CATEGORICAL

    @property
    def takes_logarithms(self) -> bool:
        """Of probabilities."""
        return self.categorical and self.named_loss == "NLLLoss"

    @property
    def compares_classes(self) -> bool:
        """By probabilities or logits."""
        return self.categorical and not self.takes_logarithms

    @property
    def binary(self) -> bool:
        return self.loss in BINARY

    @property
    def distance(self) -> bool:
        return self.loss in DISTANCES

    @property
    def before(self) -> Layer | None:
        """The layer whose output is the only input of this one."""
        sources = self.layer.facts.get("from") or []
        return next((other for other in layers(self.run) if sources == [other.path.rpartition("/")[2]]), None)

    @property
    def above_zero(self) -> bool:
        """Whether a measured output is above 0, which no logarithm of a probability is."""
        high = self.run.statistic(schema.STATISTICS, f"{self.y_pred}/max")
        return high is not None and len(high.finite) > 0 and float(high.finite.values.max()) > 0

    @property
    def gives_probabilities(self) -> bool:
        """Whether all measured outputs lie between 0 and 1, and several outputs sum to 1, however they are computed. False for
        a linear Dense layer: its outputs do so only by chance."""
        if self.layer.kind == "Dense" and self.activation in LINEAR:
            return False
        low, high = (self.run.statistic(schema.STATISTICS, f"{self.y_pred}/{which}") for which in ("min", "max"))
        if low is None or high is None or len(low.finite) < FOR_A_RANGE or not len(high.finite):
            return not self.alone  # of one of several outputs, nothing is said before it is known
        outputs = sums(self.run, self.y_pred) if self.alone or not self.binary else None
        within = low.finite.values.min() >= 0 and high.finite.values.max() <= 1
        return bool(within and (outputs is None or np.allclose(outputs[np.isfinite(outputs)], 1, atol=CLOSE_TO_ONE)))

    @property
    def one_class_each(self) -> bool:
        """Whether the targets of an example sum to 1, as one-hot targets do."""
        targets = sums(self.run, self.y)
        return targets is not None and bool(np.allclose(targets, 1, atol=CLOSE_TO_ONE))

    @property
    def seen_enough(self) -> bool:
        """Whether the loss of at least `BATCHES` batches is known."""
        loss = self.run.signal("batch loss")
        return self.alone and loss is not None and len(loss.finite) >= BATCHES

    @property
    def hardly_better_than_guessing(self) -> bool:
        """Whether, after at least `BATCHES` batches, the loss has hardly fallen, or its squared error of one-hot targets is
        nearly that of always answering the frequency of each class."""
        loss = self.run.signal("batch loss")
        if loss is None or not self.seen_enough:
            return False
        first, last = levels(loss.finite.values, TENTH)
        shares = np.array([np.mean(curve.finite.values) for curve in channels(self.run, self.y, "mean").values()])
        guessed = float(np.mean(shares * (1 - shares))) if self.loss == "MeanSquaredError" and is_mean(self.run) else np.inf
        return last > STILL_HIGH * first or last > STILL_GUESSED * guessed

    @property
    def one_number_for_several(self) -> bool:
        """Whether there are several outputs, but one number as the target of each example."""
        several = isinstance(self.units, int) and self.units > 1
        return several and self.run.statistic(schema.STATISTICS, f"{self.y}/mean/0") is None

    @property
    def targets(self) -> tuple[float, float] | None:
        """The smallest and the largest target; None if they were not recorded."""
        low, high = (self.run.statistic(schema.BATCHES, column(self.y, None, which)) for which in ("min", "max"))
        if low is None or high is None or not len(low.finite) or not len(high.finite):
            return None
        return float(low.finite.values.min()), float(high.finite.values.max())

    @property
    def targets_beyond(self) -> bool:
        """Whether targets lie outside the range of the output."""
        return self.targets is not None and beyond(str(self.activation), *self.targets)


def dropout_behind(run: TrainingRun) -> tuple[Layer, float] | None:
    """A dropout that is the last layer of the model, so that it drops outputs; with its rate."""
    known = layers(run)
    rate = known[-1].facts.get("settings", {}).get("rate") if known and known[-1].kind in DROPOUTS else None
    single = run.facts["model"].get("kind") == "sequential" or len(run.facts["model"].get("outputs") or []) == 1
    return (known[-1], float(rate)) if single and isinstance(rate, int | float) and rate > 0 else None


def beyond(activation: str, least: float, most: float) -> bool:
    """Whether targets from `least` to `most` lie outside the range of an activation."""
    lowest, highest = RANGES[activation]
    margin = max(BEYOND * (most - least), ROUNDING)
    return least < lowest - margin or most > highest + margin


def never_active(run: TrainingRun) -> Layer | None:
    """The output layer, if it ends in a ReLU, and all outputs of the last measured batches were 0."""
    try:
        last = output(run)
    except NotChecked:
        return None
    high = run.statistic(schema.STATISTICS, "y_pred0/max")
    if last.activation not in ("relu", "relu6") or high is None or len(high.finite) < 2 * FOR_A_RANGE:
        return None
    late = high.finite.values[len(high.finite) // 2 :]
    return last if not late.any() else None


def always_one(run: TrainingRun) -> bool:
    """Whether every measured output was exactly 1 with a binary loss, as softmax over one unit gives."""
    low, high = (run.statistic(schema.STATISTICS, f"y_pred0/{which}") for which in ("min", "max"))
    several = run.statistic(schema.STATISTICS, "y_pred0/mean/0") is not None
    binary = "Binary" in loss_class(run) or loss_class(run) == "None"
    if low is None or high is None or len(low) < FOR_A_RANGE or several or not binary:
        return False
    return bool((low.values == 1).all() and (high.values == 1).all())


def no_probabilities(run: TrainingRun) -> str | None:
    """How outputs that a categorical loss takes for probabilities are none: they were measured below 0 or above 1, or the sum
    of those of an example is not 1. None where they may be probabilities."""
    low, high = (run.statistic(schema.STATISTICS, f"y_pred0/{which}") for which in ("min", "max"))
    given = loss_class(run) in CATEGORICAL and (run.facts.get("loss") or {}).get("from_logits") is not True
    if not given or run.framework_of_facts != "keras" or low is None or high is None:
        return None
    if (low.finite.values < -ROUNDING).any() or (high.finite.values > 1 + ROUNDING).any():
        return "The outputs were below 0 or above 1, which no probability is"
    each = sums(run, "y_pred0")
    known = each[np.isfinite(each)] if each is not None else np.array([])
    if len(known) < FOR_A_RANGE or float(np.median(np.abs(known - 1))) <= OTHER_SUM:
        return None
    return f"The outputs of an example add up to {number(float(np.median(known)))}, and probabilities to 1"


def negative_logarithms(run: TrainingRun) -> bool:
    """Whether the mean of `NLLLoss` was below 0: the logarithm of a probability never is above it."""
    loss, known = run.signal("batch loss"), run.facts.get("loss") or {}
    exact = known.get("class") == "NLLLoss" and known.get("mean") is not False
    return exact and loss is not None and len(loss.finite) > 0 and float(loss.finite.values.min()) < 0


def are_probabilities(run: TrainingRun) -> bool:
    """Whether the outputs that a loss takes a softmax of are between 0 and 1, and those of an example add up to 1 as it is."""
    loss, units = run.facts.get("loss") or {}, (run.facts.get("model") or {}).get("output_units")
    found = [run.statistic(schema.STATISTICS, column("y_pred0", None, which)) for which in ("min", "max", "mean")]
    takes_logits = loss_class(run) in CATEGORICAL and loss.get("from_logits") is True
    if not takes_logits or not isinstance(units, int) or units < 2 or any(curve is None for curve in found):
        return False
    low, high, mean = (curve.finite.values for curve in found if curve is not None)
    if min(map(len, (low, high, mean))) < FOR_A_RANGE or low.min() < -ROUNDING or high.max() > 1 + ROUNDING:
        return False
    return bool(np.abs(mean * units - 1).max() < ROUNDING)


def of_several(run: TrainingRun) -> Iterator[Output]:
    """The outputs of a Keras model that has several, each with the loss that reads it, where its layer is known."""
    by_path = {layer.path: layer for layer in known_layers(run)}
    for part in (run.facts.get("loss") or {}).get("outputs") or []:
        layer = by_path.get(str(part.get("layer")))
        while layer is not None and layer.kind in PASSING:
            sources = layer.facts.get("from") or []
            layer = by_path.get(sources[0]) if len(sources) == 1 else None
        if layer is None or layer.facts.get("custom") or layer.kind == "Lambda":
            continue
        loss, number, place = str(part.get("class")), part.get("output") or 0, part.get("targets")
        yield Output(run, layer, loss, bool(part.get("from_logits")), part.get("units"), loss, number, place, alone=False)
