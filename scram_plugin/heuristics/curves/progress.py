"""Whether what was measured on the validation data gets better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scram_plugin.heuristics.curves.metrics import EVALUATIONS
from scram_plugin.heuristics.curves.noise import error_of_difference, median, noise, reflected, sliding_medians
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS, THIRD
from scram_plugin.logs.conventions import higher_is_better
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

DRIFT = 0.005  # relative: a smaller gain since the start of a training is drift, however steady it is; by bench-labelled


def validated(run: TrainingRun, least: int = EVALUATIONS) -> list[Curve]:
    """What was measured on the validation data, as curves that rise where it gets better: the loss, and metrics whose better
    direction is known."""
    found = []
    for name in run.signals:
        side, _, metric = name.partition(" ")
        better = False if metric == "loss" else higher_is_better(metric)
        curve = run.signal(name) if side == "validation" and better is not None and not metric.endswith(" part") else None
        if curve is not None and len(curve.finite) >= least:
            found.append(curve.finite if better else replace(curve.finite, values=-curve.finite.values))
    return found


def still_improves(run: TrainingRun) -> bool:
    """Whether the validation loss or a metric improved from the middle third to the last, beyond chance."""
    return any(_is_better(curve.values, *np.array_split(curve.values, THIRD)[1:]) for curve in validated(run))


def improves_since(run: TrainingRun, step: int) -> bool:
    """Whether the validation loss or a metric is better at the end than ever up to a step, beyond chance and drift."""
    for curve in validated(run, 2 * FOR_A_LEVEL):
        known = max(1, int(np.searchsorted(curve.steps, step, "right")))
        levels = sliding_medians(reflected(curve.values, FOR_A_LEVEL // 2), FOR_A_LEVEL)[:known]
        best = np.array([max(levels.max(), curve.values[known - 1])])
        end = curve.values[-FOR_A_LEVEL:]
        if _is_better(curve.values, best, end) and median(end) - best[0] > DRIFT * abs(best[0]):
            return True
    return False


def _is_better(whole: np.ndarray, before: np.ndarray, after: np.ndarray) -> bool:
    chance = SIGMAS * error_of_difference(noise(whole), len(after))
    return bool(median(after) - median(before) > chance)
