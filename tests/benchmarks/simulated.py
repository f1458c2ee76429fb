"""Simulated training runs, healthy and faulty, whose truth is known; for `verdicts.py`.

A curve is level times (1 + noise): the level falls like an exponential, a power law or in steps from `start` to a rest, the
validation follows it. A fault is put on top, of a known size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scram_plugin.logs.training_run import TrainingRun
from tests.training_runs import training_run

NOISES = (0.002, 0.01, 0.03, 0.06, 0.1)
LENGTHS = ((5, 10), (11, 30), (31, 100), (101, 500), (501, 3000))
SHAPES = ("exponential", "power law", "steps")
SCHEDULES = ("constant", "cosine", "step schedule")
EVERY = (1, 2, 5)  # validation every so many epochs
SETS = ("large validation set", "small validation set")  # the latter three times as noisy, up to 0.1
LIVES = ("one life", "double descent", "restart")
METRICS = ("accuracy", "late precision", "word errors")  # of the validation data, beside the accuracy
FAULTS = {  # fault -> runs; most have the name of the check that finds them, see `verdicts.FOUND_BY`
    "overfitting": 700,
    "divergence": 300,
    "no-learning": 250,
    "plateau": 150,
    "nonfinite-loss": 150,
    "oscillating-loss": 150,
    "loss-spike": 150,
    "noisy-validation": 150,
    "metric collapses": 150,
    "metric never rises": 150,
    "jump for a while": 150,
}
OF_METRICS = ("metric collapses", "metric never rises")  # of both data sets


@dataclass
class Simulated:
    run: TrainingRun
    levels: dict[str, str]  # factor -> level
    fault: str | None = None
    size: float = 0.0  # of the fault; what it measures depends on the fault
    after: int = 0  # points since the fault began
    points: int = 0
    curves: dict[str, np.ndarray] = field(default_factory=dict)  # tag -> values, for the rules to compare with


def healthy(rng: np.random.Generator) -> Simulated:
    return _simulate(rng, None)


def faulty(rng: np.random.Generator, fault: str) -> Simulated:
    return _simulate(rng, fault)


def _simulate(rng: np.random.Generator, fault: str | None) -> Simulated:
    noise, shape, schedule = rng.choice(NOISES), str(rng.choice(SHAPES)), str(rng.choice(SCHEDULES))
    low, high = LENGTHS[rng.integers(2 if fault not in (None, "overfitting", "nonfinite-loss") else 0, len(LENGTHS))]
    epochs = int(rng.integers(low, high + 1))
    every, set_, life = int(rng.choice(EVERY)), str(rng.choice(SETS)), str(rng.choice(LIVES)) if fault is None else "one life"
    if epochs // every < 5:
        every = 1
    t = np.arange(epochs)
    start = float(rng.uniform(0.5, 8.0))
    rest = start * float(rng.uniform(0.01, 0.3))
    level = rest + (start - rest) * _fall(rng, t / epochs, shape, schedule)
    validation = level * float(rng.uniform(1.0, 1.3))
    quiet = noise / 3  # the training loss is a mean over an epoch
    loud = min(noise * (3 if set_ == SETS[1] else 1), NOISES[-1])
    size, after = 0.0, 0
    if life == "double descent" and epochs > 30:
        bump = np.exp(-(((t / epochs - rng.uniform(0.25, 0.5)) / 0.08) ** 2))
        validation = validation + 0.3 * start * bump
    checked = t[every - 1 :: every]
    if fault == "overfitting":
        points = len(checked)
        after = int(rng.integers(max(points // 4, 1), max(3 * points // 4, 2)))
        best = points - 1 - after
        size = float(rng.choice([1, 2, 3, 4, 6, 10, 20]))  # the rise of the last points, in noises of the validation loss
        ramp = np.clip((np.arange(points) - best) / max(after, 1), 0, 1) ** float(rng.choice([0.5, 1.0]))
        floor = validation[checked][best]
        bent = np.where(np.arange(points) > best, floor * (1 + size * loud * ramp), validation[checked])
        validation = np.interp(t, checked, bent)
    elif fault == "divergence":
        at = int(epochs * rng.uniform(0.2, 0.7))
        after, size = epochs - 1 - at, float(rng.choice([0.6, 1.0, 3.0, 30.0]))  # part of the gain that is lost
        grown = np.clip((t - at) / max(0.3 * after, 1), 0, 1) * size * (level[0] - level[at])
        level, validation = np.where(t > at, level[at] + grown, level), np.where(t > at, validation[at] + grown, validation)
    elif fault == "no-learning":
        size = float(noise)
        level = np.full(epochs, start)
        validation = np.full(epochs, start * 1.02)
    elif fault == "plateau":
        at = int(epochs * rng.uniform(0.05, 0.3))
        size = float(rng.choice([0.1, 0.2, 0.4]))  # how far above its best it stays
        level = np.where(t > at, level[at] * (1 + size), level)
        validation = np.where(t > at, validation[at] * (1 + size), validation)
    elif fault == "oscillating-loss":
        size = float(rng.choice([0.3, 0.5, 0.8]))  # amplitude of the swings, as a fraction of the loss
        swings = 1 + size * np.where((t // max(epochs // 40, 1)) % 2, 1, -1) * rng.uniform(0.8, 1.2, epochs)
        level, validation = level * swings, validation * swings
    elif fault == "loss-spike":
        size = float(rng.choice([2.0, 4.0, 10.0]))  # times the level
        at, width = int(epochs * rng.uniform(0.3, 0.8)), max(4, int(0.03 * epochs))
        level = np.where((t >= at) & (t < at + width), level * (1 + size), level)
    elif fault == "jump for a while":
        size = float(rng.choice([2.0, 4.0, 10.0]))  # times the level
        at, width = int(epochs * rng.uniform(0.3, 0.6)), int(epochs * rng.uniform(0.15, 0.3))
        high = np.where((t >= at) & (t < at + width), size, 1.0)
        level, validation = level * high, validation * high
    elif fault == "noisy-validation":
        size = loud = float(rng.choice([0.35, 0.5, 0.8]))
    train = level * (1 + quiet * rng.standard_normal(epochs))
    val = (validation * np.maximum(1 + loud * rng.standard_normal(epochs), 0.05))[checked]
    score = np.exp(-val / start)
    if fault == "metric collapses":  # the loss stays where it was
        at = int(len(checked) * rng.uniform(0.3, 0.8))
        after, size = len(checked) - 1 - at, float(rng.choice([0.6, 0.8, 0.95]))  # part of the gain that is lost
        score[at:] = score[0] + (1 - size) * (score[at] - score[0])
        train[t >= checked[at]] = train[checked[at]] * (1 + quiet * rng.standard_normal(epochs - checked[at]))
        val[at:] = val[at] * (1 + loud * rng.standard_normal(len(val) - at))
    elif fault == "metric never rises":  # the loss falls once
        train = np.where(t < max(1, epochs // 50), start, rest) * (1 + quiet * rng.standard_normal(epochs))
        val = 1.1 * np.where(checked < max(1, epochs // 50), start, rest) * (1 + loud * rng.standard_normal(len(checked)))
        size = float(rng.choice([0.01, 0.03, 0.06]))  # the score that it has
        score = size * (1 + 0.05 * rng.standard_normal(len(checked)))
    if fault == "nonfinite-loss":
        at = int(rng.integers(0, epochs))
        after, size = epochs - at, 1.0
        train[at:], val[checked >= at] = np.nan, np.nan
    train_steps, val_steps = t, checked
    if life == "restart" and epochs > 10:  # the program ended, and went on from an earlier checkpoint
        back, end = sorted(rng.choice(np.arange(2, epochs - 1), 2, replace=False))
        again = level[back:end] * (1 + quiet * rng.standard_normal(end - back))
        train_steps, train = np.concatenate([t[:end], t[back:]]), np.concatenate([train[:back], again, train[back:]])
    metric = str(rng.choice(METRICS)) if fault is None else METRICS[0]
    accuracy = np.exp(-np.nan_to_num(val, nan=9.0) / start)
    metrics = {
        "train/accuracy": (train_steps, np.exp(-np.nan_to_num(train, nan=9.0) / start)),
        "val/accuracy": (val_steps, accuracy),
    }
    if fault in OF_METRICS:
        metrics = {"train/map": (train_steps, np.interp(train_steps, checked, score)), "val/map": (val_steps, score)}
    elif metric == METRICS[1]:  # 0 for up to a quarter of the training, as with detectors
        metrics["val/map"] = val_steps, accuracy * (np.arange(len(val)) >= len(val) * rng.uniform(0, 0.25))
    elif metric == METRICS[2]:
        metrics["val/wer"] = val_steps, 1.2 - accuracy
    run = training_run({"train/loss": (train_steps, train), "val/loss": (val_steps, val), **metrics})
    levels = {
        "noise": f"{noise:g}",
        "length": f"{low} to {high}",
        "shape": shape,
        "schedule": schedule,
        "validation": f"every {every}",
        "set": set_,
        "life": life,
        "metric": metric,
    }
    curves = {"train": np.interp(checked, t, level if len(train) != epochs else train), "val": val}
    return Simulated(run, levels, fault, size, after, len(checked), curves)


def _fall(rng: np.random.Generator, x: np.ndarray, shape: str, schedule: str) -> np.ndarray:
    """A falling curve from 1 towards 0 over x in 0..1; a schedule makes it fall again where the rate drops."""
    if shape == "exponential":
        fall = np.exp(-x * rng.uniform(3, 8))
    elif shape == "power law":
        fall = (1 + x * rng.uniform(20, 200)) ** -rng.uniform(0.4, 1.0)
    else:
        edges = np.sort(rng.uniform(0.05, 0.95, 3))
        fall = 0.5 ** np.searchsorted(edges, x) * np.exp(-2 * x)
    if schedule == "cosine":
        fall = fall * (0.3 + 0.7 * (1 + np.cos(np.pi * x)) / 2)
    elif schedule == "step schedule":
        fall = fall * np.where(x > 0.75, 0.3, np.where(x > 0.5, 0.6, 1.0))
    return fall
