"""A penalty on the weights that is so strong that it pulls them to 0, whatever the data are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.edits import weaken_penalty
from scram_plugin.heuristics.guessing import guessing, variance_of_targets
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option
from scram_plugin.heuristics.limits import TENTH
from scram_plugin.heuristics.measured import (
    Layer,
    columns,
    enough_rows,
    kernel_of,
    known_layers,
    layers,
    levels,
    listed,
    shown_loss,
)
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "strong",
        0.1,
        "factor of an L1 or L2 penalty from which on it may be too strong",
        "ten times the 0.01 that is the default of Keras",
    ),
    Option(
        "shrunk",
        0.3,
        ("share of their first norm to which the penalised weights must shrink to be reported; without a penalty norms grow"),
        CALIBRATED,
    ),
    Option(
        "least",
        3,
        "measured batches that the check needs",
        CALIBRATED,
    ),
)
WEAKER = 0.09  # of a strong factor: 0.01 is what a penalty gets without a number; default of Keras
GONE = 0.05  # share of the first norm: hardly anything is left of the weights; by definition
REACHED = 0.7  # of the first loss, where that of guessing is not known; by bench-strangers
HALF = 0.5  # of the penalised weights must shrink: embeddings that are biases stay; by definition
COUPLED = 10.0  # times stronger is a penalty whose slope Adam divides by that of the loss (Loshchilov & Hutter, 2019)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    in_loss = float(run.loop.get("penalty") or 0.0)
    decay = max(_decay(run) / 2, in_loss)
    coupled = COUPLED if _is_divided(run, in_loss > 0) else 1.0
    present = known_layers(run) if decay else layers(run)
    factors = [(layer, max(_factor(run, layer), in_loss)) for layer in present]
    found = [(layer, factor) for layer, factor in factors if factor * coupled >= options["strong"]]
    decay_counts = decay * coupled >= options["strong"]
    weaker = not found and not decay_counts and not _learned(run)  # too strong where nothing is left of the weights
    if weaker:
        least = WEAKER * options["strong"]
        usual = [(layer, factor) for layer, factor in factors if factor * coupled >= least]
        norms = columns(run, "weight", "norm") if usual else {}
        found = [(layer, factor) for layer, factor in usual if _left(norms.get(kernel_of(run, layer))) <= GONE]
        decay_counts = decay * coupled >= least
    if not found and not decay_counts:
        largest = max([decay, *(factor for _, factor in factors)])
        run.measured("largest factor of an L1 or L2 penalty on the weights", largest, above=options["strong"] / coupled)
        return
    norms = columns(run, "weight", "norm")
    enough_rows(norms, int(options["least"]))
    # weight decay is for all parameters, those of the program's own layers, too
    paths = [path for path in norms if not path.endswith("/bias")] if decay else [kernel_of(run, layer) for layer, _ in found]
    left = {path: share for path in paths if math.isfinite(share := _left(norms.get(path)))}
    if not left:
        return
    # a usual factor must leave nothing of all weights
    share, limit = (1.0, GONE) if weaker else (HALF, options["shrunk"])
    reached = float(np.quantile(list(left.values()), share, method="lower"))
    if reached > limit:
        what = f"lowest norm of the penalised weights, as a share of the first one ({'largest' if weaker else 'median'})"
        run.measured(what, reached, below=limit, percent=True)
        return
    smallest = min(left, key=lambda path: left[path])
    name, factor = max(((layer.name, factor) for layer, factor in found), key=lambda e: e[1], default=("all parameters", decay))
    factor = factor if in_loss else _decay(run) or factor  # as the program writes it
    names = listed([layer.name for layer, _ in found]) if found else name
    curve = shown_loss(run)
    edit = weaken_penalty(run.facts, [layer.path for layer, _ in found])
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The penalty on the weights is too strong: {number(factor)} in {names}",
        evidence={
            "layers": names,
            "factor": number(factor),
            "least": f"`{smallest.rpartition('/')[0]}`",
            "left": left[smallest],
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis=curve.axis,
        curves=[norms[smallest].source(), curve.source()],
        causes=[Cause("factor", f"The penalty factor of {name} is {number(factor)}.", "", edit)],
        where=[layer.path for layer, _ in found],
    )


def _learned(run: TrainingRun) -> bool:
    """Whether the loss is better than that of guessing, or far below the first one: weights may begin larger than need be."""
    loss, guess = run.signal("batch loss"), guessing(run)
    if loss is None or len(loss.finite) < 2 * TENTH:
        return False
    first, late = levels(loss.finite.values, TENTH)
    variance = variance_of_targets(run)
    if variance is not None and late < REACHED * variance:
        return True
    return guess.is_beaten_by(late) if guess is not None else late < REACHED * first


def _left(norm: Curve | None) -> float:
    """The least share of its first norm that was left of a weight; infinite where that is not known."""
    known = norm is not None and len(norm.finite) > 1 and norm.finite.values[0] > 0
    return float(norm.finite.values.min() / norm.finite.values[0]) if norm is not None and known else math.inf


def _factor(run: TrainingRun, layer: Layer) -> float:
    """The larger of the factors of the L1 and L2 penalties on the kernel; 0 without a penalty.

    PyTorch's weight decay applies to all layers. It is twice the L2 factor, since the gradient of w² is 2w.
    """
    if run.framework_of_facts == "torch":
        return _decay(run) / 2 if layer.facts.get("kernel") else 0.0
    settings = layer.facts.get("regularizer") or {}
    return max((float(settings[kind]) for kind in ("l1", "l2") if isinstance(settings.get(kind), int | float)), default=0.0)


def _is_divided(run: TrainingRun, in_loss: bool) -> bool:
    """Whether the optimizer divides the slope of the penalty by the size of all slopes, as Adam does."""
    optimizer = run.facts.get("optimizer") or {}
    own = (optimizer.get("settings") or {}).get("decoupled_weight_decay") and not in_loss
    adaptive = optimizer.get("class") in ("Adam", "RMSprop", "Adamax", "NAdam") or (
        in_loss and optimizer.get("class") == "AdamW"
    )
    return run.framework_of_facts == "torch" and adaptive and not own


def _decay(run: TrainingRun) -> float:
    """The weight decay of PyTorch's optimizer; 0 without one."""
    decay = ((run.facts.get("optimizer") or {}).get("settings") or {}).get("weight_decay")
    return float(decay) if run.framework_of_facts == "torch" and isinstance(decay, int | float) else 0.0


HEURISTIC = Heuristic(
    id="strong-regularization",
    group="model",
    title_passed="No penalty on the weights is too strong",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's facts of the model", "SCRAM's statistics of weights"),
    order=160,
    precedence=130,
    explains=(
        *("standstill", "preflight-test", "initial-loss", "undertrained", "dead-relu"),
        *("vanishing-gradients", "vanishing-grad-norm", "update-ratio"),
    ),
)
