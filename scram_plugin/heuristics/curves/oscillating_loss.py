"""Oscillation: the training loss goes up and down by a large share of its value, from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import loss, rate_as_cause, rises_of_rate, stretches
from scram_plugin.heuristics.curves.metrics import scores
from scram_plugin.heuristics.curves.noise import median, noise
from scram_plugin.heuristics.curves.shape import falling
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option, TooEarly
from scram_plugin.heuristics.limits import FOR_A_LEVEL, USUAL_RANGE
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        10,
        "points of the training loss that are needed to tell an oscillation from chance",
        CALIBRATED,
    ),
    Option(
        "max_noise",
        0.25,
        (
            "largest standard deviation around the trend that is accepted, as a fraction of the loss, of means over "
            "fiftieths of the training"
        ),
        CALIBRATED,
    ),
    Option(
        "min_part",
        0.03,
        (
            "smallest oscillation, as a fraction of the fall of the loss since its first point: late in a training a few "
            "examples can change a small loss by a large share"
        ),
        CALIBRATED,
    ),
)
STRETCHES = 50  # parts of the curve: in their means the natural noise of single batches averages out; by bench-limits
BATCHES_OF_A_PART = 10  # points in each part, at least, if they are losses of batches; by bench-limits
OF_BATCHES = 0.2  # of the fall of a loss of batches: smaller swings may be those of the batches; by bench-limits
TURNS = 0.4  # share of the points where the direction changes: 2/3 for white noise, near 0 for a slow wave; by bench-limits
STEADY = 0.1  # noise of the validation loss, as a fraction of it: below that the model itself is steady; by bench-limits
STEADY_SCORE = 0.005  # noise of a metric, as a fraction of it: below that the answers hardly change; by bench-limits
FOR_A_SPREAD = 8  # points of a validation loss: fewer have no spread; by bench-limits
_DEVIATIONS = 2.563  # standard deviations between the quantiles of `USUAL_RANGE` in a normal distribution; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = loss(run, least=int(options["least"]))
    values, steps = stretches(curve, STRETCHES)
    if (values <= 0).any():
        raise Inconclusive("the loss is not above zero everywhere, so its oscillation cannot be compared with its level")
    if not _swings(run, curve, values, options["max_noise"]):
        return
    shaken = _validation(run)
    if shaken is not None and shaken < STEADY:
        what = "oscillation of the validation loss, as a share of it"
        run.measured(what, shaken, above=STEADY, percent=True, curve=run.signal("validation loss"))
        return  # the model does not oscillate: the batches differ
    # Means over epochs oscillate only if the model does. So do batch losses, if the validation loss oscillates with them.
    if curve.axis != "epoch" and (shaken is None or shaken <= options["max_noise"] / 2):
        values, steps = stretches(curve, STRETCHES, BATCHES_OF_A_PART)
        if len(values) < options["least"]:
            raise TooEarly(f"it needs {options['least'] * BATCHES_OF_A_PART:,} batch losses, there are {len(curve)}")
        if not _swings(run, curve, values, options["max_noise"]):
            return
    half = values[len(values) // 2 :]
    swing, turns = max(_zigzag(values), _spread(half)), _turns(half)
    part = options["min_part"] if curve.axis == "epoch" or shaken is not None else max(options["min_part"], OF_BATCHES)
    fall = values[0] - median(half)
    if swing * median(half) < part * fall:
        what = "oscillation of the training loss, as a share of its fall"
        run.measured(what, swing * median(half) / fall, above=part, percent=True, curve=curve)
        return
    evaluated = [s.values for s in scores(run) if s.name.startswith("validation") and np.ptp(s.values) > 0]
    if evaluated and all(map(_is_steady, evaluated)):
        return  # only how confident the answers are goes up and down
    if rises_of_rate(run) > 2:
        raise Inconclusive("the learning rate itself goes up and down, and the loss may follow it as intended")
    unit, first, last = curve.axis, int(steps[0]), int(steps[-1])
    yield Finding(
        severity="warning",
        confidence="likely",
        title="The training loss oscillates",
        evidence={
            "swing_percent": 100 * swing,
            "low": float(np.quantile(half, USUAL_RANGE[0])),
            "high": float(np.quantile(half, USUAL_RANGE[1])),
            "from_place": place(unit, int(steps[len(steps) // 2])),
            "last_place": place(unit, last),
            "turns_percent": 100 * turns,
        },
        first_step=first,
        last_step=last,
        axis=unit,
        curves=[curve.source()],
        causes=[rate_as_cause(run), Cause("batch-size", _batch_size(run)), Cause("shuffling")],
        since=int(steps[len(steps) // 2]),  # the later half is judged
    )


def _is_steady(values: np.ndarray) -> bool:
    """Whether the later half of a score hardly varies, and has not collapsed."""
    half = values[len(values) // 2 :]
    return noise(half) < STEADY_SCORE * median(half) and median(half) > values.max() / 2


def _swings(run: TrainingRun, curve: Curve, values: np.ndarray, most: float) -> bool:
    half = values[len(values) // 2 :]
    turns, zigzag, spread = _turns(half), *((_zigzag(values), _spread(half)) if len(half) else (0.0, 0.0))
    if (swing := max(zigzag, spread)) <= most:
        run.measured("oscillation of the training loss, as a share of it", swing, above=most, percent=True, curve=curve)
    elif turns < TURNS:
        run.measured("share of points where the training loss changes direction", turns, above=TURNS, percent=True, curve=curve)
    return turns >= TURNS and (zigzag > most or spread > most)


def _zigzag(values: np.ndarray) -> float:
    """The noise as a fraction of the level: of the whole curve or of its later half, whichever is smaller."""
    return min(noise(part) / median(part) for part in (values, values[len(values) // 2 :]))


def _spread(values: np.ndarray) -> float:
    """The standard deviation around the nearest falling curve, as a fraction of the level; it also sees slow oscillations.

    Estimated from the 10 % and 90 % quantiles, which are 2.563 standard deviations apart, so that spikes do not count.
    """
    around = np.sort(values - falling(values))
    last = len(around) - 1
    return float(around[round(USUAL_RANGE[1] * last)] - around[round(USUAL_RANGE[0] * last)]) / _DEVIATIONS / median(values)


def _turns(values: np.ndarray) -> float:
    """How often the curve changes its direction, as a fraction of its points."""
    if len(values) <= FOR_A_LEVEL:
        return 0.0
    up = values[1:] > values[:-1]
    return float(np.count_nonzero(up[1:] != up[:-1])) / (len(up) - 1)


def _validation(run: TrainingRun) -> float | None:
    """How much the later half of the validation loss oscillates, as a fraction of it; None if that is not known."""
    curve = run.signal("validation loss")
    if curve is None or len(curve.finite) < FOR_A_SPREAD:
        return None
    late = curve.finite.values[len(curve.finite) // 2 :]
    return max(noise(late) / median(late), _spread(late)) if (late > 0).all() else None


def _batch_size(run: TrainingRun) -> str:
    size = run.facts.get("fit", {}).get("batch_size")
    return f"A batch has {size} example{'s' * (size != 1)}." if size else ""


HEURISTIC = Heuristic(
    id="oscillating-loss",
    group="curves",
    title_passed="The training loss does not oscillate",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("training loss",),
    order=260,
    families=("curve-shape", "unrest"),
    precedence=320,
    explains=("no-learning", "plateau", "loss-spike", "noisy-validation", "learning-rate-schedule"),
    whole_training=True,
)
