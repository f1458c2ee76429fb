"""The curves of findings, reduced to few points, for pictures without a server: in the terminal, a file or a notebook."""

from __future__ import annotations

import math

import numpy as np

from scram_plugin.logs.curve import CurveName, decimate
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review, Sketch

POINTS = 240  # points of a curve: slightly more than a small picture can show, with every spike and NaN
MOST_CURVES = 4  # curves of a finding; more cannot be told apart in a small picture


def sketches(run: TrainingRun, review: Review) -> list[Sketch]:
    """The curves that findings of a review name, each once, with values to five digits."""
    drawn: dict[CurveName, Sketch] = {}
    for finding in review.all_findings:
        for name in finding.picture.curves[:MOST_CURVES]:
            curve = run.curve(name.tensorboard_run, name.tag) if name not in drawn else None
            if curve is not None and len(curve):
                kept = decimate(curve.values, POINTS)
                if (part := finding.picture.part) is not None:
                    early = int(np.searchsorted(curve.steps, part[1], "right"))
                    kept = np.union1d(kept, decimate(curve.values[:early], POINTS))
                values = [_short(value) for value in curve.values[kept].tolist()]
                drawn[name] = Sketch(name.tensorboard_run, name.tag, curve.steps[kept].tolist(), values)
    return list(drawn.values())


def _short(value: float) -> float:
    short = float(f"{value:.5g}")
    return short if math.isfinite(short) else value  # rounding makes the largest numbers infinite
